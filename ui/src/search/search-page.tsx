import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { searchQuery, servicesQuery } from '../api/queries.ts';
import { assignColors } from '../layout/colors.ts';
import { PageError } from '../shell/notice.tsx';
import { parseLogfmt } from '../text/logfmt.ts';
import { FilterBar } from './filter-bar.tsx';
import { FirstRequest } from './first-request.tsx';
import { readSearch, writeSearch, type SearchParams } from './params.ts';
import { ResultList } from './result-list.tsx';
import { ResultPlot } from './result-plot.tsx';
import { useLive } from './use-live.ts';

export function SearchPage() {
  const raw = useSearch({ from: '/search' });
  const navigate = useNavigate({ from: '/search' });
  const search = useMemo(() => readSearch(raw), [raw]);
  const parsed = useMemo(() => parseLogfmt(search.tags), [search.tags]);
  const services = useQuery(servicesQuery());
  const tags = 'tags' in parsed ? parsed.tags : {};
  const answer = useQuery({ ...searchQuery(search, tags), enabled: 'tags' in parsed });

  const names = services.data ?? [];
  const found = answer.data?.summaries ?? [];
  const colors = useMemo(
    () => assignColors([...names, ...found.flatMap((summary) => summary.services.map(({ name }) => name))]),
    [names, found],
  );
  const go = (next: SearchParams) => {
    const same = JSON.stringify(next) === JSON.stringify(search);
    if (same) void answer.refetch();
    else void navigate({ search: writeSearch(next) });
  };

  const { refetch } = answer;
  const live = useLive(
    search.live && 'tags' in parsed,
    useCallback(() => void refetch(), [refetch]),
  );

  return (
    <div className="page search-page">
      <FilterBar
        key={JSON.stringify(search)}
        search={search}
        services={names}
        busy={answer.isFetching && live === 'off'}
        live={live}
        onSearch={go}
      />
      {'wrongAt' in parsed ? (
        <PageError title="These tags cannot be read">
          <p>
            At <code>{parsed.wrongAt}</code>. Write them as <code>key=value "other key"="a b"</code>; a key
            alone asks that it be there.
          </p>
        </PageError>
      ) : answer.isError ? (
        <PageError title="The search failed" error={answer.error} onRetry={() => void answer.refetch()} />
      ) : answer.data === undefined ? (
        <p className="waiting" role="status">
          Searching…
          {answer.failureReason && (
            <span className="error-text"> {answer.failureReason.message}, trying again</span>
          )}
        </p>
      ) : found.length === 0 ? (
        <Nothing isFirst={services.data?.length === 0} search={search} onWiden={go} />
      ) : (
        <>
          <ResultPlot
            answer={answer.data}
            onRange={(fromMs, toMs) => go({ ...search, fromMs, toMs, live: false })}
          />
          <ResultList answer={answer.data} limit={search.limit} colors={colors} />
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
          onClick={() => props.onWiden({ ...search, lookbackMinutes: 10_080, fromMs: 0, toMs: 0 })}
        >
          Look at the last 7 days
        </button>
      )}
    </section>
  );
}
