import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import type {
  FunctionStatsJson,
  RedJson,
  RedPointJson,
  TraceSummaryJson,
} from '../../../backend/query/shapes.ts';
import { functionQuery, functionsQuery, redQuery, searchQuery, servicesQuery } from '../api/queries.ts';
import { type Grid, gridOf } from '../chart/grid.ts';
import { BarSpark, LineSpark } from '../chart/sparkline.tsx';
import '../chart/chart.css';
import { assignColors } from '../layout/colors.ts';
import { FirstRequest } from '../search/first-request.tsx';
import { DEFAULT_SEARCH } from '../search/params.ts';
import { durationOf, startMsOf } from '../search/summary.ts';
import { LookbackPicker, useLookback } from '../shell/lookback.tsx';
import { PageError } from '../shell/notice.tsx';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { formatCount, formatPercent, formatRate } from '../text/number.ts';
import { formatAgo, formatClock } from '../text/time.ts';
import './home.css';
import { findTrouble, type Trouble, worstFirst } from './trouble.ts';

const MOST_FAILURES = 8;

/** The screen to keep open: what is wrong now, how every function does, what failed last. */
export function HomePage() {
  const lookback = useLookback();
  const functions = useQuery(functionsQuery(lookback.ms));
  const red = useQuery(redQuery(lookback.ms));
  const services = useQuery(servicesQuery());
  const rows = functions.data?.functions ?? [];
  const grids = useMemo(() => gridsOf(red.data), [red.data]);
  const troubles = worstFirst(rows.flatMap((row) => findTrouble(row, grids.get(row.name))));
  const colors = useMemo(
    () => assignColors([...(services.data ?? []), ...rows.map(({ name }) => name)]),
    [services.data, rows],
  );

  if (functions.isError && !functions.data)
    return (
      <PageError
        title="The functions cannot be had"
        error={functions.error}
        onRetry={() => void functions.refetch()}
      />
    );
  if (!functions.data || !services.data)
    return (
      <p className="waiting" role="status">
        Loading…
      </p>
    );
  if (rows.length === 0 && services.data.length === 0) return <FirstRequest />;
  return (
    <div className="page scrolls">
      <section className="home-now" aria-labelledby="now">
        <header className="page-head">
          <h1 id="now">{troubles.length === 0 ? 'Nothing is wrong' : 'What is wrong'}</h1>
          <span className="dim">
            {rows.length} {rows.length === 1 ? 'function' : 'functions'}, looked at every 10 s
          </span>
          <span className="spacer" />
          <LookbackPicker />
        </header>
        {troubles.length > 0 && (
          <ul>
            {troubles.map((trouble) => (
              <TroubleRow
                key={`${trouble.functionName} ${trouble.kind}`}
                trouble={trouble}
                lookbackMs={lookback.ms}
              />
            ))}
          </ul>
        )}
      </section>
      <section className="home-section" aria-labelledby="functions">
        <h2 id="functions">Functions</h2>
        {rows.length === 0 ? (
          <FirstRequest title="No function has run in this time" />
        ) : (
          <Table
            label="Functions"
            columns={functionColumns(colors, grids)}
            rows={rows}
            rowKey={(row) => row.name}
            rowHeight={36}
            sort={{ key: 'rate', isUp: false }}
          />
        )}
      </section>
      <Failures />
    </div>
  );
}

/** By function: the server span of an invocation has the name of the function, as its service has. */
function gridsOf(red: RedJson | undefined): ReadonlyMap<string, Grid<RedPointJson>> {
  if (!red) return new Map();
  return new Map(
    red.series
      .filter(({ service, operation }) => service === operation)
      .map(({ service, points }) => [service, gridOf(red, points)]),
  );
}

function TroubleRow({ trouble, lookbackMs }: { readonly trouble: Trouble; readonly lookbackMs: number }) {
  const { functionName, kind } = trouble;
  const detail = useQuery(functionQuery(functionName, lookbackMs));
  const example =
    kind === 'errors'
      ? detail.data?.failed[0]
      : kind === 'slow'
        ? detail.data?.slowest[0]
        : detail.data?.slowest.find(({ coldStart }) => coldStart);
  return (
    <li className={`trouble trouble-${kind}`}>
      <Link to="/functions/$name" params={{ name: functionName }} className="trouble-name">
        {functionName}
      </Link>
      <span>{sayTrouble(trouble)}</span>
      {kind === 'errors' && detail.data?.errors[0] && (
        <span className="dim trouble-cause">mostly {detail.data.errors[0].type}</span>
      )}
      <span className="spacer" />
      {example && (
        <Link to="/trace/$traceId" params={{ traceId: example.traceId }} className="linkish">
          {kind === 'errors'
            ? 'Why did the latest fail?'
            : kind === 'slow'
              ? 'Why is it slow?'
              : 'Where does a cold start take its time?'}
        </Link>
      )}
      {kind === 'errors' && (
        <Link to="/search" search={{ service: functionName, errors: true }} className="linkish">
          All failures
        </Link>
      )}
    </li>
  );
}

function sayTrouble(trouble: Trouble): string {
  const clock = (ms: number) => formatClock(ms).slice(0, 5);
  const since = trouble.sinceMs === undefined ? '' : ` since ${clock(trouble.sinceMs)}`;
  const until = trouble.untilMs === undefined ? '' : `, until ${clock(trouble.untilMs)}`;
  if (trouble.kind === 'errors')
    return `${formatPercent(trouble.size)} of its calls failed${since}${until}: ${formatCount(trouble.errors)} of ${formatCount(trouble.calls)}`;
  if (trouble.kind === 'slow')
    return `p99 is ${formatDuration(trouble.p99Nano)}${since}, ${trouble.size.toFixed(trouble.size < 10 ? 1 : 0)} times its usual`;
  return `${formatPercent(trouble.size)} of its calls started cold`;
}

function functionColumns(
  colors: ReadonlyMap<string, string>,
  grids: ReadonlyMap<string, Grid<RedPointJson>>,
): readonly Column<FunctionStatsJson>[] {
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
      width: 'minmax(90px, 0.9fr)',
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
      width: 'minmax(90px, 0.9fr)',
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
      key: 'retries',
      title: 'Retries',
      width: '58px',
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

function Failures() {
  const lookback = useLookback();
  const search = {
    ...DEFAULT_SEARCH,
    errors: true,
    limit: MOST_FAILURES,
    lookbackMinutes: lookback.ms / 60_000,
  };
  const failures = useQuery({ ...searchQuery(search, {}), refetchInterval: 10_000 });
  const rows = (failures.data?.summaries ?? []).toSorted((a, b) => startMsOf(b) - startMsOf(a));
  if (rows.length === 0) return null;
  const columns: readonly Column<TraceSummaryJson>[] = [
    {
      key: 'time',
      title: 'Started',
      width: '98px',
      render: (row) => <span className="mono">{formatClock(startMsOf(row))}</span>,
    },
    {
      key: 'trace',
      title: 'Trace',
      width: 'minmax(160px, 1fr)',
      render: (row) => (
        <Link to="/trace/$traceId" params={{ traceId: row.traceId }} className="linkish linkish-plain">
          <span className="dim">{row.rootServiceName}</span> <b className="op">{row.rootOperationName}</b>
        </Link>
      ),
    },
    {
      key: 'where',
      title: 'Failed in',
      width: 'minmax(120px, 1fr)',
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
      key: 'spans',
      title: 'Spans',
      width: '56px',
      isNumber: true,
      isExtra: true,
      render: (row) => row.spanCount,
    },
    {
      key: 'duration',
      title: 'Duration',
      width: '84px',
      isNumber: true,
      render: (row) => formatDuration(durationOf(row)),
    },
  ];
  return (
    <section className="home-section" aria-labelledby="failures">
      <h2 id="failures">Latest failures</h2>
      <Table
        label="Latest failures"
        columns={columns}
        rows={rows}
        rowKey={(row) => row.traceId}
        rowHeight={30}
      />
    </section>
  );
}
