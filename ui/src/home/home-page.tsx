import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { RedJson, RedPointJson } from '../../../backend/query/shapes.ts';
import { functionsQuery, platformQuery, redQuery, servicesQuery, topicsQuery } from '../api/queries.ts';
import { useLostAt } from '../api/reach.ts';
import { type Grid, gridOf } from '../chart/grid.ts';
import '../chart/chart.css';
import { assignColors } from '../layout/colors.ts';
import { FirstRequest } from '../search/first-request.tsx';
import { LookbackPicker, useLookback } from '../shell/lookback.tsx';
import { PageError } from '../shell/notice.tsx';
import { SamplingNote } from '../shell/sampling-note.tsx';
import { useTitle } from '../shell/use-title.ts';
import { FunctionTable } from './function-table.tsx';
import './home.css';
import { lagsByFunction } from './lag.ts';
import { LatestTraces } from './latest-traces.tsx';
import { TopicLag } from './topic-lag.tsx';
import { findTopicTrouble } from './topic-trouble.ts';
import { Troubles } from './troubles.tsx';
import { findTrouble, worstFirst } from './trouble.ts';

/** The screen to keep open: what is wrong now, what failed or was slow last, how every function and topic does. */
export function HomePage() {
  const lookback = useLookback();
  // What is not known any more is not said to be well.
  const isLost = useLostAt() !== undefined;
  const functions = useQuery(functionsQuery(lookback.ms));
  const red = useQuery(redQuery(lookback.ms));
  const services = useQuery(servicesQuery());
  const topics = useQuery(topicsQuery(lookback.ms));
  const platform = useQuery(platformQuery());
  const rows = functions.data?.functions ?? [];
  const grids = useMemo(() => gridsOf(red.data), [red.data]);
  const lags = useMemo(() => lagsByFunction(topics.data, platform.data), [topics.data, platform.data]);
  const troubles = worstFirst(rows.flatMap((row) => findTrouble(row, grids.get(row.name))));
  const topicTroubles = useMemo(
    () => findTopicTrouble(topics.data, platform.data, Date.now()),
    [topics.data, platform.data],
  );
  const wrong = troubles.length + topicTroubles.length;
  const colors = useMemo(
    () => assignColors([...(services.data ?? []), ...rows.map(({ name }) => name)]),
    [services.data, rows],
  );
  useTitle(wrong === 0 ? '' : `${wrong} wrong`);

  if (functions.isError && !functions.data)
    return (
      <PageError
        title="The functions cannot be had"
        error={functions.error}
        onRetry={() => void functions.refetch()}
      />
    );
  // Whether nothing has arrived at all matters only where no function is shown.
  if (!functions.data || (rows.length === 0 && !services.data && !services.isError))
    return (
      <p className="waiting" role="status">
        Loading…
      </p>
    );
  if (rows.length === 0 && services.data?.length === 0) return <FirstRequest />;
  return (
    <div className="page scrolls">
      <section className="home-now" aria-labelledby="now">
        <header className="page-head">
          <h1 id="now">
            {rows.length === 0
              ? 'No function has run in this time'
              : `${wrong === 0 ? 'Nothing' : 'What'} ${isLost ? 'was' : 'is'} wrong`}
          </h1>
          {rows.length > 0 && (
            <span className="dim">
              {rows.length} {rows.length === 1 ? 'function' : 'functions'}
              {isLost ? ', when the backend still answered' : ', looked at every 10 s'}
            </span>
          )}
          <SamplingNote lookbackMs={lookback.ms} about="lists are of those, counts and charts of all" />
          <span className="spacer" />
          <LookbackPicker />
        </header>
        {wrong > 0 && <Troubles troubles={troubles} topicTroubles={topicTroubles} lookbackMs={lookback.ms} />}
      </section>
      <LatestTraces lookbackMs={lookback.ms} />
      {rows.length === 0 ? (
        <FirstRequest title="How to make one run" />
      ) : (
        <section className="home-section" aria-labelledby="functions">
          <h2 id="functions">Functions</h2>
          <FunctionTable rows={rows} colors={colors} grids={grids} lags={lags} />
        </section>
      )}
      {topics.data && topics.data.topics.length > 0 && (
        <TopicLag topics={topics.data} platform={platform.data ?? null} />
      )}
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
