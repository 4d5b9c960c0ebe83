import { CloseButton, CopyButton, Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useMemo, useState } from 'react';
import type { OtlpKeyValue } from '../../../backend/query/shapes.ts';
import { flowQuery, incomingLinksQuery, traceLogsQuery } from '../api/queries.ts';
import { eventsOf, linksOf, type Span, type TimedEvent, type Trace } from '../model/trace.ts';
import { formatDuration } from '../text/duration.ts';
import { formatClock } from '../text/time.ts';
import { showName } from '../text/name.ts';
import { textOf } from '../text/value.ts';
import { AttributeTable } from './attribute-table.tsx';
import { LinkedSpan } from './linked-span.tsx';
import { type Tab, TABS } from './trace-search.ts';

const PRODUCER = 4;
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];

interface PanelProps {
  readonly trace: Trace;
  readonly span: Span;
  /** The trace is not one that the backend has. */
  readonly isFile: boolean;
  readonly color: string | undefined;
  readonly tab: Tab;
  readonly onTab: (tab: Tab) => void;
  readonly onClose: () => void;
  readonly onSelect: (id: string) => void;
}

export function SpanPanel(props: PanelProps) {
  const { trace, span } = props;
  const events = eventsOf(trace, span);
  const size = trace.spans.length;
  const incoming = useQuery({ ...incomingLinksQuery(trace.id, size), enabled: !props.isFile });
  const logs = useQuery({ ...traceLogsQuery(trace.id, size), enabled: !props.isFile });
  const toHere = (incoming.data ?? []).filter((link) => link.toSpanId === span.id);
  const own = (logs.data ?? []).filter((log) => log.spanId === span.id);
  const links = linksOf(span);
  const hasLinks = links.length > 0 || toHere.length > 0;
  // A flow knows the names of the spans at the other ends of links.
  const flow = useQuery({ ...flowQuery(trace.id, size), enabled: hasLinks && !props.isFile });
  const namesOf = new Map(
    flow.data?.spans.map((other) => [`${other.traceId}/${other.spanId}`, `${other.service} · ${other.name}`]),
  );
  return (
    <aside className="panel" aria-label={`Span ${span.name}`}>
      <header className="panel-head">
        <i className="panel-mark" style={{ background: props.color }} />
        <div>
          <h2>{showName(span.name)}</h2>
          <p className="dim">
            {span.service} · {KINDS[span.kind] ?? span.kind}
          </p>
        </div>
        <CloseButton aria-label="Close the span" size="sm" onClick={props.onClose} />
      </header>
      <Status span={span} />
      <dl className="facts panel-facts">
        <Fact name="Starts at">{formatDuration(span.start)}</Fact>
        <Fact name="Duration">
          {span.marks.endsBeforeStart ? 'ends before it starts' : formatDuration(span.duration)}
        </Fact>
        <Fact name="Of the trace">{((span.duration / trace.durationNanos) * 100).toFixed(1)} %</Fact>
        {span.marks.queueWait > 0 && <Fact name="In the queue">{formatDuration(span.marks.queueWait)}</Fact>}
      </dl>
      <Tabs
        value={props.tab}
        onChange={(value) => props.onTab(TABS.find((tab) => tab === value) ?? 'details')}
        className="panel-tabs"
      >
        <Tabs.List>
          <Tabs.Tab value="details">Details</Tabs.Tab>
          <Tabs.Tab value="resource">Resource</Tabs.Tab>
          <Tabs.Tab value="logs" rightSection={<Count of={own.length} />}>
            Logs
          </Tabs.Tab>
          <Tabs.Tab value="json">JSON</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="details" key={`details ${span.id}`}>
          <Section title="Events" count={events.length}>
            {events.map((event, i) => (
              <EventBlock key={i} event={event} span={span} />
            ))}
          </Section>
          <Section title="Attributes" count={span.source.attributes?.length ?? 0} always>
            <AttributeTable attributes={span.source.attributes ?? []} />
          </Section>
          <Section title="Links" count={links.length}>
            {links.map((link, i) => (
              <LinkBlock
                key={i}
                trace={trace}
                traceId={link.traceId}
                spanId={link.spanId}
                name={namesOf.get(`${link.traceId}/${link.spanId}`)}
                attributes={link.attributes ?? []}
                onSelect={props.onSelect}
              />
            ))}
          </Section>
          <Section title={span.kind === PRODUCER ? 'Consumed by' : 'Linked from'} count={toHere.length}>
            {toHere.map((link) => (
              <LinkBlock
                key={link.fromSpanId}
                trace={trace}
                traceId={link.fromTraceId}
                spanId={link.fromSpanId}
                name={namesOf.get(`${link.fromTraceId}/${link.fromSpanId}`)}
                attributes={link.attributes}
                onSelect={props.onSelect}
              />
            ))}
          </Section>
          <p className="panel-ids mono dim">
            span {span.id} <Copy text={span.id} what="span id" />
            {span.parentId !== '' && (
              <>
                <br />
                parent{' '}
                <button type="button" className="linkish mono" onClick={() => props.onSelect(span.parentId)}>
                  {span.parentId}
                </button>
              </>
            )}
          </p>
        </Tabs.Panel>
        <Tabs.Panel value="resource" key={`resource ${span.id}`}>
          <Section title="Resource" count={span.resource.length} always>
            <AttributeTable attributes={span.resource} />
          </Section>
          {span.scope !== '' && (
            <p className="panel-ids">
              <span className="dim">Instrumentation scope</span> <span className="mono">{span.scope}</span>
            </p>
          )}
        </Tabs.Panel>
        <Tabs.Panel value="logs">
          {own.length === 0 ? (
            <p className="empty">
              {logs.isLoading
                ? 'Loading…'
                : props.isFile
                  ? 'A file of traces has no log lines.'
                  : 'This span printed nothing.'}
            </p>
          ) : (
            <ol className="logs">
              {own.map((log, i) => (
                <li key={i} className={log.severityNumber >= 17 ? 'log log-error' : 'log'}>
                  <span className="mono dim">
                    {formatClock(Number(BigInt(log.timeUnixNano) / 1_000_000n))}
                  </span>
                  <span className="mono">{log.body}</span>
                </li>
              ))}
            </ol>
          )}
        </Tabs.Panel>
        <Tabs.Panel value="json" key={`json ${span.id}`}>
          <SpanJson span={span} />
        </Tabs.Panel>
      </Tabs>
    </aside>
  );
}

function Status({ span }: { readonly span: Span }) {
  const { killedBy } = span.marks;
  if (!span.isError && killedBy === '') return null;
  const lastLines = textOf(span.source.attributes, 'spoor.end.log');
  return (
    <div className="panel-status" role="note">
      <strong>{killedBy === '' ? 'Error' : `Never ended: ${killedBy}`}</strong>
      {span.source.status.message && <span className="mono">{span.source.status.message}</span>}
      {lastLines && (
        <>
          <span className="dim">The last lines it printed</span>
          <pre>{lastLines}</pre>
        </>
      )}
    </div>
  );
}

/** Longer text waits for a click: a megabyte of it, wrapped, holds the page for seconds. */
const FIRST_JSON = 40_000;

function SpanJson({ span }: { readonly span: Span }) {
  const text = useMemo(() => JSON.stringify(span.source, undefined, 2), [span]);
  const [isWhole, setWhole] = useState(false);
  const isCut = text.length > FIRST_JSON && !isWhole;
  return (
    <>
      <div className="json-tools">
        <Copy text={text} what="JSON" />
      </div>
      <pre className="json" tabIndex={0}>
        {isCut ? `${text.slice(0, FIRST_JSON)}…` : text}
      </pre>
      {isCut && (
        <button type="button" className="linkish json-more" onClick={() => setWhole(true)}>
          Show all {text.length} characters
        </button>
      )}
    </>
  );
}

function EventBlock({ event: timed, span }: { readonly event: TimedEvent; readonly span: Span }) {
  const attributes = timed.event.attributes ?? [];
  const stack = textOf(attributes, 'exception.stacktrace');
  const rest = attributes.filter(({ key }) => key !== 'exception.stacktrace');
  return (
    <div className={timed.event.name === 'exception' ? 'event event-error' : 'event'}>
      <div className="event-head">
        <b>{timed.event.name || 'event'}</b>
        <span className="mono dim">+{formatDuration(timed.at - span.start)}</span>
      </div>
      <AttributeTable attributes={rest} />
      {stack && (
        <pre className="stack" tabIndex={0}>
          {stack}
        </pre>
      )}
    </div>
  );
}

function LinkBlock(props: {
  readonly trace: Trace;
  readonly traceId: string;
  readonly spanId: string;
  readonly name: string | undefined;
  readonly attributes: readonly OtlpKeyValue[];
  readonly onSelect: (id: string) => void;
}) {
  const { trace, traceId, spanId } = props;
  const local = traceId === trace.id ? trace.spans.find((span) => span.id === spanId) : undefined;
  const isElsewhere = traceId !== trace.id;
  const [isOpen, setOpen] = useState(false);
  return (
    <div className="event">
      <div className="event-head">
        {local ? (
          <button type="button" className="linkish" onClick={() => props.onSelect(spanId)}>
            {local.service} · {local.name}
          </button>
        ) : (
          <Link
            to="/trace/$traceId"
            params={{ traceId }}
            search={{ span: spanId }}
            className={props.name ? 'linkish' : 'linkish mono'}
          >
            {props.name ?? `${traceId.slice(0, 8)}… / ${spanId}`}
          </Link>
        )}
        {isElsewhere ? (
          <button type="button" className="linkish" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            {isOpen ? 'hide' : 'show here'}
          </button>
        ) : (
          <span className="dim">{local ? 'in this trace' : 'in this trace, missing'}</span>
        )}
      </div>
      {isOpen && <LinkedSpan traceId={traceId} spanId={spanId} />}
      {props.attributes.length > 0 && <AttributeTable attributes={props.attributes} />}
    </div>
  );
}

function Section(props: {
  readonly title: string;
  readonly count: number;
  /** Also when there is nothing in it. */
  readonly always?: boolean;
  readonly children: ReactNode;
}) {
  if (props.count === 0 && !props.always) return null;
  return (
    <section className="panel-section">
      <h3>
        {props.title} <Count of={props.count} />
      </h3>
      {props.count === 0 ? <p className="empty">none</p> : props.children}
    </section>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="mono">{children}</dd>
    </div>
  );
}

function Count({ of }: { readonly of: number }) {
  return <span className="count mono">{of}</span>;
}

export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  return (
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <button type="button" className="linkish" onClick={copy} aria-label={`Copy the ${what}`}>
          {copied ? 'copied' : 'copy'}
        </button>
      )}
    </CopyButton>
  );
}
