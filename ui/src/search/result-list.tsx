import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useMemo, useRef, useState } from 'react';
import type { JaegerTrace, TraceSummaryJson } from '../../../backend/query/shapes.ts';
import { previewsQuery, type SearchAnswer } from '../api/queries.ts';
import { formatDuration } from '../text/duration.ts';
import { formatAgo, formatClock, formatDay } from '../text/time.ts';
import { MiniWaterfall } from './mini-waterfall.tsx';
import { durationOf, startMsOf } from './summary.ts';

export const ROW_HEIGHT = 46;
/** Pictures are asked for by the page of rows, and not for a trace that is too large for one. */
const PREVIEW_ROWS = 25;
const MOST_PREVIEW_SPANS = 400;

type Order = 'newest' | 'longest' | 'spans' | 'errors';
const ORDERS: Readonly<Record<Order, (a: TraceSummaryJson, b: TraceSummaryJson) => number>> = {
  newest: (a, b) => startMsOf(b) - startMsOf(a),
  longest: (a, b) => durationOf(b) - durationOf(a),
  spans: (a, b) => b.spanCount - a.spanCount,
  errors: (a, b) => b.errorSpanCount - a.errorSpanCount,
};

export function ResultList(props: {
  readonly answer: SearchAnswer;
  /** Absent on the last page. */
  readonly onMore: (() => void) | undefined;
  readonly isLoadingMore: boolean;
  readonly pageSize: number;
  readonly colors: ReadonlyMap<string, string>;
  /** Of another search, or of before it failed. */
  readonly isOld: boolean;
  /** How many there are in all, in words; `undefined` while nobody knows. */
  readonly total: string | undefined;
  readonly children?: ReactNode;
}) {
  const { summaries } = props.answer;
  const [order, setOrder] = useState<Order>('newest');
  const sorted = summaries.toSorted(ORDERS[order]);
  const longest = summaries.reduce((max, summary) => Math.max(max, durationOf(summary)), 1);
  const [picked, setPicked] = useState<readonly string[]>([]);
  const nowMs = Date.now();
  const failed = summaries.filter((summary) => summary.errorSpanCount > 0).length;

  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
  });
  const shown = rows.getVirtualItems();
  const previews = usePreviews(sorted, shown[0]?.index ?? 0, shown.at(-1)?.index ?? 0);

  return (
    <section className={props.isOld ? 'results is-old' : 'results'} aria-label="Traces found">
      <div className="results-head">
        <span role="status">
          <b>{summaries.length}</b> {summaries.length === 1 ? 'trace' : 'traces'}
          {failed > 0 && (
            <>
              , <b className="error-text">{failed}</b> with errors
            </>
          )}
          {props.onMore && (
            <span className="dim">
              {' '}
              · the newest{props.total ? ` of ${props.total}` : ', there are more'}
            </span>
          )}
        </span>
        {props.children}
        <CompareLink picked={picked} onClear={() => setPicked([])} />
        <label className="order">
          <span className="dim">Order</span>
          <select value={order} onChange={(event) => setOrder(event.currentTarget.value as Order)}>
            <option value="newest">newest first</option>
            <option value="longest">longest first</option>
            <option value="spans">most spans</option>
            <option value="errors">most errors</option>
          </select>
        </label>
      </div>
      <ResultColumns />
      <div ref={scroller} className="result-scroll">
        <ul style={{ height: rows.getTotalSize() }}>
          {shown.map((item) => {
            const summary = sorted[item.index];
            if (!summary) return null;
            return (
              <li key={summary.traceId} style={{ top: item.start, height: ROW_HEIGHT }}>
                <input
                  type="checkbox"
                  className="result-pick"
                  aria-label={`Compare ${summary.rootOperationName || summary.traceId}`}
                  title="Compare it with another"
                  checked={picked.includes(summary.traceId)}
                  onChange={() => setPicked(pick(picked, summary.traceId))}
                />
                <ResultRow
                  summary={summary}
                  preview={previews.get(summary.traceId)}
                  longest={longest}
                  nowMs={nowMs}
                  colors={props.colors}
                />
              </li>
            );
          })}
        </ul>
        {props.onMore && (
          <p className="more">
            <button type="button" className="button" disabled={props.isLoadingMore} onClick={props.onMore}>
              {props.isLoadingMore ? 'Loading…' : `Load ${props.pageSize} more`}
            </button>
          </p>
        )}
      </div>
    </section>
  );
}

export function ResultColumns() {
  return (
    <div className="result-columns dim" aria-hidden="true">
      <span>Started</span>
      <span>Trace</span>
      <span className="right">Spans</span>
      <span className="right">Errors</span>
      <span className="right">Duration</span>
      <span>Shape</span>
    </div>
  );
}

/** Two at most: a third takes the place of the first. */
function pick(picked: readonly string[], traceId: string): readonly string[] {
  return picked.includes(traceId) ? picked.filter((id) => id !== traceId) : [...picked, traceId].slice(-2);
}

function CompareLink(props: { readonly picked: readonly string[]; readonly onClear: () => void }) {
  const [a, b] = props.picked;
  if (a === undefined) return null;
  return (
    <span className="picked">
      {b === undefined ? (
        <span className="dim">One is picked: pick another to compare</span>
      ) : (
        <Link to="/compare" search={{ a, b }} className="linkish">
          Compare the two
        </Link>
      )}
      <button type="button" className="linkish" onClick={props.onClear}>
        Clear
      </button>
    </span>
  );
}

/** Whole traces for the rows that show, a page before and after. */
function usePreviews(
  sorted: readonly TraceSummaryJson[],
  first: number,
  last: number,
): ReadonlyMap<string, JaegerTrace> {
  const page = (number: number) =>
    sorted
      .slice(number * PREVIEW_ROWS, (number + 1) * PREVIEW_ROWS)
      .filter(({ spanCount }) => spanCount <= MOST_PREVIEW_SPANS);
  const options = (rows: readonly TraceSummaryJson[]) =>
    previewsQuery(
      rows.map(({ traceId }) => traceId),
      rows.reduce((sum, { spanCount }) => sum + spanCount, 0),
    );
  const firstPage = Math.floor(first / PREVIEW_ROWS);
  const above = useQuery(options(page(firstPage)));
  const below = useQuery(options(Math.floor(last / PREVIEW_ROWS) > firstPage ? page(firstPage + 1) : []));
  return useMemo(() => new Map([...(above.data ?? []), ...(below.data ?? [])]), [above.data, below.data]);
}

function ResultRow(props: {
  readonly summary: TraceSummaryJson;
  readonly preview: JaegerTrace | undefined;
  readonly longest: number;
  readonly nowMs: number;
  readonly colors: ReadonlyMap<string, string>;
}) {
  const { summary, colors } = props;
  const duration = durationOf(summary);
  const startMs = startMsOf(summary);
  const errors = summary.errorSpanCount;
  const incomplete = summary.orphanSpanCount > 0;
  return (
    <Link
      to="/trace/$traceId"
      params={{ traceId: summary.traceId }}
      className={errors > 0 ? 'result result-error' : 'result'}
    >
      <span className="result-time">
        <span className="mono" title={formatDay(startMs)}>
          {formatClock(startMs)}
        </span>
        <span className="dim">{formatAgo(startMs, props.nowMs)}</span>
      </span>
      <span className="result-name">
        <span className="result-title">
          <span className="dim">{summary.rootServiceName}</span>
          <span className="op">{summary.rootOperationName || '(no root)'}</span>
          {incomplete && (
            <span
              className="chip chip-warn"
              title={`${summary.orphanSpanCount} spans name a parent that has not arrived`}
            >
              incomplete
            </span>
          )}
        </span>
        <span className="result-services">
          {summary.services.map((service) => (
            <span key={service.name} className={service.errorSpanCount > 0 ? 'svc svc-error' : 'svc'}>
              <i style={{ background: colors.get(service.name) }} />
              {service.name}
              <span className="mono dim">{service.spanCount}</span>
            </span>
          ))}
        </span>
      </span>
      <span className="mono right">
        {summary.spanCount}
        <span className="sr"> spans</span>
      </span>
      <span className={errors > 0 ? 'mono right error-text' : 'mono right dim'}>
        {errors > 0 ? errors : <span aria-hidden="true">·</span>}
        {errors > 0 && <span className="sr"> errors</span>}
      </span>
      <span className="mono right result-duration">
        {formatDuration(duration)}
        <span className="result-bar" aria-hidden="true">
          <i style={{ width: `${Math.max(2, (duration / props.longest) * 100)}%` }} />
        </span>
      </span>
      {props.preview ? <MiniWaterfall trace={props.preview} colors={colors} /> : <span />}
    </Link>
  );
}
