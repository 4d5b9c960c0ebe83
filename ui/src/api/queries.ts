import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import type {
  AccountJson,
  AttributesJson,
  CriticalPathJson,
  FlowJson,
  FunctionJson,
  FunctionsJson,
  HeatmapJson,
  IncomingLinkJson,
  JaegerTrace,
  LogJson,
  LogsJson,
  MapJson,
  MessagesJson,
  OtlpTraces,
  PlatformJson,
  QualityJson,
  ReadingJson,
  RecordsJson,
  RedJson,
  SamplingJson,
  SamplingStatsJson,
  SearchCountsJson,
  SearchJson,
  TopicsJson,
  TraceSummaryJson,
  WhyJson,
} from '../../../backend/query/shapes.ts';
import { readTrace, type Trace } from '../model/trace.ts';
import type { LogsSearch } from '../logs/logs-search.ts';
import type { TopicsSearch } from '../topics/topics-search.ts';
import type { SearchParams } from '../search/params.ts';
import { queryText } from '../search/query-text.ts';
import { startMsOf } from '../search/summary.ts';
import { askFrom, mergeNewest } from '../home/newest.ts';
import { ApiError, getJson } from './client.ts';

const REFRESH_MS = 10_000;
/** Only while the tab shows (the library sees to that), and at once when it shows again. */
const POLLED = { refetchInterval: REFRESH_MS, refetchOnWindowFocus: true } as const;

export function servicesQuery() {
  return queryOptions({
    queryKey: ['services'],
    queryFn: async ({ signal }) =>
      (await getJson<{ services: readonly string[] }>('/api/v3/services', signal)).services,
    ...POLLED,
  });
}

export function operationsQuery(service: string) {
  return queryOptions({
    queryKey: ['operations', service],
    enabled: service !== '',
    queryFn: async ({ signal }) => {
      const path = `/api/v3/operations?service=${encodeURIComponent(service)}`;
      const { operations } = await getJson<{ operations: readonly { name: string }[] }>(path, signal);
      return [...new Set(operations.map((operation) => operation.name))];
    },
  });
}

export interface SearchAnswer {
  readonly summaries: readonly TraceSummaryJson[];
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * The newest traces of a time, or of those that failed, which a page asks for again and again: only what began since the last asking,
 * and what was young then and may have grown.
 */
export function newestQuery(asked: {
  readonly lookbackMs: number;
  readonly most: number;
  readonly isError: boolean;
}) {
  const { lookbackMs, most, isError } = asked;
  const key = ['newest', lookbackMs, most, isError] as const;
  return queryOptions({
    queryKey: key,
    queryFn: async ({ client, signal }): Promise<readonly TraceSummaryJson[]> => {
      const known = client.getQueryData<readonly TraceSummaryJson[]>(key) ?? [];
      const fromMs = Date.now() - lookbackMs;
      const params = new URLSearchParams({
        'query.startTimeMin': new Date(askFrom(known, fromMs)).toISOString(),
        'query.startTimeMax': new Date(Date.now() + AHEAD_MS).toISOString(),
        'query.searchDepth': String(most),
      });
      if (isError) params.set('query.attributes', '{"error":"true"}');
      const { summaries } = await getJson<{ summaries: readonly TraceSummaryJson[] }>(
        `/api/v3/trace-summaries?${params}`,
        signal,
      );
      return mergeNewest(known, summaries, fromMs, most);
    },
    ...POLLED,
    placeholderData: keepPreviousData,
  });
}

/** Clocks of other machines may be a little ahead. */
const AHEAD_MS = 60_000;

/** The same by the language of `q`, a page at a time; what arrives meanwhile does not shift the pages. */
export function searchPagesQuery(search: SearchParams) {
  return infiniteQueryOptions({
    queryKey: ['search-pages', { ...search, live: false }],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) => {
      const window = search.toMs
        ? { endTs: search.toMs, lookback: search.toMs - search.fromMs }
        : { endTs: Date.now() + AHEAD_MS, lookback: search.lookbackMinutes * 60_000 + AHEAD_MS };
      const params = paramsOf({
        q: queryText(search),
        limit: search.limit,
        ...(pageParam === '' ? window : { cursor: pageParam }),
      });
      return getJson<SearchJson>(`/api/search?${params}`, signal);
    },
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}

/**
 * How many there are in all of the time that a first page was answered for. The rows come before it: who asks says from when on it
 * may be asked.
 */
export function searchCountsQuery(search: SearchParams, first: SearchJson | undefined) {
  const q = queryText(search);
  const startMs = Number(BigInt(first?.startUnixNano ?? 0) / 1_000_000n);
  const answeredMs = Number(BigInt(first?.endUnixNano ?? 0) / 1_000_000n);
  // A live search is answered again every second: what is counted of it stands for a while.
  const endMs = search.live ? Math.ceil(answeredMs / LIVE_COUNTS_MS) * LIVE_COUNTS_MS : answeredMs;
  const lookback = endMs - startMs - (search.live ? (endMs - startMs) % LIVE_COUNTS_MS : 0);
  return queryOptions({
    queryKey: ['search-counts', q, endMs, lookback],
    queryFn: ({ signal }) =>
      getJson<SearchCountsJson>(`/api/search/counts?${paramsOf({ q, endTs: endMs, lookback })}`, signal),
    enabled: first !== undefined,
    // It was asked of a time that is over; and what took too long once takes too long again.
    staleTime: Infinity,
    retry: false,
    placeholderData: keepPreviousData,
  });
}

const LIVE_COUNTS_MS = 10_000;

/** How much tail sampling kept of what it decided in the last `lookbackMs`. */
export function samplingStatsQuery(lookbackMs: number) {
  return queryOptions({
    queryKey: ['sampling', lookbackMs],
    queryFn: ({ signal }) => getJson<SamplingStatsJson>(`/api/sampling?lookback=${lookbackMs}`, signal),
    staleTime: 60_000,
    refetchInterval: 60_000,
    retry: false,
    placeholderData: keepPreviousData,
  });
}

/** What was decided about one trace. */
export function samplingQuery(traceId: string) {
  return queryOptions({
    queryKey: ['sampling-of', traceId],
    queryFn: ({ signal }) =>
      getJson<SamplingJson>(`/api/traces/${encodeURIComponent(traceId)}/sampling`, signal),
    staleTime: 60_000,
    retry: false,
  });
}

/** Of a fixed stretch only what begins in it: the server finds what has any span there, the plot shows traces by their start. */
export function joinPages(pages: readonly SearchJson[], search: SearchParams): SearchAnswer {
  const [first] = pages;
  const fromMs = search.fromMs || Number(BigInt(first?.startUnixNano ?? 0) / 1_000_000n);
  const toMs = search.toMs || Number(BigInt(first?.endUnixNano ?? 0) / 1_000_000n) - AHEAD_MS;
  const byId = new Map(pages.flatMap(({ traces }) => traces.map((trace) => [trace.traceId, trace])));
  const summaries = [...byId.values()].filter(
    (trace) =>
      search.fromMs === 0 || search.bySpan || (startMsOf(trace) >= fromMs && startMsOf(trace) <= toMs),
  );
  return { summaries, fromMs, toMs };
}

/** Keys of attributes that begin so, or the values of one. */
export function attributesQuery(asked: {
  readonly service: string;
  readonly key: string;
  readonly prefix: string;
  readonly lookbackMs: number;
}) {
  const params = paramsOf({
    service: asked.service,
    key: asked.key,
    prefix: asked.prefix,
    lookback: asked.lookbackMs,
  });
  return queryOptions({
    queryKey: ['attributes', params],
    staleTime: 60_000,
    retry: false,
    queryFn: async ({ signal }) =>
      (await getJson<AttributesJson>(`/api/attributes?${params}`, signal)).attributes.map(({ text }) => text),
    placeholderData: keepPreviousData,
  });
}

/** Whole traces for the small pictures of a list; at most a screenful at once. Those that are gone are simply not in it. */
export function previewsQuery(traceIds: readonly string[], spanCount: number) {
  return queryOptions({
    // A trace that grew is another picture.
    queryKey: ['previews', traceIds, spanCount],
    enabled: traceIds.length > 0,
    staleTime: Infinity,
    gcTime: 60_000,
    queryFn: async ({ signal }) => {
      const params = new URLSearchParams(traceIds.map((id) => ['traceID', id]));
      const { data } = await getJson<{ data: readonly JaegerTrace[] | null }>(
        `/api/traces?${params}`,
        signal,
      );
      return new Map((data ?? []).map((trace) => [trace.traceID, trace]));
    },
    placeholderData: keepPreviousData,
  });
}

export function traceQuery(traceId: string) {
  return queryOptions({
    queryKey: ['trace', traceId],
    queryFn: async ({ signal }) => {
      const { result } = await getJson<{ result: OtlpTraces }>(
        `/api/v3/traces/${encodeURIComponent(traceId)}`,
        signal,
      );
      const id = result.resourceSpans[0]?.scopeSpans[0]?.spans[0]?.traceId ?? traceId;
      const trace = readTrace(id, result);
      if (!trace) throw new ApiError(404, 'trace not found');
      return trace;
    },
    // A trace is thousands of objects and new as a whole each time: comparing them costs more than drawing what shows.
    structuralSharing: false,
    // Spans of a trace that is still going on, or on their way here.
    refetchInterval: ({ state }) =>
      state.data ? growingMs(state.data, Date.now()) : state.error ? MISSING_MS : false,
  });
}

const GROWING_MS = 2_000;
const MISSING_MS = 3_000;
const YOUNG_MS = 20_000;
/** A try that runs into its time-out, and the wait before the next one, are silent for this long. */
const SILENT_MS = 120_000;
const SELDOM_MS = 5_000;

/** Its last span ended a moment ago, so that more may come. */
export function isYoung(trace: Trace, nowMs: number): boolean {
  return ageMs(trace, nowMs) < YOUNG_MS;
}

/** How soon to ask again for what may still grow, ms; false once it is still. */
export function growingMs(trace: Trace, nowMs: number): number | false {
  const age = ageMs(trace, nowMs);
  return age < YOUNG_MS ? GROWING_MS : age < SILENT_MS ? SELDOM_MS : false;
}

function ageMs(trace: Trace, nowMs: number): number {
  return Math.abs(nowMs - Number(trace.startUnixNano / 1_000_000n) - trace.durationNanos / 1e6);
}

/** `spanCount` is part of the key: what is said of a trace may change as it grows. */
export function whyQuery(traceId: string, spanCount: number) {
  return ofTrace<WhyJson>('why', traceId, spanCount, 'why');
}

export function accountQuery(traceId: string, spanCount: number, reading: ReadingJson) {
  return ofTrace<AccountJson>('account', traceId, spanCount, `account?reading=${reading}`);
}

export function criticalPathQuery(traceId: string, spanCount: number, reading: ReadingJson) {
  return ofTrace<CriticalPathJson>('critical-path', traceId, spanCount, `critical-path?reading=${reading}`);
}

function ofTrace<T>(kind: string, traceId: string, spanCount: number, path: string) {
  return queryOptions({
    queryKey: [kind, traceId, path, spanCount],
    queryFn: ({ signal }) => getJson<T>(`/api/traces/${encodeURIComponent(traceId)}/${path}`, signal),
    placeholderData: keepPreviousData,
  });
}

export function flowQuery(traceId: string, spanCount = 0) {
  return queryOptions({
    queryKey: ['flow', traceId, spanCount],
    queryFn: ({ signal }) => getJson<FlowJson>(`/api/flows/${encodeURIComponent(traceId)}`, signal),
    placeholderData: keepPreviousData,
  });
}

export function traceLogsQuery(traceId: string, spanCount = 0) {
  return queryOptions({
    queryKey: ['logs', traceId, spanCount],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) =>
      (await getJson<{ logs: readonly LogJson[] }>(`/api/traces/${encodeURIComponent(traceId)}/logs`, signal))
        .logs,
  });
}

export function incomingLinksQuery(traceId: string, spanCount = 0) {
  return queryOptions({
    queryKey: ['links', traceId, spanCount],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) =>
      (
        await getJson<{ links: readonly IncomingLinkJson[] }>(
          `/api/traces/${encodeURIComponent(traceId)}/links`,
          signal,
        )
      ).links,
  });
}

export function functionsQuery(lookbackMs: number) {
  return queryOptions({
    queryKey: ['functions', lookbackMs],
    queryFn: ({ signal }) => getJson<FunctionsJson>(`/api/functions?lookback=${lookbackMs}`, signal),
    ...POLLED,
    placeholderData: keepPreviousData,
  });
}

export function functionQuery(name: string, lookbackMs: number) {
  return queryOptions({
    queryKey: ['function', name, lookbackMs],
    queryFn: ({ signal }) =>
      getJson<FunctionJson>(`/api/functions/${encodeURIComponent(name)}?lookback=${lookbackMs}`, signal),
    ...POLLED,
  });
}

/** How many calls of a function took how long, over time. */
export function heatmapQuery(name: string, lookbackMs: number) {
  return queryOptions({
    queryKey: ['heatmap', name, lookbackMs],
    queryFn: ({ signal }) =>
      getJson<HeatmapJson>(
        `/api/functions/${encodeURIComponent(name)}/heatmap?lookback=${lookbackMs}`,
        signal,
      ),
    ...POLLED,
    placeholderData: keepPreviousData,
  });
}

/** Of the spans that serve, a function's invocations among them, or of those that send a record. */
export function redQuery(lookbackMs: number, kind: 'server' | 'producer' = 'server') {
  return queryOptions({
    queryKey: ['red', kind, lookbackMs],
    queryFn: ({ signal }) => getJson<RedJson>(`/api/metrics/red?kind=${kind}&lookback=${lookbackMs}`, signal),
    ...POLLED,
    placeholderData: keepPreviousData,
  });
}

/** Parameters with a value, as a query string. */
function paramsOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values))
    if (value !== undefined && value !== '') params.set(key, String(value));
  return params.toString();
}

export function logsQuery(search: LogsSearch & { readonly lookbackMs: number; readonly limit: number }) {
  const { service, text, severity, lookbackMs, limit } = search;
  const params = paramsOf({ service, text, severity, lookback: lookbackMs, limit });
  return queryOptions({
    queryKey: ['all-logs', params],
    queryFn: ({ signal }) => getJson<LogsJson>(`/api/logs?${params}`, signal),
    ...POLLED,
    placeholderData: keepPreviousData,
  });
}

export function messagesQuery(
  search: TopicsSearch & { readonly lookbackMs: number; readonly limit: number },
) {
  const { topic, partition, offset, key, state, lookbackMs, limit } = search;
  const params = paramsOf({ topic, partition, offset, key, state, lookback: lookbackMs, limit });
  return queryOptions({
    queryKey: ['messages', params],
    queryFn: ({ signal }) => getJson<MessagesJson>(`/api/messages?${params}`, signal),
    ...POLLED,
    placeholderData: keepPreviousData,
  });
}

/** What is declared and what runs now; `null` where the backend runs without a platform. */
export function platformQuery() {
  return queryOptions({
    queryKey: ['platform'],
    queryFn: async ({ signal }): Promise<PlatformJson | null> => {
      try {
        return await getJson<PlatformJson>('/api/platform', signal);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
    ...POLLED,
  });
}

/** How long records waited, by topic and group. */
export function topicsQuery(lookbackMs: number) {
  return queryOptions({
    queryKey: ['topics', lookbackMs],
    queryFn: ({ signal }) => getJson<TopicsJson>(`/api/topics?lookback=${lookbackMs}`, signal),
    ...POLLED,
    placeholderData: keepPreviousData,
  });
}

/** What one record holds; it never changes. */
export function recordQuery(topic: string, partition: string, offset: string) {
  const params = paramsOf({ partition, offset });
  return queryOptions({
    queryKey: ['record', topic, params],
    staleTime: Infinity,
    retry: false,
    queryFn: async ({ signal }) => {
      const path = `/api/platform/topics/${encodeURIComponent(topic)}/records?${params}`;
      const { records } = await getJson<RecordsJson>(path, signal);
      return records.find((record) => record.offset === offset) ?? null;
    },
  });
}

/** Of the last `lookbackMs`, or of a slice of time, which does not change any more. */
export function mapQuery(lookbackMs: number, slice?: { readonly fromMs: number; readonly toMs: number }) {
  const params = slice
    ? paramsOf({ endTs: slice.toMs, lookback: slice.toMs - slice.fromMs })
    : paramsOf({ lookback: lookbackMs });
  return queryOptions({
    queryKey: ['map', params],
    queryFn: ({ signal }) => getJson<MapJson>(`/api/map?${params}`, signal),
    ...(slice ? {} : POLLED),
    placeholderData: keepPreviousData,
  });
}

export function qualityQuery(lookbackMs: number) {
  return queryOptions({
    queryKey: ['quality', lookbackMs],
    queryFn: ({ signal }) => getJson<QualityJson>(`/api/quality?lookback=${lookbackMs}`, signal),
    placeholderData: keepPreviousData,
  });
}
