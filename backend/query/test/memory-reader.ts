import type { AttributeValue, LogData, SpanData } from '../../../function/span/span-data.ts';
import { buildTree } from '../../diagnosis/tree.ts';
import type { LinkEdge, TraceQuery, TraceReader, TraceSummary } from '../../store/store.ts';
import { toPlainJson } from '../plain-json.ts';

/** The store's contract over a list of spans: small, exact, and forgetful. */
export function memoryReader(spans: readonly SpanData[], logs: readonly LogData[] = []): TraceReader {
  const traces = Map.groupBy(spans, (span) => span.traceId);
  const find = (query: TraceQuery) =>
    [...traces.values()]
      .map((trace) => ({ trace, hits: trace.filter((span) => matches(span, query)) }))
      .filter(({ hits }) => hits.length > 0)
      .map(({ trace, hits }) => ({ trace, start: maxOf(hits.map((span) => span.startTimeUnixNano)) }))
      .sort((a, b) => (a.start < b.start ? 1 : -1))
      .slice(0, query.limit);

  return {
    services: async () => [...new Set(spans.map(serviceOf))].sort(),
    operations: async ({ service, kind }) => {
      const found = spans
        .filter((span) => serviceOf(span) === service && (kind === undefined || span.kind === kind))
        .map((span) => JSON.stringify([span.name, span.kind]));
      return [...new Set(found)].sort().map((pair) => {
        const [name, kind] = JSON.parse(pair) as [string, number];
        return { name, kind };
      });
    },
    trace: async (traceId) => traces.get(traceId) ?? [],
    findTraces: async (query) => find(query).map(({ trace }) => trace),
    findTraceIds: async (query) =>
      find(query).map(({ trace, start }) => ({ traceId: trace[0]?.traceId ?? '', startUnixNano: start })),
    summaries: async (query) => find(query).map(({ trace }) => summarize(trace)),
    linksTo: async ({ traceId, spanId }) =>
      spans.flatMap((span): LinkEdge[] =>
        span.links
          .filter((link) => link.traceId === traceId && (spanId === undefined || link.spanId === spanId))
          .map((link) => ({
            fromTraceId: span.traceId,
            fromSpanId: span.spanId,
            toTraceId: link.traceId,
            toSpanId: link.spanId,
            attributes: link.attributes,
          })),
      ),
    dependencies: async () =>
      spans.flatMap((span) => {
        const parent = traces.get(span.traceId)?.find((other) => other.spanId === span.parentSpanId);
        return parent && serviceOf(parent) !== serviceOf(span)
          ? [{ parent: serviceOf(parent), child: serviceOf(span), callCount: 1 }]
          : [];
      }),
    logs: async (traceId) => logs.filter((log) => log.traceId === traceId),
  };
}

function matches(span: SpanData, query: TraceQuery): boolean {
  const duration = span.endTimeUnixNano - span.startTimeUnixNano;
  return (
    (query.service === undefined || serviceOf(span) === query.service) &&
    (query.operation === undefined || span.name === query.operation) &&
    span.startTimeUnixNano >= query.range.startUnixNano &&
    span.startTimeUnixNano <= query.range.endUnixNano &&
    (query.minDurationNano === undefined || duration >= query.minDurationNano) &&
    (query.maxDurationNano === undefined || duration <= query.maxDurationNano) &&
    (!query.errorOnly || span.status.code === 2) &&
    Object.entries(query.attributes).every(([key, wanted]) => {
      // As Jaeger's memory store has it: not an error is Ok or Unset.
      if (key === 'error' && wanted === 'false') return span.status.code !== 2;
      const value = span.attributes[key] ?? span.resource[key];
      return value !== undefined && (wanted === null || textOf(value) === wanted);
    })
  );
}

function summarize(trace: readonly SpanData[]): TraceSummary {
  const { roots, orphans } = buildTree(trace);
  const root = roots[0]?.span;
  const isError = (span: SpanData) => span.status.code === 2;
  return {
    traceId: trace[0]?.traceId ?? '',
    rootService: root ? serviceOf(root) : '',
    rootOperation: root?.name ?? '',
    startUnixNano: trace.reduce(
      (min, span) => (span.startTimeUnixNano < min ? span.startTimeUnixNano : min),
      trace[0]?.startTimeUnixNano ?? 0n,
    ),
    endUnixNano: maxOf(trace.map((span) => span.endTimeUnixNano)),
    spanCount: trace.length,
    errorSpanCount: trace.filter(isError).length,
    orphanSpanCount: orphans.length,
    services: [...Map.groupBy(trace, serviceOf)].map(([name, spans]) => ({
      name,
      spanCount: spans.length,
      errorSpanCount: spans.filter(isError).length,
    })),
  };
}

function serviceOf(span: SpanData): string {
  return textOf(span.resource['service.name'] ?? '');
}

function textOf(value: AttributeValue): string {
  return typeof value === 'string' ? value : String(toPlainJson(value));
}

function maxOf(values: readonly bigint[]): bigint {
  return values.reduce((max, value) => (value > max ? value : max), 0n);
}
