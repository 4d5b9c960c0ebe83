import { CopyButton } from '@mantine/core';
import type { Trace } from '../model/trace.ts';
import { formatDuration } from '../text/duration.ts';
import { formatClock, formatDay } from '../text/time.ts';

export function TraceHead(props: {
  readonly trace: Trace;
  readonly colors: ReadonlyMap<string, string>;
  readonly onReload: () => void;
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
          <span className="dim">{root?.service}</span> {root?.name}
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
        <button type="button" className="linkish" onClick={props.onReload}>
          Reload
        </button>
        <a
          className="linkish"
          href={`/api/v3/traces/${trace.id}?prettyPrint=true`}
          target="_blank"
          rel="noreferrer"
        >
          OTLP
        </a>
        <a
          className="linkish"
          href={`/api/traces/${trace.id}?prettyPrint=true`}
          target="_blank"
          rel="noreferrer"
        >
          Jaeger JSON
        </a>
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
        <div className="facts-services">
          <dt>Services</dt>
          <dd>
            {trace.services.map((service) => (
              <span key={service.name} className={service.errorCount > 0 ? 'svc svc-error' : 'svc'}>
                <i style={{ background: props.colors.get(service.name) }} />
                {service.name}
                <span className="mono dim">{service.spanCount}</span>
              </span>
            ))}
          </dd>
        </div>
      </dl>
      <Oddities trace={trace} />
    </header>
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

/** What is wrong with the trace itself, not with what it tells of. */
function Oddities({ trace }: { readonly trace: Trace }) {
  const odd = [
    trace.orphanCount > 0 &&
      `${trace.orphanCount} ${trace.orphanCount === 1 ? 'span names a parent that is' : 'spans name parents that are'} not here: still on the way, or lost`,
    trace.orphanCount === 0 && trace.rootCount > 1 && `${trace.rootCount} spans have no parent`,
    trace.spans.some((span) => span.marks.endsBeforeStart) && 'a span says that it ended before it started',
  ].filter((text) => text !== false);
  if (odd.length === 0) return null;
  return (
    <p className="oddities" role="note">
      {odd.join(' · ')}
    </p>
  );
}
