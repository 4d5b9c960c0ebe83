import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { LogJson } from '../../../backend/query/shapes.ts';
import { logsQuery } from '../api/queries.ts';
import { BODY_COLUMN } from '../logs/log-columns.tsx';
import { ERROR_SEVERITY } from '../model/moments.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatClock } from '../text/time.ts';

const MOST_LINES = 12;

/** What the function said last, each line with its trace. */
export function RecentLogs({ name, lookbackMs }: { readonly name: string; readonly lookbackMs: number }) {
  const logs = useQuery(logsQuery({ service: name, lookbackMs, limit: MOST_LINES }));
  const rows = logs.data?.logs ?? [];
  return (
    <section className="outlying" aria-label="Newest log lines">
      <h2>
        Newest log lines
        <Link to="/logs" search={{ service: name }} className="linkish section-note">
          All of them
        </Link>
      </h2>
      {rows.length === 0 ? (
        <p className="home-none">{logs.isPending ? 'Loading…' : 'It said nothing in this time.'}</p>
      ) : (
        <Table
          label="Newest log lines"
          columns={COLUMNS}
          rows={rows}
          rowKey={(log, index) => `${log.timeUnixNano} ${index}`}
          rowClass={(log) => (log.severityNumber >= ERROR_SEVERITY ? 't-row-error' : '')}
          rowHeight={26}
        />
      )}
    </section>
  );
}

const COLUMNS: readonly Column<LogJson>[] = [
  {
    key: 'time',
    title: 'Time',
    width: '98px',
    render: (log) => (
      <span className="mono dim">{formatClock(Number(BigInt(log.timeUnixNano) / 1_000_000n))}</span>
    ),
  },
  BODY_COLUMN,
  {
    key: 'trace',
    title: 'Trace',
    width: '80px',
    render: (log) =>
      log.traceId === '' ? null : (
        <Link
          to="/trace/$traceId"
          params={{ traceId: log.traceId }}
          search={log.spanId === '' ? {} : { span: log.spanId }}
          className="linkish mono"
        >
          {log.traceId.slice(0, 8)}
        </Link>
      ),
  },
];
