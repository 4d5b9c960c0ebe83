import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import type { FunctionJson, FunctionPointJson, InvocationJson } from '../../../backend/query/shapes.ts';
import { functionQuery, platformQuery } from '../api/queries.ts';
import { gridOf } from '../chart/grid.ts';
import { TimeChart } from '../chart/time-chart.tsx';
import { stageColor } from '../layout/stages.ts';
import { quote } from '../search/query-text.ts';
import { LookbackPicker, useLookback } from '../shell/lookback.tsx';
import { PageError } from '../shell/notice.tsx';
import { SamplingNote } from '../shell/sampling-note.tsx';
import { useTitle } from '../shell/use-title.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { formatCount, formatPercent, formatRate } from '../text/number.ts';
import { formatAgo, formatClock } from '../text/time.ts';
import { Configuration } from './configuration.tsx';
import './function-page.css';
import { HeatMap } from './heat-map.tsx';
import { InstanceLanes } from './instance-lanes.tsx';
import { RecentLogs } from './recent-logs.tsx';
import { TestForm } from './test-form.tsx';
import { Versions } from './versions.tsx';

/** One function: how often, how long, how cold, what fails and what the failed have in common. */
export function FunctionPage() {
  const { name } = useParams({ from: '/functions/$name' });
  const lookback = useLookback();
  const found = useQuery(functionQuery(name, lookback.ms));
  const platform = useQuery(platformQuery());
  const config = platform.data?.functions.find((each) => each.name === name);
  const [isTesting, setTesting] = useState(false);
  useTitle(name);
  return (
    <div className="page scrolls" key={name}>
      <header className="page-head">
        <h1>{name}</h1>
        <Link to="/search" search={{ service: name }} className="linkish">
          Traces
        </Link>
        <Link to="/logs" search={{ service: name }} className="linkish">
          Logs
        </Link>
        {config && (
          <button
            type="button"
            className="button"
            aria-expanded={isTesting}
            onClick={() => setTesting(!isTesting)}
          >
            Test it
          </button>
        )}
        <SamplingNote lookbackMs={lookback.ms} about="lists are of those, counts and charts of all" />
        <span className="spacer" />
        <LookbackPicker />
      </header>
      {config && isTesting && <TestForm config={config} />}
      {found.data ? (
        <>
          <Facts name={name} data={found.data} lookbackMs={lookback.ms} />
          <InstanceLanes
            instances={found.data.instances}
            running={platform.data?.instances.filter((instance) => instance.function === name)}
          />
        </>
      ) : found.isError ? (
        <PageError
          title={`Nothing to say of ${name}`}
          error={found.error}
          onRetry={() => void found.refetch()}
        >
          <p className="dim">
            {config
              ? 'It is deployed, and has not run in this time: look further back, or test it.'
              : 'Look further back, or see whether it has run at all.'}
          </p>
        </PageError>
      ) : (
        <p className="waiting" role="status">
          Loading…
        </p>
      )}
      {config && (
        <Configuration
          config={config}
          triggers={(platform.data?.triggers ?? []).filter(({ functions }) => functions.includes(name))}
        />
      )}
      {found.data && <RecentLogs name={name} lookbackMs={lookback.ms} />}
    </div>
  );
}

function Facts(props: { readonly name: string; readonly data: FunctionJson; readonly lookbackMs: number }) {
  const { name, data } = props;
  const { stats } = data;
  const grid = gridOf<FunctionPointJson>(data, data.points);
  const latency = (key: 'p50Nano' | 'p95Nano' | 'p99Nano') =>
    grid.points.map((point) => (point ? Number(point[key]) : undefined));
  const isPartial = data.sampled < stats.invocations;
  return (
    <>
      <dl className="tiles">
        <Tile name="Calls" value={formatCount(stats.invocations)} note={formatRate(stats.ratePerSecond)} />
        <Tile
          name="Failed"
          value={formatPercent(stats.errorRate)}
          note={stats.errors > 0 ? `${formatCount(stats.errors)} of them` : ''}
          isBad={stats.errors > 0}
        />
        <Tile name="p50" value={formatDuration(Number(stats.p50Nano))} />
        <Tile name="p99" value={formatDuration(Number(stats.p99Nano))} />
        <Tile
          name="Cold"
          value={formatPercent(stats.coldStartRate)}
          note={`${formatCount(stats.coldStarts)} ${stats.coldStarts === 1 ? 'start' : 'starts'}`}
        />
        <Tile name="Timed out" value={formatCount(stats.timeouts)} isBad={stats.timeouts > 0} />
        <Tile name="Retried" value={formatCount(stats.retries)} />
        <Tile
          name="Called by"
          value={Object.keys(data.triggers).join(', ') || '·'}
          note={`last ${formatAgo(Number(BigInt(stats.lastSeenUnixNano) / 1_000_000n), Date.now())}`}
        />
      </dl>
      <div className="halves">
        <TimeChart
          label="Calls"
          startMs={grid.startMs}
          stepMs={grid.stepMs}
          format={(value) => formatCount(Math.round(value * 10) / 10)}
          series={[
            {
              name: 'calls',
              kind: 'bar',
              color: 'var(--bar)',
              values: grid.points.map((point) => point?.invocations),
            },
            {
              name: 'failed',
              kind: 'bar',
              color: 'var(--error)',
              values: grid.points.map((point) => point?.errors),
            },
          ]}
        />
        <TimeChart
          label="Duration"
          startMs={grid.startMs}
          stepMs={grid.stepMs}
          format={(value) => (value === 0 ? '0' : formatDuration(value))}
          series={[
            { name: 'p99', kind: 'line', color: 'var(--stage-backoff)', values: latency('p99Nano') },
            { name: 'p95', kind: 'line', color: 'var(--stage-downstream)', values: latency('p95Nano') },
            { name: 'p50', kind: 'line', color: 'var(--accent)', values: latency('p50Nano') },
          ]}
        />
      </div>
      <HeatMap name={name} lookbackMs={props.lookbackMs} />
      {isPartial && (
        <p className="note dim">
          What follows is of the newest {formatCount(data.sampled)} calls; the charts are of all.
        </p>
      )}
      <div className="halves">
        <Causes name={name} data={data} />
        <Phases data={data} />
      </div>
      {data.outliers.length > 0 && <Outliers data={data} />}
      <div className="halves">
        <Invocations title="Failed last" none="None failed." rows={data.failed} showsStatus />
        <Invocations title="Slowest" none="None." rows={data.slowest} />
      </div>
      <Versions versions={data.versions} />
    </>
  );
}

function Tile(props: {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
  readonly isBad?: boolean;
}) {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd className={props.isBad ? 'mono error-text' : 'mono'}>{props.value}</dd>
      {props.note && <dd className="tile-note mono dim">{props.note}</dd>}
    </div>
  );
}

function Section({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section className="half" aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Causes({ name, data }: { readonly name: string; readonly data: FunctionJson }) {
  const most = data.errors.reduce((max, { count }) => Math.max(max, count), 1);
  return (
    <Section title="Failures by cause">
      {data.errors.length === 0 ? (
        <p className="home-none">None failed.</p>
      ) : (
        <ol className="bars">
          {data.errors.map((error) => (
            <li key={error.type}>
              <Link
                to="/trace/$traceId"
                params={{ traceId: error.example.traceId }}
                search={{ span: error.example.spanId }}
                className="linkish linkish-plain"
                title="Open one of them"
              >
                <bdi className="mono">{error.type || '(no type)'}</bdi>
              </Link>
              <span className="bars-track">
                <i style={{ width: `${(error.count / most) * 100}%`, background: 'var(--error)' }} />
              </span>
              <Link
                to="/search"
                search={{ service: name, errors: true, q: `error.type:${quote(error.type)}` }}
                className="linkish mono bars-figure"
                aria-label={`All ${error.count} failures of the type ${error.type}`}
              >
                {formatCount(error.count)}
              </Link>
            </li>
          ))}
        </ol>
      )}
      {Object.keys(data.ends).length > 0 && (
        <p className="note dim">
          Ended with their process:{' '}
          {Object.entries(data.ends)
            .map(([reason, count]) => `${count} by ${reason}`)
            .join(', ')}
        </p>
      )}
    </Section>
  );
}

function Phases({ data }: { readonly data: FunctionJson }) {
  const most = data.phases.reduce((max, { p99Nano }) => Math.max(max, Number(p99Nano)), 1);
  return (
    <Section title="Cold starts by phase">
      {data.phases.length === 0 ? (
        <p className="home-none">None started cold.</p>
      ) : (
        <ol className="bars bars-phases">
          {data.phases.map((phase) => (
            <li key={phase.stage}>
              <span>{phase.stage}</span>
              <span className="bars-track" title={`p99 ${formatDuration(Number(phase.p99Nano))}`}>
                <i
                  className="bars-faint"
                  style={{
                    width: `${(Number(phase.p99Nano) / most) * 100}%`,
                    background: stageColor(phase.stage),
                  }}
                />
                <i
                  style={{
                    width: `${(Number(phase.p50Nano) / most) * 100}%`,
                    background: stageColor(phase.stage),
                  }}
                />
              </span>
              <span className="mono bars-figure">
                {formatDuration(Number(phase.p50Nano))}
                <span className="dim"> p99 {formatDuration(Number(phase.p99Nano))}</span>
              </span>
              <span className="mono dim bars-figure">×{formatCount(phase.count)}</span>
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}

function Outliers({ data }: { readonly data: FunctionJson }) {
  return (
    <section className="outliers" aria-label="What sets them apart">
      <h2>What sets the failed and the slow apart</h2>
      <ul>
        {data.outliers.slice(0, 6).map((outlier) => (
          <li key={`${outlier.key} ${outlier.value} ${outlier.of}`}>
            <code>
              {outlier.key} = {outlier.value}
            </code>{' '}
            stands on <b className="mono">{formatPercent(outlier.badShare)}</b> of the {outlier.of}, and on{' '}
            <span className="mono">{formatPercent(outlier.goodShare)}</span> of the others
          </li>
        ))}
      </ul>
    </section>
  );
}

function Invocations(props: {
  readonly title: string;
  readonly none: string;
  readonly rows: readonly InvocationJson[];
  readonly showsStatus?: boolean;
}) {
  const columns: readonly Column<InvocationJson>[] = [
    {
      key: 'time',
      title: 'Started',
      width: '98px',
      render: (row) => (
        <Link
          to="/trace/$traceId"
          params={{ traceId: row.traceId }}
          search={{ span: row.spanId }}
          className="linkish mono"
        >
          {formatClock(Number(BigInt(row.startUnixNano) / 1_000_000n))}
        </Link>
      ),
    },
    {
      key: 'status',
      title: props.showsStatus ? 'What went wrong' : 'Instance',
      width: 'minmax(80px, 1fr)',
      render: (row) =>
        props.showsStatus ? (
          <bdi title={row.statusMessage}>{row.statusMessage || 'error'}</bdi>
        ) : (
          <span className="mono dim">{row.instance}</span>
        ),
    },
    {
      key: 'cold',
      title: '',
      width: '40px',
      render: (row) => (row.coldStart ? <span className="chip chip-cold">cold</span> : null),
    },
    {
      key: 'duration',
      title: 'Duration',
      width: '76px',
      isNumber: true,
      render: (row) => (
        <span className={row.error && !props.showsStatus ? 'error-text' : ''}>
          {formatDuration(Number(row.durationNano))}
        </span>
      ),
    },
  ];
  return (
    <Section title={props.title}>
      {props.rows.length === 0 ? (
        <p className="home-none">{props.none}</p>
      ) : (
        <Table
          label={props.title}
          columns={columns}
          rows={props.rows.slice(0, 10)}
          rowKey={(row) => row.spanId}
          rowHeight={28}
        />
      )}
    </Section>
  );
}
