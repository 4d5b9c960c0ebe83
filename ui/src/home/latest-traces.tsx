import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { TraceSummaryJson } from '../../../backend/query/shapes.ts';
import { newestQuery } from '../api/queries.ts';
import { durationOf, startMsOf } from '../search/summary.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { formatClock } from '../text/time.ts';
import { type SlowTrace, slowerThanUsual } from './slower.ts';

const MOST_ROWS = 6;
/** Newest traces that are looked at for what was slow. */
const SAMPLE = 300;

/** The newest traces that failed, and those that took far longer than others like them: each a click from its verdict. */
export function LatestTraces({ lookbackMs }: { readonly lookbackMs: number }) {
  const failures = useQuery(newestQuery({ lookbackMs, most: MOST_ROWS, isError: true }));
  const newest = useQuery(newestQuery({ lookbackMs, most: SAMPLE, isError: false }));
  const failed = failures.data ?? [];
  const slow = slowerThanUsual(newest.data ?? [], MOST_ROWS);
  const isPending = failures.isPending || newest.isPending;
  if (!isPending && failed.length === 0 && slow.length === 0) return null;
  return (
    <div className="home-latest">
      <section aria-labelledby="failures">
        <h2 id="failures">Latest failures</h2>
        {failed.length === 0 ? (
          <p className="home-none">{failures.isPending ? 'Loading…' : 'None failed.'}</p>
        ) : (
          <Table
            label="Latest failures"
            columns={FAILED_COLUMNS}
            rows={failed}
            rowKey={(row) => row.traceId}
            rowHeight={30}
          />
        )}
      </section>
      <section aria-labelledby="slow">
        <h2 id="slow">Slower than usual</h2>
        {slow.length === 0 ? (
          <p className="home-none">
            {newest.isPending
              ? 'Loading…'
              : `None of the newest ${newest.data?.length ?? 0} took three times its usual.`}
          </p>
        ) : (
          <Table
            label="Slower than usual"
            columns={SLOW_COLUMNS}
            rows={slow}
            rowKey={({ summary }) => summary.traceId}
            rowHeight={30}
          />
        )}
      </section>
    </div>
  );
}

function Started({ summary }: { readonly summary: TraceSummaryJson }) {
  return <span className="mono">{formatClock(startMsOf(summary)).slice(0, 8)}</span>;
}

function TraceLink({ summary }: { readonly summary: TraceSummaryJson }) {
  return (
    <Link to="/trace/$traceId" params={{ traceId: summary.traceId }} className="linkish linkish-plain">
      <span className="dim">{summary.rootServiceName}</span>{' '}
      <b className="op">{summary.rootOperationName || '(no root)'}</b>
    </Link>
  );
}

const FAILED_COLUMNS: readonly Column<TraceSummaryJson>[] = [
  { key: 'time', title: 'Started', width: '66px', render: (row) => <Started summary={row} /> },
  {
    key: 'trace',
    title: 'Trace',
    width: 'minmax(120px, 1fr)',
    render: (row) => <TraceLink summary={row} />,
  },
  {
    key: 'where',
    title: 'Failed in',
    width: 'minmax(90px, 0.8fr)',
    render: (row) => (
      <span className="error-text">
        {row.services
          .filter(({ errorSpanCount }) => errorSpanCount > 0)
          .map(({ name }) => name)
          .join(', ')}
      </span>
    ),
  },
  {
    key: 'duration',
    title: 'Duration',
    width: '70px',
    isNumber: true,
    render: (row) => formatDuration(durationOf(row)),
  },
];

const SLOW_COLUMNS: readonly Column<SlowTrace>[] = [
  { key: 'time', title: 'Started', width: '66px', render: ({ summary }) => <Started summary={summary} /> },
  {
    key: 'trace',
    title: 'Trace',
    width: 'minmax(120px, 1fr)',
    render: ({ summary }) => <TraceLink summary={summary} />,
  },
  {
    key: 'duration',
    title: 'Duration',
    width: '70px',
    isNumber: true,
    render: ({ summary }) => formatDuration(durationOf(summary)),
  },
  {
    key: 'usual',
    title: 'Usually',
    width: '70px',
    isNumber: true,
    render: ({ usualNano }) => <span className="dim">{formatDuration(usualNano)}</span>,
  },
];
