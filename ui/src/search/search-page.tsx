import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import type { SearchCountsJson, TraceSummaryJson } from '../../../backend/query/shapes.ts';
import { joinPages, searchCountsQuery, searchPagesQuery, servicesQuery } from '../api/queries.ts';
import { assignColors } from '../layout/colors.ts';
import { formatMoment } from '../layout/time-ticks.ts';
import { PageError } from '../shell/notice.tsx';
import { SamplingNote } from '../shell/sampling-note.tsx';
import { useTitle } from '../shell/use-title.ts';
import { formatCount } from '../text/number.ts';
import { CountsBar } from './counts-bar.tsx';
import { FilterBar } from './filter-bar.tsx';
import { FirstRequest } from './first-request.tsx';
import { DEFAULT_SEARCH, readSearch, writeSearch, type SearchParams } from './params.ts';
import { PendingResults, SearchProgress } from './pending.tsx';
import { ResultList } from './result-list.tsx';
import { ResultPlot } from './result-plot.tsx';
import { queryText } from './query-text.ts';
import './search.css';
import { startMsOf } from './summary.ts';
import { useLive } from './use-live.ts';

/** Above it the store's count is a good guess. */
const MOST_EXACT = 1_000;

export function SearchPage() {
  const raw = useSearch({ from: '/search' });
  const navigate = useNavigate({ from: '/search' });
  const search = useMemo(() => readSearch(raw), [raw]);
  const services = useQuery(servicesQuery());
  useTitle(queryText(search) || 'Traces');
  const pages = useInfiniteQuery(searchPagesQuery(search));
  const answer = useMemo(
    () => (pages.data ? joinPages(pages.data.pages, search) : undefined),
    [pages.data, search],
  );
  // Rows first: what is counted over all of the time costs more, and may come after them.
  const isOld = pages.isPlaceholderData;
  const counts = useQuery(searchCountsQuery(search, isOld ? undefined : pages.data?.pages[0]));

  const names = services.data ?? [];
  const found = answer?.summaries ?? [];
  const colors = useMemo(
    () => assignColors([...names, ...found.flatMap((summary) => summary.services.map(({ name }) => name))]),
    [names, found],
  );
  const go = (next: SearchParams) => {
    const same = JSON.stringify(next) === JSON.stringify(search);
    if (same) void pages.refetch();
    else void navigate({ search: writeSearch(next) });
  };

  const { refetch } = pages;
  const live = useLive(
    search.live,
    useCallback(() => void refetch(), [refetch]),
  );
  const isSearching = pages.isFetching && !pages.isFetchingNextPage && live === 'off';
  const nowMs = Date.now();
  const window = answer ?? {
    fromMs: search.fromMs || nowMs - search.lookbackMinutes * 60_000,
    toMs: search.toMs || nowMs,
  };

  return (
    <div className="page search-page">
      <FilterBar
        key={JSON.stringify(search)}
        search={search}
        services={names}
        busy={isSearching}
        live={live}
        onSearch={go}
      />
      <SearchProgress isOn={isSearching} />
      {pages.isError && !answer ? (
        <PageError title="The search failed" error={pages.error} onRetry={() => void pages.refetch()} />
      ) : answer && found.length === 0 && !isOld ? (
        <Nothing isFirst={services.data?.length === 0} search={search} window={window} onSearch={go} />
      ) : (
        <>
          <CountsBar
            fromMs={window.fromMs}
            toMs={window.toMs}
            counts={counts.data}
            isOld={isOld || counts.isPlaceholderData}
            error={counts.error}
            rows={pages.hasNextPage ? stretchOf(found) : undefined}
            // A bar counts traces by their spans, and may hold none that began in it.
            onRange={(range) => go({ ...search, ...range, bySpan: true, live: false })}
          />
          {answer ? (
            <>
              <ResultPlot
                answer={answer}
                onRange={(range) => go({ ...search, ...range, bySpan: false, live: false })}
              />
              <ResultList
                answer={answer}
                colors={colors}
                isOld={isOld || pages.isRefetchError}
                total={isOld || counts.isPlaceholderData ? undefined : sayTotal(counts.data)}
                onMore={pages.hasNextPage ? () => void pages.fetchNextPage() : undefined}
                isLoadingMore={pages.isFetchingNextPage}
                pageSize={search.limit}
              >
                {pages.isRefetchError && (
                  <span className="error-text" role="alert">
                    Not asked again: {pages.error.message}
                  </span>
                )}
                <SamplingNote lookbackMs={lookbackOf(search, nowMs)} about="only those are found" />
              </ResultList>
            </>
          ) : (
            <PendingResults failure={pages.failureReason?.message} />
          )}
        </>
      )}
    </div>
  );
}

/** Whole hours, so that it is one question for a while. */
function lookbackOf(search: SearchParams, nowMs: number): number {
  const ms = search.fromMs === 0 ? search.lookbackMinutes * 60_000 : nowMs - search.fromMs;
  return Math.max(1, Math.ceil(ms / 3_600_000)) * 3_600_000;
}

function sayTotal(counts: SearchCountsJson | undefined): string | undefined {
  if (!counts) return undefined;
  return `${counts.traces >= MOST_EXACT ? 'about ' : ''}${formatCount(counts.traces)}`;
}

/** From the first to the last row. */
function stretchOf(summaries: readonly TraceSummaryJson[]) {
  return {
    fromMs: summaries.reduce((min, summary) => Math.min(min, startMsOf(summary)), Infinity),
    toMs: summaries.reduce((max, summary) => Math.max(max, startMsOf(summary)), -Infinity),
  };
}

function Nothing(props: {
  readonly isFirst: boolean;
  readonly search: SearchParams;
  readonly window: { readonly fromMs: number; readonly toMs: number };
  readonly onSearch: (search: SearchParams) => void;
}) {
  if (props.isFirst) return <FirstRequest />;
  const { search, window } = props;
  const widest = search.lookbackMinutes >= 10_080 && search.fromMs === 0;
  const query = queryText(search);
  const moment = (ms: number) => formatMoment(ms, Math.max(window.toMs - window.fromMs, Date.now() - ms));
  return (
    <section className="notice" role="status">
      <h2>No trace matches</h2>
      <p>
        From {moment(window.fromMs)} to {moment(window.toMs)}
        {query === '' ? ' nothing came in.' : ' no span satisfies all of'}
      </p>
      {query !== '' && (
        <p>
          <code>{query}</code>
        </p>
      )}
      <p className="notice-ways">
        {!widest && (
          <button
            type="button"
            className="linkish"
            onClick={() =>
              props.onSearch({ ...search, lookbackMinutes: 10_080, fromMs: 0, toMs: 0, bySpan: false })
            }
          >
            Look at the last 7 days
          </button>
        )}
        {query !== '' && (
          <button
            type="button"
            className="linkish"
            onClick={() =>
              props.onSearch({
                ...DEFAULT_SEARCH,
                lookbackMinutes: search.lookbackMinutes,
                fromMs: search.fromMs,
                toMs: search.toMs,
                bySpan: search.bySpan,
                limit: search.limit,
              })
            }
          >
            Show every trace of this time
          </button>
        )}
      </p>
    </section>
  );
}
