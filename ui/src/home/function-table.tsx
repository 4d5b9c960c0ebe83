import { Link } from '@tanstack/react-router';
import type { FunctionStatsJson, RedPointJson } from '../../../backend/query/shapes.ts';
import type { Grid } from '../chart/grid.ts';
import { BarSpark, LineSpark } from '../chart/sparkline.tsx';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { formatCount, formatPercent, formatRate } from '../text/number.ts';
import { formatAgo } from '../text/time.ts';
import type { FunctionLag } from './lag.ts';

/** How every function does: a row each. */
export function FunctionTable(props: {
  readonly rows: readonly FunctionStatsJson[];
  readonly colors: ReadonlyMap<string, string>;
  readonly grids: ReadonlyMap<string, Grid<RedPointJson>>;
  readonly lags: ReadonlyMap<string, FunctionLag>;
}) {
  return (
    <Table
      label="Functions"
      columns={functionColumns(props)}
      rows={props.rows}
      rowKey={(row) => row.name}
      rowHeight={36}
      sort={{ key: 'rate', isUp: false }}
    />
  );
}

function functionColumns({
  colors,
  grids,
  lags,
}: {
  readonly colors: ReadonlyMap<string, string>;
  readonly grids: ReadonlyMap<string, Grid<RedPointJson>>;
  readonly lags: ReadonlyMap<string, FunctionLag>;
}): readonly Column<FunctionStatsJson>[] {
  const pointsOf = (row: FunctionStatsJson) => grids.get(row.name)?.points ?? [];
  const share = (value: number, isBad: boolean) =>
    value === 0 ? (
      <span className="dim">·</span>
    ) : (
      <span className={isBad ? 'error-text' : ''}>{formatPercent(value)}</span>
    );
  return [
    {
      key: 'name',
      title: 'Function',
      width: 'minmax(120px, 1fr)',
      sortBy: (row) => row.name,
      render: (row) => (
        <Link to="/functions/$name" params={{ name: row.name }} className="svc linkish linkish-plain">
          <i style={{ background: colors.get(row.name) }} />
          <b className="op">{row.name}</b>
        </Link>
      ),
    },
    {
      key: 'calls-spark',
      title: 'Calls and failures',
      width: 'minmax(80px, 0.6fr)',
      render: (row) => (
        <BarSpark
          bars={pointsOf(row).map((point) => ({ count: point?.calls ?? 0, bad: point?.errors ?? 0 }))}
        />
      ),
    },
    {
      key: 'rate',
      title: 'Rate',
      width: '86px',
      isNumber: true,
      sortBy: (row) => row.ratePerSecond,
      render: (row) => formatRate(row.ratePerSecond),
    },
    {
      key: 'errors',
      title: 'Errors',
      width: '62px',
      isNumber: true,
      sortBy: (row) => row.errorRate,
      render: (row) => share(row.errorRate, true),
    },
    {
      key: 'latency-spark',
      title: 'p99 over time',
      width: 'minmax(80px, 0.6fr)',
      isExtra: true,
      render: (row) => <LineSpark values={pointsOf(row).map((point) => point && Number(point.p99Nano))} />,
    },
    {
      key: 'p50',
      title: 'p50',
      width: '76px',
      isNumber: true,
      sortBy: (row) => Number(row.p50Nano),
      render: (row) => formatDuration(Number(row.p50Nano)),
    },
    {
      key: 'p99',
      title: 'p99',
      width: '76px',
      isNumber: true,
      sortBy: (row) => Number(row.p99Nano),
      render: (row) => formatDuration(Number(row.p99Nano)),
    },
    {
      key: 'cold',
      title: 'Cold',
      width: '62px',
      isNumber: true,
      sortBy: (row) => row.coldStartRate,
      render: (row) => share(row.coldStartRate, false),
    },
    {
      key: 'wait-spark',
      title: 'Queue wait',
      width: 'minmax(80px, 0.6fr)',
      isExtra: true,
      render: (row) => {
        const lag = lags.get(row.name);
        return lag ? <LineSpark values={lag.waits} /> : null;
      },
    },
    {
      key: 'wait',
      title: 'Wait p99',
      width: '72px',
      isNumber: true,
      sortBy: (row) => lags.get(row.name)?.waitP99Nano ?? -1,
      render: (row) => {
        const lag = lags.get(row.name);
        if (!lag) return <span className="dim">·</span>;
        return (
          <span title={lag.waiting > 0 ? `${formatCount(lag.waiting)} records wait for it now` : undefined}>
            {formatDuration(lag.waitP99Nano)}
          </span>
        );
      },
    },
    {
      key: 'retries',
      title: 'Retries',
      width: '52px',
      isNumber: true,
      isExtra: true,
      sortBy: (row) => row.retries,
      render: (row) => (row.retries === 0 ? <span className="dim">·</span> : formatCount(row.retries)),
    },
    {
      key: 'last',
      title: 'Last call',
      width: '84px',
      isNumber: true,
      isExtra: true,
      sortBy: (row) => Number(BigInt(row.lastSeenUnixNano) / 1_000_000n),
      render: (row) => formatAgo(Number(BigInt(row.lastSeenUnixNano) / 1_000_000n), Date.now()),
    },
  ];
}
