import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { joinPages, searchPagesQuery, servicesQuery } from '../api/queries.ts';
import { assignColors } from '../layout/colors.ts';
import { PageError } from '../shell/notice.tsx';
import { useTitle } from '../shell/use-title.ts';
import { FilterBar } from './filter-bar.tsx';
import { FirstRequest } from './first-request.tsx';
import { readSearch, writeSearch, type SearchParams } from './params.ts';
import { ResultList } from './result-list.tsx';
import { ResultPlot } from './result-plot.tsx';
import { queryText } from './query-text.ts';
import './search.css';
import { useLive } from './use-live.ts';

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

  return (
    <div className="page search-page">
      <FilterBar
        key={JSON.stringify(search)}
        search={search}
        services={names}
        busy={pages.isFetching && live === 'off'}
        live={live}
        onSearch={go}
      />
      {pages.isError && !answer ? (
        <PageError title="The search failed" error={pages.error} onRetry={() => void pages.refetch()} />
      ) : answer === undefined ? (
        <p className="waiting" role="status">
          Searching…
          {pages.failureReason && (
            <span className="error-text"> {pages.failureReason.message}, trying again</span>
          )}
        </p>
      ) : found.length === 0 ? (
        <Nothing isFirst={services.data?.length === 0} search={search} onWiden={go} />
      ) : (
        <>
          <ResultPlot
            answer={answer}
            onRange={(range) => go({ ...search, ...range, bySpan: false, live: false })}
          />
          <ResultList
            answer={answer}
            colors={colors}
            onMore={pages.hasNextPage ? () => void pages.fetchNextPage() : undefined}
            isLoadingMore={pages.isFetchingNextPage}
            pageSize={search.limit}
          />
        </>
      )}
    </div>
  );
}

function Nothing(props: {
  readonly isFirst: boolean;
  readonly search: SearchParams;
  readonly onWiden: (search: SearchParams) => void;
}) {
  if (props.isFirst) return <FirstRequest />;
  const { search } = props;
  const widest = search.lookbackMinutes >= 10_080 && search.fromMs === 0;
  return (
    <section className="notice" role="status">
      <h2>No trace matches</h2>
      <p>
        Every condition must hold on one and the same span.{' '}
        {widest ? 'Leave one of them out.' : 'Leave one out, or look further back.'}
      </p>
      {!widest && (
        <button
          type="button"
          className="linkish"
          onClick={() =>
            props.onWiden({ ...search, lookbackMinutes: 10_080, fromMs: 0, toMs: 0, bySpan: false })
          }
        >
          Look at the last 7 days
        </button>
      )}
    </section>
  );
}
