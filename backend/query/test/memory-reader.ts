import type { AttributeValue, LogData, SpanData } from '../../../function/span/span-data.ts';
import { countValues } from '../../diagnosis/test/count-values.ts';
import { buildTree } from '../../diagnosis/tree.ts';
import type {
  AttributeCount,
  DependencyEdge,
  FunctionStats,
  LinkEdge,
  MessageSpan,
  RedSeries,
  SpanCondition,
  StoreReader,
  TraceQuery,
  TraceSummary,
} from '../../store/store.ts';
import {
  groupOf,
  isFunctionSpan,
  functionOf,
  offsetOf,
  partitionOf,
  topicOf,
} from '../../diagnosis/span-facts.ts';
import { holds } from '../../store/span-condition.ts';
import { toPlainJson } from '../plain-json.ts';

/** The store's contract over a list of spans: small, exact, and forgetful. */
export function memoryReader(spans: readonly SpanData[], logs: readonly LogData[] = []): StoreReader {
  const traces = Map.groupBy(spans, (span) => span.traceId);
  const links = spans.flatMap((span) =>
    span.links.map((link): LinkEdge => ({
      fromTraceId: span.traceId,
      fromSpanId: span.spanId,
      toTraceId: link.traceId,
      toSpanId: link.spanId,
      attributes: link.attributes,
    })),
  );
  const find = (query: TraceQuery) =>
    [...traces.values()]
      .map((trace) => ({ trace, hits: trace.filter((span) => matches(span, query)) }))
      .filter(({ hits }) => hits.length > 0)
      .map(({ trace, hits }) => ({ trace, start: maxOf(hits.map((span) => span.startTimeUnixNano)) }))
      .map((found) => ({ ...found, traceId: found.trace[0]?.traceId ?? '' }))
      .sort((a, b) => (a.start === b.start ? (a.traceId < b.traceId ? -1 : 1) : a.start < b.start ? 1 : -1))
      .filter(
        ({ start, traceId }) =>
          !query.after ||
          start < query.after.startUnixNano ||
          (start === query.after.startUnixNano && traceId > query.after.traceId),
      )
      .slice(0, query.limit);

  return {
    // Also of a copy in which a test has replaced something.
    until() {
      return this;
    },
    valueCounts: async (query) => {
      const some = spans.filter(
        (span) =>
          serviceOf(span) === query.service &&
          span.name === query.operation &&
          span.kind === query.kind &&
          span.startTimeUnixNano >= query.range.startUnixNano &&
          span.startTimeUnixNano <= query.range.endUnixNano,
      );
      return countValues(some, textOf);
    },
    archive: async (traceId) => traces.has(traceId),
    arrivalLag: async () => undefined,
    sampling: async () => undefined,
    samplingStats: async () => ({ decided: 0, kept: 0 }),
    matchCounts: async ({ range, bins, where }) => {
      const stepNano = (range.endUnixNano - range.startUnixNano) / BigInt(bins) + 1n;
      const found = spans.filter((span) =>
        matches(span, { range, attributes: {}, limit: 1, ...(where ? { where } : {}) }),
      );
      const count = (some: readonly SpanData[]) => new Set(some.map(({ traceId }) => traceId)).size;
      const counts = (some: readonly SpanData[]) => ({
        traces: count(some),
        errorTraces: count(some.filter(({ status }) => status.code === 2)),
      });
      const byBin = Map.groupBy(found, (span) => (span.startTimeUnixNano - range.startUnixNano) / stepNano);
      return {
        stepNano,
        ...counts(found),
        bins: [...byBin]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([bin, some]) => ({ startUnixNano: range.startUnixNano + bin * stepNano, ...counts(some) })),
      };
    },
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
    traces: async (traceIds) => traceIds.flatMap((id) => (traces.has(id) ? [traces.get(id) ?? []] : [])),
    findTraces: async (query) => find(query).map(({ trace }) => trace),
    findTraceIds: async (query) =>
      find(query).map(({ trace, start }) => ({ traceId: trace[0]?.traceId ?? '', startUnixNano: start })),
    summaries: async (query) => find(query).map(({ trace }) => summarize(trace)),
    summariesOf: async (traceIds) =>
      traceIds.flatMap((id) => {
        const trace = traces.get(id);
        return trace ? [summarize(trace)] : [];
      }),
    linksTo: async ({ traceId, spanId }) =>
      links.filter(
        (link) => link.toTraceId === traceId && (spanId === undefined || link.toSpanId === spanId),
      ),
    dependencies: async (_range, { topics = false } = {}) => {
      const byId = new Map(spans.map((span) => [`${span.traceId}:${span.spanId}`, span]));
      const calls = spans.flatMap((span) => {
        const causes = new Set([
          byId.get(`${span.traceId}:${span.parentSpanId}`),
          ...span.links.map((link) => byId.get(`${link.traceId}:${link.spanId}`)),
        ]);
        return [...causes].flatMap((cause): DependencyEdge[] =>
          cause && serviceOf(cause) !== serviceOf(span) && !(topics && cause.kind === 4)
            ? [{ parent: serviceOf(cause), child: serviceOf(span), callCount: 1 }]
            : [],
        );
      });
      if (!topics) return calls;
      const records = spans.filter((span) => (span.kind === 4 || span.kind === 5) && topicOf(span) !== '');
      return [
        ...calls,
        ...records.map((span): DependencyEdge =>
          span.kind === 4
            ? { parent: serviceOf(span), child: topicOf(span), callCount: 1, topic: 'child' }
            : { parent: topicOf(span), child: serviceOf(span), callCount: 1, topic: 'parent' },
        ),
      ];
    },
    logs: async (traceId) => logs.filter((log) => log.traceId === traceId),
    linksFrom: async (traceIds) => links.filter((link) => traceIds.includes(link.fromTraceId)),
    linksToTraces: async (traceIds) => links.filter((link) => traceIds.includes(link.toTraceId)),
    flowTraceIds: async (traceId) => {
      const found = [traceId];
      for (const id of found)
        for (const { fromTraceId, toTraceId } of links)
          for (const [one, other] of [
            [fromTraceId, toTraceId],
            [toTraceId, fromTraceId],
          ] as const)
            if (one === id && !found.includes(other)) found.push(other);
      return { traceIds: found, truncated: false };
    },
    recentLogs: async (query) =>
      logs
        .filter(
          (log) =>
            log.timeUnixNano >= query.range.startUnixNano &&
            log.timeUnixNano <= query.range.endUnixNano &&
            (query.service === undefined || log.resource['service.name'] === query.service) &&
            (query.traceId === undefined || log.traceId === query.traceId) &&
            (query.spanId === undefined || log.spanId === query.spanId) &&
            log.severityNumber >= (query.severityAtLeast ?? 0) &&
            textOf(log.body ?? '')
              .toLowerCase()
              .includes((query.text ?? '').toLowerCase()),
        )
        .sort((a, b) => (a.timeUnixNano < b.timeUnixNano ? 1 : -1))
        .slice(0, query.limit),
    messages: async (query) =>
      spans
        .filter((span) => span.kind >= 4 && topicOf(span) === query.topic)
        .map(toMessage)
        .filter(
          (message) =>
            (query.partition === undefined || message.partition === query.partition) &&
            (query.offset === undefined || message.offset === query.offset) &&
            (query.key === undefined || message.key === query.key),
        )
        .sort((a, b) => (a.startUnixNano < b.startUnixNano ? -1 : 1))
        .slice(0, query.limit),
    red: async (query) =>
      [
        ...Map.groupBy(
          spans.filter(
            (span) =>
              span.startTimeUnixNano >= query.range.startUnixNano &&
              span.startTimeUnixNano <= query.range.endUnixNano &&
              (query.service === undefined || serviceOf(span) === query.service) &&
              (query.operation === undefined || span.name === query.operation) &&
              (query.kind === undefined || span.kind === query.kind),
          ),
          (span) => JSON.stringify([serviceOf(span), span.name, span.kind]),
        ),
      ].map(([key, group]): RedSeries => {
        const [service, operation, kind] = JSON.parse(key) as [string, string, number];
        const step = BigInt(query.stepSeconds) * 1_000_000_000n;
        const steps = Map.groupBy(group, (span) => (span.startTimeUnixNano / step) * step);
        return {
          service,
          operation,
          kind,
          points: [...steps]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([startUnixNano, some]) => ({
              startUnixNano,
              count: some.length,
              errorCount: some.filter((span) => span.status.code === 2).length,
              p50Nano: quantile(some, 0.5),
              p95Nano: quantile(some, 0.95),
              p99Nano: quantile(some, 0.99),
            })),
        };
      }),
    functionStats: async (range) =>
      [
        ...Map.groupBy(
          spans.filter(
            (span) =>
              isFunctionSpan(span) &&
              span.startTimeUnixNano >= range.startUnixNano &&
              span.startTimeUnixNano <= range.endUnixNano,
          ),
          functionOf,
        ),
      ]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, some]): FunctionStats => ({
          name,
          invocations: some.length,
          errors: some.filter((span) => span.status.code === 2).length,
          coldStarts: some.filter((span) => span.attributes['faas.coldstart'] === true).length,
          timeouts: 0,
          retries: 0,
          p50Nano: quantile(some, 0.5),
          p99Nano: quantile(some, 0.99),
          lastSeenUnixNano: maxOf(some.map((span) => span.startTimeUnixNano)),
        })),
    durationHeatmap: async ({ name, range, stepSeconds }) => {
      const some = spans.filter(
        (span) =>
          isFunctionSpan(span) &&
          functionOf(span) === name &&
          span.startTimeUnixNano >= range.startUnixNano &&
          span.startTimeUnixNano <= range.endUnixNano,
      );
      if (some.length === 0) return { boundsNano: [], columns: [] };
      // One row holds them all.
      const lengths = some.map((span) => span.endTimeUnixNano - span.startTimeUnixNano);
      const least = lengths.reduce((a, b) => (b < a ? b : a));
      const step = BigInt(stepSeconds) * 1_000_000_000n;
      return {
        boundsNano: [least, maxOf(lengths) + 1n],
        columns: [...Map.groupBy(some, (span) => (span.startTimeUnixNano / step) * step)]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([startUnixNano, group]) => ({
            startUnixNano,
            invocations: group.length,
            errors: group.filter((span) => span.status.code === 2).length,
            counts: [group.length],
          })),
      };
    },
    attributeKeys: async ({ prefix = '', limit }) =>
      countOf(spans.flatMap((span) => Object.keys(span.attributes)))
        .filter(({ text }) => text.startsWith(prefix))
        .slice(0, limit),
    attributeValues: async ({ key, prefix = '', limit }) =>
      countOf(spans.flatMap((span) => (key in span.attributes ? [textOf(span.attributes[key] ?? null)] : [])))
        .filter(({ text }) => text.startsWith(prefix))
        .slice(0, limit),
    durations: async (query) =>
      spans
        .filter((span) => matches(span, query))
        .sort((a, b) => (a.startTimeUnixNano < b.startTimeUnixNano ? 1 : -1))
        .slice(0, query.limit)
        .map((span) => ({
          traceId: span.traceId,
          spanId: span.spanId,
          service: serviceOf(span),
          operation: span.name,
          startUnixNano: span.startTimeUnixNano,
          durationNano: span.endTimeUnixNano - span.startTimeUnixNano,
          error: span.status.code === 2,
        })),
  };
}

/** As the store compiles it to SQL (backend/store/span-condition.ts). */
export function satisfies(span: SpanData, condition: SpanCondition): boolean {
  switch (condition.kind) {
    case 'and':
      return condition.all.every((each) => satisfies(span, each));
    case 'or':
      return condition.all.some((each) => satisfies(span, each));
    case 'not':
      return !satisfies(span, condition.condition);
    case 'test':
      return textsOf(span, condition.field).some((text) => holds(text, condition));
  }
}

function textsOf(span: SpanData, field: string): string[] {
  switch (field) {
    case 'service':
      return [serviceOf(span)];
    case 'name':
      return [span.name];
    case 'kind':
      return [KINDS[span.kind] ?? ''];
    case 'duration':
      return [String(span.endTimeUnixNano - span.startTimeUnixNano)];
    case 'error':
      return span.status.code === 2 ? ['true'] : [];
    default:
      return [span.attributes[field], span.resource[field]].flatMap((value) =>
        value === undefined ? [] : [textOf(value)],
      );
  }
}

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];

function countOf(texts: readonly string[]): AttributeCount[] {
  return [...Map.groupBy(texts, (text) => text)]
    .map(([text, some]) => ({ text, count: some.length }))
    .sort((a, b) => b.count - a.count || (a.text < b.text ? -1 : 1));
}

function toMessage(span: SpanData): MessageSpan {
  const key = span.attributes['messaging.kafka.message.key'];
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    service: serviceOf(span),
    name: span.name,
    kind: span.kind,
    topic: topicOf(span),
    partition: partitionOf(span) === '' ? undefined : Number(partitionOf(span)),
    offset: offsetOf(span) === '' ? undefined : BigInt(offsetOf(span)),
    key: key === undefined ? undefined : textOf(key),
    consumerGroup: groupOf(span),
    startUnixNano: span.startTimeUnixNano,
    durationNano: span.endTimeUnixNano - span.startTimeUnixNano,
    error: span.status.code === 2,
  };
}

function quantile(spans: readonly SpanData[], share: number): number {
  const sorted = spans
    .map((span) => Number(span.endTimeUnixNano - span.startTimeUnixNano))
    .sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
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
    (!query.where || satisfies(span, query.where)) &&
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
    services: [...Map.groupBy(trace, serviceOf)]
      .map(([name, spans]) => ({
        name,
        spanCount: spans.length,
        errorSpanCount: spans.filter(isError).length,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
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
