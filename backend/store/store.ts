import type { Attributes, LogData, SpanData } from '../../function/span/span-data.ts';
import type { SpanColumns } from './span-columns.ts';

/**
 * What the backend keeps and how it is asked: one contract, two makers (chDB in a child process, a ClickHouse server or
 * cluster by URL). The collector writes through `TraceWriter`, the query APIs read through `TraceReader`.
 */
export interface TraceStore extends AsyncDisposable {
  readonly writer: TraceWriter;
  readonly reader: StoreReader & TopicReader;
}

export interface TraceWriter {
  /** Resolves once every span is durable. A span whose (traceId, spanId) is already kept is kept or shown once. */
  writeSpans(spans: readonly SpanData[]): Promise<void>;
  /** The same for spans that were decoded straight into columns: the collector's road. The columns are done with after it. */
  writeSpanColumns(columns: SpanColumns): Promise<void>;
  writeLogs(logs: readonly LogData[]): Promise<void>;
}

export interface TraceReader {
  services(): Promise<readonly string[]>;
  operations(query: { readonly service: string; readonly kind?: number }): Promise<readonly Operation[]>;
  /** Every span of the trace, in no order; [] when it is neither kept nor archived. The time range, when known, makes it faster. */
  trace(traceId: string, hint?: TimeRange): Promise<readonly SpanData[]>;
  /** As `trace` for many at once: spans of each that is there, in the order asked. Not from the archive. At most 1,500. */
  traces(traceIds: readonly string[]): Promise<readonly (readonly SpanData[])[]>;
  /** Whole traces, the most recent first, in which one and the same span satisfies every predicate. */
  findTraces(query: TraceQuery): Promise<readonly (readonly SpanData[])[]>;
  /** As findTraces, ids only, with the matching span's start. */
  findTraceIds(query: TraceQuery): Promise<readonly TraceIdMatch[]>;
  summaries(query: TraceQuery): Promise<readonly TraceSummary[]>;
  /** The same for traces that are known, in the order asked; one that is not there is left out. At most 1,500. */
  summariesOf(traceIds: readonly string[]): Promise<readonly TraceSummary[]>;
  /** Links that point *to* a span of this trace (or to one span of it): who continued it elsewhere. */
  linksTo(target: { readonly traceId: string; readonly spanId?: string }): Promise<readonly LinkEdge[]>;
  /** Who calls whom. `topics`: records go from service to topic and from topic to service, not past it. */
  dependencies(range: TimeRange, options?: { readonly topics?: boolean }): Promise<readonly DependencyEdge[]>;
  logs(traceId: string): Promise<readonly LogData[]>;
}

/** All of what the store answers: traces, and what is asked across them. */
export interface StoreReader extends TraceReader {
  /** Log records of the range, the most recent first. */
  recentLogs(query: LogQuery): Promise<readonly LogData[]>;
  /** Spans that produced or consumed records of a topic, whichever generation of attribute names they use, oldest first. */
  messages(query: MessageQuery): Promise<readonly MessageSpan[]>;
  /** Links that spans of these traces have: whom they continue. */
  linksFrom(traceIds: readonly string[]): Promise<readonly LinkEdge[]>;
  /** Links that point to spans of these traces, as `linksTo` for many at once. */
  linksToTraces(traceIds: readonly string[]): Promise<readonly LinkEdge[]>;
  /**
   * The traces that links join with this one, either way and however far, itself first and then by distance. A trace that
   * a link names but the store does not keep is among them.
   */
  flowTraceIds(traceId: string, limits?: FlowLimits): Promise<FlowTraceIds>;
  /** Rate, errors and duration, from roll-ups by the minute; one series per (service, operation, kind) that has spans. */
  red(query: RedQuery): Promise<readonly RedSeries[]>;
  /** Every function invoked in the range (whole minutes of it), by name. */
  functionStats(range: TimeRange): Promise<readonly FunctionStats[]>;
  /** How long a function's invocations took over time, from the same roll-up; nothing when it did not run. */
  durationHeatmap(query: DurationHeatmapQuery): Promise<DurationHeatmap>;
  /** Keys of span attributes in the range, the most frequent first: for completion, so from a sample when there are many. */
  attributeKeys(query: AttributeKeysQuery): Promise<readonly AttributeCount[]>;
  /** Values of one key as text, likewise. */
  attributeValues(query: AttributeValuesQuery): Promise<readonly AttributeCount[]>;
  /**
   * How long after their end the trace's spans were stored, the least of them, ns; undefined when there is no such trace or it was
   * stored by a version that did not keep it.
   */
  arrivalLag(traceId: string): Promise<bigint | undefined>;
  /** What tail sampling decided about the trace, kept or not; undefined when it did not, or not yet: then all of it is kept. */
  sampling(traceId: string): Promise<TraceSampling | undefined>;
  /** Keeps the trace, as it is now, whatever retention drops; false when it is not there. Asked again, it adds what came since. */
  archive(traceId: string): Promise<boolean>;
  /**
   * The same store for one asker: when the signal is aborted, its queries are given up, those under way are killed, and those that
   * wait are dropped.
   */
  until(signal: AbortSignal): StoreReader;
  /** How often each attribute value stands on those spans of one operation that failed or were slow, and on the others. */
  valueCounts(query: ValueCountsQuery): Promise<ValueCounts>;
  /** Start and duration of each span the query matches, the most recent first: the points of a scatter plot. */
  durations(query: TraceQuery): Promise<readonly DurationPoint[]>;
  /** How many traces have a span that satisfies the condition, over time: for a picture of all that a search would find. */
  matchCounts(query: MatchCountsQuery): Promise<MatchCounts>;
  /** How much tail sampling kept of what it decided in the range. */
  samplingStats(range: TimeRange): Promise<SamplingStats>;
}

/** What the map of services asks beside `dependencies`. */
export interface TopicReader {
  /**
   * Who produces to and consumes from which topic: the edges of the map that have a topic at one end. Counted by span, so that
   * a consumer joined by parent and one joined by link count alike.
   */
  topicEdges(range: TimeRange): Promise<readonly TopicEdge[]>;
}

export interface TraceSampling {
  readonly kept: boolean;
  /** Why, as backend/collector/sampling/policies.ts has it. */
  readonly policy: string;
  /** With which a trace like this one is kept, 0..1: it stands for 1 / probability of them ("adjusted count"). */
  readonly probability: number;
}

export interface LogQuery {
  readonly range: TimeRange;
  readonly service?: string;
  /** 32 hex digits */
  readonly traceId?: string;
  /** 16 hex digits */
  readonly spanId?: string;
  /** OTLP severity number, 1..24: this and above. */
  readonly severityAtLeast?: number;
  /** Stands somewhere in the body, in any case of letters. */
  readonly text?: string;
  /** 1..10,000 */
  readonly limit: number;
}

export interface MessageQuery {
  readonly topic: string;
  readonly partition?: number;
  readonly offset?: bigint;
  readonly key?: string;
  readonly range?: TimeRange;
  /** 1..10,000 */
  readonly limit: number;
}

export interface MessageSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly service: string;
  readonly name: string;
  /** SPAN_KIND.producer or .consumer */
  readonly kind: number;
  readonly topic: string;
  /** undefined: the span does not say, as that of a batch or of a send that failed. */
  readonly partition: number | undefined;
  readonly offset: bigint | undefined;
  readonly key: string | undefined;
  /** '' for a producer. */
  readonly consumerGroup: string;
  readonly startUnixNano: bigint;
  readonly durationNano: bigint;
  readonly error: boolean;
}

export interface TopicEdge {
  readonly topic: string;
  readonly service: string;
  readonly role: 'producer' | 'consumer';
  /** '' for a producer. */
  readonly consumerGroup: string;
  readonly count: number;
  readonly errorCount: number;
}

export interface FlowLimits {
  /** Default 1,000. */
  readonly maxTraces?: number;
  /** Links between the first trace and the farthest. Default 50. */
  readonly maxDepth?: number;
}

export interface FlowTraceIds {
  readonly traceIds: readonly string[];
  /** True when a limit left traces out. */
  readonly truncated: boolean;
}

export interface RedQuery {
  readonly range: TimeRange;
  readonly service?: string;
  readonly operation?: string;
  readonly kind?: number;
  /** Whole minutes, at least 60. */
  readonly stepSeconds: number;
}

export interface RedSeries {
  readonly service: string;
  readonly operation: string;
  readonly kind: number;
  /** By time; a step without spans is left out. */
  readonly points: readonly RedPoint[];
}

export interface RedPoint {
  /** Where the step begins: a multiple of it. */
  readonly startUnixNano: bigint;
  readonly count: number;
  readonly errorCount: number;
  /** Nanoseconds, within 2.2 % of the true quantile. */
  readonly p50Nano: number;
  readonly p95Nano: number;
  readonly p99Nano: number;
}

export interface FunctionStats {
  /** `faas.name` */
  readonly name: string;
  /** Invocations that reached the function, by its own span. */
  readonly invocations: number;
  readonly errors: number;
  readonly coldStarts: number;
  /** Calls of it that its callers gave up on after its time was over. */
  readonly timeouts: number;
  /** Calls made again after a failed one. */
  readonly retries: number;
  /** Nanoseconds, within 2.2 % of the true quantile; 0 without invocations. */
  readonly p50Nano: number;
  readonly p99Nano: number;
  readonly lastSeenUnixNano: bigint;
}

export interface DurationHeatmapQuery {
  /** `faas.name` */
  readonly name: string;
  readonly range: TimeRange;
  /** Whole minutes, at least 60. */
  readonly stepSeconds: number;
  readonly maxRows: number;
}

export interface DurationHeatmap {
  /** Edges of the rows, the shortest first, one more than rows: row r holds durations in [boundsNano[r], boundsNano[r + 1]). */
  readonly boundsNano: readonly bigint[];
  /** By time; a step without invocations is left out. */
  readonly columns: readonly HeatmapColumn[];
}

export interface HeatmapColumn {
  readonly startUnixNano: bigint;
  readonly invocations: number;
  readonly errors: number;
  /** Of each row. */
  readonly counts: readonly number[];
}

export interface AttributeKeysQuery {
  readonly range: TimeRange;
  readonly service?: string;
  readonly prefix?: string;
  /** 1..1,000 */
  readonly limit: number;
}

export interface AttributeValuesQuery extends AttributeKeysQuery {
  readonly key: string;
}

export interface AttributeCount {
  readonly text: string;
  /** Spans that have it, of those looked at. */
  readonly count: number;
}

export interface ValueCountsQuery {
  readonly service: string;
  readonly operation: string;
  readonly kind: number;
  readonly range: TimeRange;
  /** A value that stands on fewer failed and fewer slow spans than this is left out. */
  readonly leastBad: number;
}

export interface ValueCounts {
  /** Different values that were counted, also those left out. */
  readonly tried: number;
  /** What a process says of itself, counted of every span; and what each span says, counted of a sample of them when they are many. */
  readonly groups: readonly ValueGroup[];
}

/** Values with what they are a part of: how many bad ones and others were looked at. */
export interface ValueGroup extends BadAndGood {
  /** Those with the largest share of bad spans, at most 2,000 of the span's own. */
  readonly values: readonly ValueCount[];
}

export interface ValueCount extends BadAndGood {
  readonly key: string;
  readonly value: string;
}

export interface BadAndGood {
  /** Those that failed, and those that did not. */
  readonly failed: Sides;
  /** Those above the 95th percentile and at least twice the median, and those that are not. */
  readonly slow: Sides;
}

export interface Sides {
  readonly bad: number;
  readonly good: number;
}

export interface DurationPoint {
  readonly traceId: string;
  readonly spanId: string;
  readonly service: string;
  readonly operation: string;
  readonly startUnixNano: bigint;
  readonly durationNano: bigint;
  readonly error: boolean;
}

export interface MatchCountsQuery {
  readonly range: TimeRange;
  /** What that span must satisfy. */
  readonly where?: SpanCondition;
  /** Parts of the range, 1..1,000. */
  readonly bins: number;
}

export interface MatchCounts {
  /** Length of each bin; the first begins where the range does. */
  readonly stepNano: bigint;
  /** Of all bins; a trace in several of them counts once. */
  readonly traces: number;
  /** Those of which a matching span failed. */
  readonly errorTraces: number;
  /** By time; one without matches is left out. */
  readonly bins: readonly MatchBin[];
}

export interface MatchBin {
  readonly startUnixNano: bigint;
  readonly traces: number;
  readonly errorTraces: number;
}

export interface SamplingStats {
  /** Traces that were decided about. */
  readonly decided: number;
  readonly kept: number;
}

export interface TimeRange {
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
}

export interface Operation {
  readonly name: string;
  readonly kind: number;
}

export interface TraceQuery {
  readonly service?: string;
  readonly operation?: string;
  readonly range: TimeRange;
  readonly minDurationNano?: bigint;
  readonly maxDurationNano?: bigint;
  /** String filters match by value whatever the type: "123" matches the integer, "true" the boolean. `null`: the key is there. */
  readonly attributes: Readonly<Record<string, string | null>>;
  readonly errorOnly?: boolean;
  /** What that span must also satisfy. */
  readonly where?: SpanCondition;
  /** Only traces that come after this one in the order of the answer: the next page. */
  readonly after?: TraceIdMatch;
  /** Only spans that the store had taken by then, ms since the epoch: pages of one search see the same spans while others come in. */
  readonly receivedUntilMs?: number;
  /** 1..1,500 traces. */
  readonly limit: number;
}

/** A condition on one span. A test of what a span does not have is false, so its `not` is true. */
export type SpanCondition =
  | { readonly kind: 'and' | 'or'; readonly all: readonly SpanCondition[] }
  | { readonly kind: 'not'; readonly condition: SpanCondition }
  | SpanTest;

/**
 * `field` is `service`, `name`, `kind`, `status`, `error`, `duration` (ns), `status.message`, else an attribute of the span or of its
 * resource as in `TraceQuery.attributes`. Values are text: `=` matches "123" whatever the type, the comparisons are of numbers.
 */
export type SpanTest =
  | { readonly kind: 'test'; readonly field: string; readonly operator: 'exists' }
  | {
      readonly kind: 'test';
      readonly field: string;
      readonly operator: '=' | 'prefix' | '<' | '<=' | '>' | '>=';
      readonly value: string;
    };

export interface TraceIdMatch {
  readonly traceId: string;
  readonly startUnixNano: bigint;
}

export interface TraceSummary {
  readonly traceId: string;
  readonly rootService: string;
  readonly rootOperation: string;
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  readonly spanCount: number;
  readonly errorSpanCount: number;
  readonly orphanSpanCount: number;
  readonly services: readonly {
    readonly name: string;
    readonly spanCount: number;
    readonly errorSpanCount: number;
  }[];
}

export interface LinkEdge {
  readonly fromTraceId: string;
  readonly fromSpanId: string;
  readonly toTraceId: string;
  readonly toSpanId: string;
  readonly attributes: Attributes;
}

export interface DependencyEdge {
  readonly parent: string;
  readonly child: string;
  readonly callCount: number;
  /** Which end is a topic; none when it is left out. */
  readonly topic?: 'parent' | 'child';
}
