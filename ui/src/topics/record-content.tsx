import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import type { MessageJson, TextOrBytesJson } from '../../../backend/query/shapes.ts';
import { recordQuery } from '../api/queries.ts';
import { formatClock, formatDay } from '../text/time.ts';

/** What one record holds, beside what became of it. */
export function RecordContent(props: {
  readonly topic: string;
  readonly partition: string;
  readonly offset: string;
  /** Its row, when the records that show have it. */
  readonly message: MessageJson | undefined;
  readonly onClose: () => void;
}) {
  const { topic, partition, offset, message } = props;
  const record = useQuery(recordQuery(topic, partition, offset));
  const close = useRef<HTMLButtonElement>(null);
  // It opens above the list that the keyboard is in: focus goes with it.
  useEffect(() => close.current?.focus(), [topic, partition, offset]);
  return (
    <section
      className="record"
      aria-label={`Record ${topic} ${partition}/${offset}`}
      onKeyDown={(event) => {
        if (event.key === 'Escape') props.onClose();
      }}
    >
      <header>
        <h3>
          {topic} <span className="mono">{`${partition}/${offset}`}</span>
        </h3>
        {record.data && (
          <span className="mono dim">
            {formatDay(Number(BigInt(record.data.timeUnixNano) / 1_000_000n))}{' '}
            {formatClock(Number(BigInt(record.data.timeUnixNano) / 1_000_000n))}
          </span>
        )}
        {message && (
          <Link to="/flow/$traceId" params={{ traceId: message.traceId }} className="linkish">
            Follow its journey
          </Link>
        )}
        <span className="spacer" />
        <button ref={close} type="button" className="button" onClick={props.onClose}>
          Close
        </button>
      </header>
      {record.isError ? (
        <p className="error-text">{record.error.message}</p>
      ) : record.isPending ? (
        <p className="dim" role="status">
          Loading…
        </p>
      ) : record.data === null ? (
        <p className="dim">The topic no longer holds it.</p>
      ) : (
        <div className="record-parts">
          <dl className="record-headers">
            <div>
              <dt>key</dt>
              <dd className="mono">
                <Content of={record.data.key} none="none" />
              </dd>
            </div>
            {record.data.headers.map((header, i) => (
              <div key={i}>
                <dt>
                  <bdi>{header.name}</bdi>
                </dt>
                <dd className="mono">
                  <Content of={header} none="" />
                </dd>
              </div>
            ))}
          </dl>
          <pre tabIndex={0} aria-label="Value">
            <Content of={record.data.value} none="(tombstone: no value)" />
          </pre>
        </div>
      )}
    </section>
  );
}

const MOST_SHOWN = 20_000;

function Content({ of, none }: { readonly of: TextOrBytesJson | null; readonly none: string }) {
  if (of === null) return <span className="dim">{none}</span>;
  if ('base64' in of) return <span title="Not UTF-8: base64">{of.base64.slice(0, MOST_SHOWN)}</span>;
  const text = pretty(of.text);
  return (
    <bdi>
      {text.slice(0, MOST_SHOWN)}
      {text.length > MOST_SHOWN && '…'}
    </bdi>
  );
}

/** JSON over several lines, anything else as it is. */
function pretty(text: string): string {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}
