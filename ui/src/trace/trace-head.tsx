import { CopyButton, Menu } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { getJson } from '../api/client.ts';
import type { Trace } from '../model/trace.ts';
import { formatDuration } from '../text/duration.ts';
import { showName } from '../text/name.ts';
import { formatClock, formatDay } from '../text/time.ts';
import { OpenFile } from './open-file.tsx';
import { TraceSampling } from './trace-sampling.tsx';

export function TraceHead(props: {
  readonly trace: Trace;
  readonly colors: ReadonlyMap<string, string>;
  /** The file it was read from, when the backend does not have it. */
  readonly file: TraceFile | undefined;
  readonly onReload: () => void;
  /** More may come: the page asks again by itself. */
  readonly isGrowing: boolean;
  /** Traces that links join with this one, itself included. */
  readonly flowSize: number;
  readonly hidden: ReadonlySet<string>;
  readonly onHide: (service: string) => void;
  readonly onSelect: (id: string) => void;
}) {
  const { trace } = props;
  const root = trace.spans[0];
  const startMs = Number(trace.startUnixNano / 1_000n) / 1_000;
  const firstError =
    trace.spans.find((span) => span.marks.killedBy !== '') ?? trace.spans.findLast((span) => span.isError);
  return (
    <header className="trace-head">
      <div className="trace-title">
        <h1>
          <bdi className="dim">{root?.service}</bdi> <bdi>{root && showName(root.name)}</bdi>
        </h1>
        <CopyButton value={trace.id}>
          {({ copied, copy }) => (
            <button type="button" className="trace-id mono" onClick={copy} title="Copy the trace id">
              {trace.id}
              <span className="dim">{copied ? ' copied' : ' copy'}</span>
            </button>
          )}
        </CopyButton>
        <span className="spacer" />
        {props.isGrowing && (
          <span className="growing" role="status">
            <i /> spans still arrive
          </span>
        )}
        {props.file ? (
          <FileWays file={props.file} />
        ) : (
          <>
            <button type="button" className="linkish" onClick={props.onReload}>
              Reload
            </button>
            <Link to="/compare" search={{ a: trace.id }} className="linkish">
              Compare
            </Link>
            <Link to="/flow/$traceId" params={{ traceId: trace.id }} className="linkish">
              Journey{props.flowSize > 1 && ` of ${props.flowSize} traces`}
            </Link>
            <JsonMenu traceId={trace.id} />
          </>
        )}
      </div>
      <dl className="facts">
        <Fact name="Started" value={`${formatDay(startMs)} ${formatClock(startMs)}`} />
        <Fact name="Duration" value={formatDuration(trace.durationNanos)} />
        <Fact name="Spans" value={String(trace.spans.length)} />
        <Fact name="Depth" value={String(trace.maxDepth + 1)} />
        {firstError && (
          <div>
            <dt>Errors</dt>
            <dd>
              <button
                type="button"
                className="linkish error-text mono"
                onClick={() => props.onSelect(firstError.id)}
              >
                {trace.errorCount}
                {trace.unfinishedCount > 0 && `, ${trace.unfinishedCount} killed`}
              </button>
            </dd>
          </div>
        )}
        {!props.file && <TraceSampling traceId={trace.id} />}
        <div className="facts-services">
          <dt>Services</dt>
          <dd>
            {trace.services.map((service) => (
              <button
                key={service.name}
                type="button"
                className={service.errorCount > 0 ? 'svc svc-button svc-error' : 'svc svc-button'}
                aria-pressed={!props.hidden.has(service.name)}
                title={props.hidden.has(service.name) ? 'Show its spans' : 'Hide its spans'}
                onClick={() => props.onHide(service.name)}
              >
                <i style={{ background: props.colors.get(service.name) }} />
                {service.name}
                <span className="mono dim">{service.spanCount}</span>
              </button>
            ))}
          </dd>
        </div>
      </dl>
      <Oddities trace={trace} />
    </header>
  );
}

export interface TraceFile {
  readonly name: string;
  readonly traceCount: number;
}

function FileWays({ file }: { readonly file: TraceFile }) {
  return (
    <>
      <span className="chip" title="Read in this browser, stored nowhere">
        from {file.name.slice(0, 60)}
      </span>
      {file.traceCount > 1 && (
        <Link to="/file" search={{}} className="linkish">
          All {file.traceCount} traces
        </Link>
      )}
      <OpenFile label="Open another" />
    </>
  );
}

const FORMATS = [
  { name: 'OTLP', path: (id: string) => `/api/v3/traces/${id}` },
  { name: 'Jaeger', path: (id: string) => `/api/traces/${id}` },
] as const;

/** The trace as it is stored, to keep or to paste. Fetched here rather than linked to, since a token goes with it. */
function JsonMenu({ traceId }: { readonly traceId: string }) {
  const text = async (path: string) => JSON.stringify(await getJson<unknown>(path), undefined, 2);
  const download = async (name: string, path: string) => {
    const url = URL.createObjectURL(new Blob([await text(path)], { type: 'application/json' }));
    const anchor = document.createElement('a');
    anchor.href = url;
    anchor.download = `trace-${traceId}-${name.toLowerCase()}.json`;
    anchor.click();
    URL.revokeObjectURL(url);
  };
  return (
    <Menu position="bottom-end" shadow="sm" width={200}>
      <Menu.Target>
        <button type="button" className="linkish">
          JSON ▾
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {FORMATS.map(({ name, path }) => (
          <Menu.Item key={name} onClick={() => void download(name, path(traceId))}>
            Download as {name}
          </Menu.Item>
        ))}
        <Menu.Divider />
        {FORMATS.map(({ name, path }) => (
          <Menu.Item
            key={name}
            onClick={() => void text(path(traceId)).then((json) => navigator.clipboard.writeText(json))}
          >
            Copy as {name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="mono">{value}</dd>
    </div>
  );
}

/** Clocks of machines differ by less. */
const FUTURE_MS = 5 * 60_000;

/** What is wrong with the trace itself, not with what it tells of. */
function Oddities({ trace }: { readonly trace: Trace }) {
  const endsEarly = trace.spans.filter((span) => span.marks.endsBeforeStart).length;
  const isFuture =
    Number(trace.startUnixNano / 1_000_000n) + trace.durationNanos / 1e6 > Date.now() + FUTURE_MS;
  const odd = [
    trace.orphanCount > 0 &&
      `${trace.orphanCount} ${trace.orphanCount === 1 ? 'span names a parent that is' : 'spans name parents that are'} not here: still on the way, or lost`,
    trace.rootCount - trace.orphanCount - trace.ringCount > 1 &&
      `${trace.rootCount - trace.orphanCount - trace.ringCount} spans have no parent`,
    trace.ringCount > 0 &&
      (trace.ringCount === 1
        ? 'spans name each other as parents, in a ring that is cut at its oldest'
        : `${trace.ringCount} rings of spans that name each other as parents, each cut at its oldest`),
    endsEarly > 0 &&
      (endsEarly === 1
        ? 'a span says that it ended before it started'
        : `${endsEarly} spans say that they ended before they started`),
    trace.repeatCount > 0 &&
      `${trace.repeatCount} ${trace.repeatCount === 1 ? 'span came' : 'spans came'} twice with one id, and ${trace.repeatCount === 1 ? 'is' : 'are'} drawn once`,
    isFuture && 'some of it lies in the future: a clock is wrong',
  ].filter((text) => text !== false);
  if (odd.length === 0) return null;
  return (
    <p className="oddities" role="note">
      {odd.join(' · ')}
    </p>
  );
}
