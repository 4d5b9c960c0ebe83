import type { ReactNode } from 'react';
import type { LogJson } from '../../../backend/query/shapes.ts';
import { ERROR_SEVERITY } from '../model/moments.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatClock, formatDay } from '../text/time.ts';
import { BODY_COLUMN } from './log-columns.tsx';
import './logs.css';

/** Log lines, whole, with where they came from. */
export function LogTable(props: {
  readonly logs: readonly LogJson[];
  readonly colors: ReadonlyMap<string, string>;
  /** What stands in the last column: the way to the line's span. */
  readonly spanOf: (log: LogJson) => ReactNode;
  readonly spanTitle: string;
  readonly isUp: boolean;
}) {
  const columns: readonly Column<LogJson>[] = [
    {
      key: 'time',
      title: 'Time',
      width: '98px',
      sortBy: (log) => Number(BigInt(log.timeUnixNano) / 1_000n),
      render: (log) => {
        const ms = Number(BigInt(log.timeUnixNano) / 1_000_000n);
        return (
          <span className="mono dim" title={formatDay(ms)}>
            {formatClock(ms)}
          </span>
        );
      },
    },
    {
      key: 'severity',
      title: 'Level',
      width: '52px',
      sortBy: (log) => log.severityNumber,
      render: (log) => <span className={`level level-${levelOf(log)}`}>{levelOf(log)}</span>,
    },
    {
      key: 'service',
      title: 'Service',
      width: 'minmax(90px, 0.25fr)',
      sortBy: (log) => log.service,
      render: (log) => (
        <span className="svc">
          <i style={{ background: props.colors.get(log.service) }} />
          {log.service}
        </span>
      ),
    },
    BODY_COLUMN,
    { key: 'span', title: props.spanTitle, width: 'minmax(90px, 0.25fr)', render: props.spanOf },
  ];
  return (
    <Table
      fills
      label="Log lines"
      columns={columns}
      rows={props.logs}
      rowKey={(log, index) => `${log.timeUnixNano} ${log.spanId} ${index}`}
      rowClass={(log) => (log.severityNumber >= ERROR_SEVERITY ? 't-row-error' : '')}
      rowHeight={26}
      sort={{ key: 'time', isUp: props.isUp }}
    />
  );
}

/** Severity numbers of OpenTelemetry's log data model: 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 fatal. */
function levelOf(log: LogJson): string {
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
  return levels[Math.floor((log.severityNumber - 1) / 4)] ?? '·';
}
