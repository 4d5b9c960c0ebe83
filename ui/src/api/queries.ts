import { queryOptions } from '@tanstack/react-query';
import type {
  IncomingLinkJson,
  JaegerTrace,
  LogJson,
  OtlpTraces,
  TraceSummaryJson,
} from '../../../backend/query/shapes.ts';
import { readTrace } from '../model/trace.ts';
import type { SearchParams } from '../search/params.ts';
import { ApiError, getJson } from './client.ts';

export function servicesQuery() {
  return queryOptions({
    queryKey: ['services'],
    queryFn: async ({ signal }) =>
      (await getJson<{ services: readonly string[] }>('/api/v3/services', signal)).services,
    refetchInterval: 15_000,
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

export function searchQuery(search: SearchParams, tags: Readonly<Record<string, string | null>>) {
  return queryOptions({
    queryKey: ['search', { ...search, live: false }],
    queryFn: async ({ signal }): Promise<SearchAnswer> => {
      const toMs = search.toMs || Date.now();
      const fromMs = search.fromMs || toMs - search.lookbackMinutes * 60_000;
      const attributes = { ...tags, ...(search.errors ? { error: 'true' } : {}) };
      const params = new URLSearchParams({
        'query.startTimeMin': new Date(fromMs).toISOString(),
        // Clocks of other machines may be a little ahead.
        'query.startTimeMax': new Date(search.toMs || toMs + 60_000).toISOString(),
        'query.searchDepth': String(search.limit),
      });
      const set = (name: string, value: string) => {
        if (value !== '') params.set(name, value);
      };
      set('query.serviceName', search.service);
      set('query.operationName', search.operation);
      set('query.durationMin', search.min);
      set('query.durationMax', search.max);
      if (Object.keys(attributes).length > 0) params.set('query.attributes', JSON.stringify(attributes));
      const { summaries } = await getJson<{ summaries: readonly TraceSummaryJson[] }>(
        `/api/v3/trace-summaries?${params}`,
        signal,
      );
      return { summaries, fromMs, toMs };
    },
    placeholderData: (previous) => previous,
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
    placeholderData: (previous) => previous,
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
  });
}

export function traceLogsQuery(traceId: string) {
  return queryOptions({
    queryKey: ['logs', traceId],
    queryFn: async ({ signal }) =>
      (await getJson<{ logs: readonly LogJson[] }>(`/api/traces/${encodeURIComponent(traceId)}/logs`, signal))
        .logs,
  });
}

export function incomingLinksQuery(traceId: string) {
  return queryOptions({
    queryKey: ['links', traceId],
    queryFn: async ({ signal }) =>
      (
        await getJson<{ links: readonly IncomingLinkJson[] }>(
          `/api/traces/${encodeURIComponent(traceId)}/links`,
          signal,
        )
      ).links,
  });
}
