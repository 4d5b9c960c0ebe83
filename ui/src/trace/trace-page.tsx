import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback, useDeferredValue, useMemo, useState } from 'react';
import {
  accountQuery,
  criticalPathQuery,
  flowQuery,
  incomingLinksQuery,
  isYoung,
  traceQuery,
  whyQuery,
} from '../api/queries.ts';
import { assignColors } from '../layout/colors.ts';
import { findGaps, straight, warpOf, type Gap } from '../layout/gaps.ts';
import type { Range } from '../layout/range.ts';
import { findSpans } from '../model/find.ts';
import type { Span, Trace } from '../model/trace.ts';
import { PageError } from '../shell/notice.tsx';
import { useTitle } from '../shell/use-title.ts';
import { formatDuration } from '../text/duration.ts';
import { showName } from '../text/name.ts';
import { AccountBar } from './account-bar.tsx';
import { EventLog } from './event-log.tsx';
import { Flame } from './flame.tsx';
import { Minimap } from './minimap.tsx';
import { SpanPanel } from './span-panel.tsx';
import { SpanTable } from './span-table.tsx';
import { Statistics } from './statistics.tsx';
import './trace.css';
import { TraceHead, type TraceFile } from './trace-head.tsx';
import { TakenAway } from './trace-sampling.tsx';
import { TraceTools } from './trace-tools.tsx';
import { spanColors } from './span-colors.ts';
import { coloringOf, tabOf, type TraceSearch, viewOf } from './trace-search.ts';
import { Waterfall } from './waterfall.tsx';
import { WhyPanel } from './why-panel.tsx';

export function TracePage() {
  const { traceId } = useParams({ from: '/trace/$traceId' });
  const trace = useQuery(traceQuery(traceId));
  if (trace.data)
    return <TraceView key={trace.data.id} trace={trace.data} onReload={() => void trace.refetch()} />;
  if (trace.isError)
    return (
      <PageError title="This trace cannot be shown" error={trace.error} onRetry={() => void trace.refetch()}>
        <TakenAway traceId={traceId} />
        <p className="dim">
          Looked for <code>{traceId}</code>. Spans arrive within moments of a call, and this page goes on
          looking; a trace older than the store keeps is gone.
        </p>
      </PageError>
    );
  return (
    <p className="waiting" role="status">
      Loading the trace…
    </p>
  );
}

/** A trace that the backend has, or one that a file held: then without what only the backend can say of it. */
export function TraceView(props: {
  readonly trace: Trace;
  readonly file?: TraceFile;
  readonly onReload?: () => void;
}) {
  const { trace } = props;
  const isFile = props.file !== undefined;
  const [root] = trace.spans;
  useTitle(`${root ? showName(root.name) : trace.id} ${formatDuration(trace.durationNanos)}`);
  const search: TraceSearch = useSearch({ strict: false });
  const navigate = useNavigate();
  const change = useCallback(
    (next: TraceSearch) =>
      void navigate({ to: '.', search: (before: TraceSearch) => ({ ...before, ...next }), replace: true }),
    [navigate],
  );
  const select = useCallback((id: string | undefined) => change({ span: id }), [change]);
  const selected = useMemo(() => trace.spans.find((span) => span.id === search.span), [trace, search.span]);
  const colors = useMemo(() => assignColors(trace.services.map(({ name }) => name)), [trace]);
  const coloring = coloringOf(search);
  const spanColor = useMemo(() => spanColors(trace, coloring, colors), [trace, coloring, colors]);
  const hidden = useMemo(() => new Set(search.hide?.split(',')), [search.hide]);
  const shown = useCallback((span: Span) => !hidden.has(span.service), [hidden]);
  const hide = (service: string) => {
    const next = new Set(hidden);
    if (!next.delete(service)) next.add(service);
    next.delete('');
    change({ hide: [...next].join(',') });
  };

  const size = trace.spans.length;
  const why = useQuery({ ...whyQuery(trace.id, size), enabled: !isFile });
  const alone = useQuery({ ...accountQuery(trace.id, size, 'end-to-end'), enabled: why.isError });
  const account = why.data?.account ?? alone.data;
  const flow = useQuery({ ...flowQuery(trace.id, size), enabled: !isFile });
  const find = useFind(trace, shown, search.q ?? '', selected === undefined ? undefined : select);
  const view = viewOf(search);

  return (
    <div className="page trace-page">
      <TraceHead
        trace={trace}
        colors={colors}
        file={props.file}
        isGrowing={!isFile && isYoung(trace, Date.now())}
        flowSize={flow.data?.traceIds.length ?? 1}
        hidden={hidden}
        onHide={hide}
        onReload={props.onReload ?? (() => {})}
        onSelect={select}
      />
      {!isFile && why.isPending && <p className="why why-line dim">Looking for the reason…</p>}
      {why.data && <WhyPanel why={why.data} traceId={trace.id} />}
      {account && <AccountBar account={account} traceId={trace.id} />}
      <TraceTools
        search={search}
        hasGaps={findGaps(trace.spans, trace.durationNanos).length > 0}
        hasPath={account !== undefined}
        matchCount={find.count}
        matchAt={find.at}
        legend={spanColor.legend}
        onChange={change}
        onMatch={find.step}
      />
      <div className="trace-body">
        {view === 'waterfall' ? (
          <Timeline
            trace={trace}
            isFile={isFile}
            search={search}
            colorOf={spanColor.of}
            matches={find.matches}
            reveal={find.reveal}
            shown={shown}
            selectedId={selected?.id}
            onSelect={select}
          />
        ) : view === 'spans' ? (
          <SpanTable {...{ trace, colors, shown }} selectedId={selected?.id} onSelect={select} />
        ) : view === 'statistics' ? (
          <Statistics {...{ trace, colors, shown }} onSelect={select} />
        ) : view === 'flame' ? (
          <Flame key={trace.spans.length} {...{ trace, shown }} colorOf={spanColor.of} onSelect={select} />
        ) : (
          <EventLog
            {...{ trace, isFile, search, colors, shown }}
            selectedId={selected?.id}
            onChange={change}
            onSelect={select}
          />
        )}
        {selected && (
          <SpanPanel
            trace={trace}
            span={selected}
            isFile={isFile}
            color={spanColor.of(selected)}
            tab={tabOf(search)}
            onTab={(tab) => change({ tab: tab === 'details' ? '' : tab })}
            onClose={() => select(undefined)}
            onSelect={select}
          />
        )}
      </div>
    </div>
  );
}

function Timeline(props: {
  readonly trace: Trace;
  readonly isFile: boolean;
  readonly search: TraceSearch;
  readonly colorOf: (span: Span) => string | undefined;
  readonly matches: ReadonlySet<string>;
  readonly reveal: { readonly id: string } | undefined;
  readonly shown: (span: Span) => boolean;
  readonly selectedId: string | undefined;
  readonly onSelect: (id: string | undefined) => void;
}) {
  const { trace, search, colorOf } = props;
  const isLong = search.gaps === 'long';
  const warp = useMemo(
    () =>
      isLong
        ? straight(trace.durationNanos)
        : warpOf(findGaps(trace.spans, trace.durationNanos), trace.durationNanos),
    [trace, isLong],
  );
  // A zoom is of one drawing; another one starts whole.
  const [zoomed, setZoomed] = useState<{ readonly range: Range; readonly isLong: boolean }>();
  const isZoomed = zoomed?.isLong === isLong;
  const range = useMemo(
    () => (isZoomed ? zoomed.range : { from: 0, to: warp.length }),
    [isZoomed, zoomed, warp.length],
  );
  const zoom = (next: Range | undefined) => setZoomed(next && { range: next, isLong });
  const incoming = useQuery({
    ...incomingLinksQuery(trace.id, trace.spans.length),
    enabled: !props.isFile,
  });
  const consumers = useMemo(() => {
    const counts = new Map<string, number>();
    for (const { toSpanId } of incoming.data ?? []) counts.set(toSpanId, (counts.get(toSpanId) ?? 0) + 1);
    return counts;
  }, [incoming.data]);
  return (
    <div className="timeline">
      <Minimap trace={trace} colorOf={colorOf} range={range} warp={warp} onZoom={zoom} />
      <Waterfall
        trace={trace}
        colorOf={colorOf}
        isYoung={!props.isFile && isYoung(trace, Date.now())}
        range={range}
        warp={warp}
        critical={useCriticalPath(trace, search.path)}
        matches={props.matches}
        consumers={consumers}
        shown={props.shown}
        reveal={props.reveal}
        selectedId={props.selectedId}
        onSelect={props.onSelect}
        onZoom={zoom}
      />
    </div>
  );
}

/** Parts of the critical path by span, ns from the trace's start; `undefined` while it is off or not there. */
function useCriticalPath(
  trace: Trace,
  path: string | undefined,
): ReadonlyMap<string, readonly Gap[]> | undefined {
  const isOn = path === 'caller' || path === 'end-to-end';
  const query = useQuery({
    ...criticalPathQuery(trace.id, trace.spans.length, isOn ? path : 'end-to-end'),
    enabled: isOn,
  });
  const { data } = query;
  return useMemo(() => {
    if (!isOn || !data) return undefined;
    const parts = new Map<string, Gap[]>();
    for (const segment of data.segments) {
      if (segment.traceId !== trace.id) continue;
      const part = {
        from: Number(BigInt(segment.startUnixNano) - trace.startUnixNano),
        to: Number(BigInt(segment.endUnixNano) - trace.startUnixNano),
      };
      const of = parts.get(segment.spanId);
      if (of) of.push(part);
      else parts.set(segment.spanId, [part]);
    }
    return parts;
  }, [isOn, data, trace]);
}

/** Matches of the text among what shows, and the way from one to the next. */
function useFind(
  trace: Trace,
  shown: (span: Span) => boolean,
  text: string,
  select: ((id: string) => void) | undefined,
) {
  const deferred = useDeferredValue(text);
  const found = useMemo(
    () =>
      findSpans(trace.spans, deferred)
        .map((index) => trace.spans[index] as Span)
        .filter(shown),
    [trace, deferred, shown],
  );
  const matches = useMemo(() => new Set(found.map(({ id }) => id)), [found]);
  const [reveal, setReveal] = useState<{ readonly id: string }>();
  const at = reveal ? found.findIndex(({ id }) => id === reveal.id) : -1;
  const step = (by: 1 | -1) => {
    const next = found[at < 0 ? (by > 0 ? 0 : found.length - 1) : (at + by + found.length) % found.length];
    if (!next) return;
    setReveal({ id: next.id });
    select?.(next.id);
  };
  return { count: found.length, matches, at, reveal, step };
}
