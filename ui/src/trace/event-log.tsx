import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { growingMs, traceLogsQuery } from '../api/queries.ts';
import { momentsOf, type Moment } from '../model/moments.ts';
import type { Span, Trace } from '../model/trace.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { formatClock, formatDay } from '../text/time.ts';
import { type TraceSearch, EVENT_CHOICES, eventsOfSearch } from './trace-search.ts';
import { showName } from '../text/name.ts';

const NAMES = { logs: 'Log lines', events: 'Events of spans', spans: 'Starts and ends' } as const;
const KINDS = { logs: ['log'], events: ['event'], spans: ['start', 'end'] } as const;
const MOST_LINE = 500;

/** Everything that happened, in order of time: what functions printed, what spans noted, and when spans started and ended. */
export function EventLog(props: {
  readonly trace: Trace;
  /** The trace is not one that the backend has. */
  readonly isFile: boolean;
  readonly search: TraceSearch;
  readonly colors: ReadonlyMap<string, string>;
  readonly shown: (span: Span) => boolean;
  readonly selectedId: string | undefined;
  readonly onChange: (change: TraceSearch) => void;
  readonly onSelect: (id: string) => void;
}) {
  const { trace, shown, colors } = props;
  const logs = useQuery({
    ...traceLogsQuery(trace.id, trace.spans.length),
    enabled: !props.isFile,
    refetchInterval: growingMs(trace, Date.now()),
  });
  const moments = useMemo(() => momentsOf(trace, logs.data ?? []), [trace, logs.data]);
  const chosen = eventsOfSearch(props.search);
  const wanted = new Set<string>(chosen.flatMap((choice) => KINDS[choice]));
  const rows = moments.filter(({ kind, span }) => wanted.has(kind) && (span === undefined || shown(span)));
  const toggle = (choice: (typeof EVENT_CHOICES)[number]) => {
    const next = EVENT_CHOICES.filter((each) => chosen.includes(each) !== (each === choice));
    props.onChange({ events: next.join(',') === 'logs,events' ? '' : next.join(',') || 'none' });
  };
  return (
    <div className="event-log">
      <div className="event-tools">
        {EVENT_CHOICES.map((choice) => {
          const kinds: readonly string[] = KINDS[choice];
          return (
            <label key={choice} className="tool-check">
              <input type="checkbox" checked={chosen.includes(choice)} onChange={() => toggle(choice)} />
              {NAMES[choice]}
              <span className="mono dim">{moments.filter(({ kind }) => kinds.includes(kind)).length}</span>
            </label>
          );
        })}
        {logs.isError && (
          <span className="error-text" role="alert">
            The log lines cannot be had: {logs.error.message}{' '}
            <button type="button" className="linkish" onClick={() => void logs.refetch()}>
              Try again
            </button>
          </span>
        )}
        {logs.isLoading && <span className="dim">Loading the log lines…</span>}
      </div>
      {rows.length === 0 && !logs.isLoading ? (
        <p className="waiting" role="status">
          {chosen.length === 0
            ? 'Nothing is chosen above.'
            : 'Nothing of this trace printed a line or noted an event. Starts and ends of its spans can be chosen above.'}
        </p>
      ) : (
        <Table
          fills
          label="Events and log lines"
          columns={columnsOf(trace, colors, props.onSelect)}
          rows={rows}
          rowKey={(moment, index) => `${moment.at} ${moment.span?.id} ${index}`}
          rowClass={(moment) =>
            `${moment.isError ? 't-row-error' : ''} ${moment.span && moment.span.id === props.selectedId ? 'is-selected' : ''}`
          }
          rowHeight={26}
          sort={{ key: 'at', isUp: true }}
        />
      )}
    </div>
  );
}

function columnsOf(
  trace: Trace,
  colors: ReadonlyMap<string, string>,
  onSelect: (id: string) => void,
): readonly Column<Moment>[] {
  return [
    {
      key: 'at',
      title: 'After',
      width: '84px',
      isNumber: true,
      sortBy: ({ at }) => at,
      render: ({ at }) => {
        const ms = Number(trace.startUnixNano / 1_000n) / 1_000 + at / 1e6;
        return <span title={`${formatDay(ms)} ${formatClock(ms)}`}>{formatDuration(at)}</span>;
      },
    },
    {
      key: 'label',
      title: 'What',
      width: 'minmax(84px, 0.22fr)',
      sortBy: ({ kind, label }) => `${kind} ${label}`,
      render: ({ kind, label, isError }) => (
        <span className={`moment moment-${kind}${isError ? ' error-text' : ''}`}>{label}</span>
      ),
    },
    {
      key: 'service',
      title: 'Service',
      width: 'minmax(90px, 0.22fr)',
      sortBy: ({ service }) => service,
      render: ({ service }) => (
        <span className="svc">
          <i style={{ background: colors.get(service) }} />
          {service}
        </span>
      ),
    },
    {
      key: 'text',
      title: 'Said',
      width: 'minmax(160px, 1fr)',
      render: ({ text, kind }) => (
        <bdi className={kind === 'start' || kind === 'end' ? 'dim' : 'mono'} title={text.slice(0, 2_000)}>
          {text.slice(0, MOST_LINE)}
        </bdi>
      ),
    },
    {
      key: 'span',
      title: 'Span',
      width: 'minmax(90px, 0.28fr)',
      render: ({ span }) =>
        span ? (
          <button type="button" className="linkish linkish-plain" onClick={() => onSelect(span.id)}>
            {showName(span.name)}
          </button>
        ) : (
          <span className="dim">·</span>
        ),
    },
  ];
}
