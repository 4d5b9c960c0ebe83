/** The JSON that leaves this server, as types that the screens may import. Nothing here has code. */

/** Jaeger's v1 trace (jaeger internal/uimodel/model.go). */
export interface JaegerTrace {
  readonly traceID: string;
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, JaegerProcess>>;
  readonly warnings: readonly string[] | null;
}

export interface JaegerSpan {
  readonly traceID: string;
  readonly spanID: string;
  readonly flags?: number;
  readonly operationName: string;
  readonly references: readonly JaegerReference[];
  /** µs since the epoch. */
  readonly startTime: number;
  /** µs */
  readonly duration: number;
  readonly tags: readonly JaegerKeyValue[];
  readonly logs: readonly { readonly timestamp: number; readonly fields: readonly JaegerKeyValue[] }[];
  readonly processID: string;
  readonly warnings: readonly string[] | null;
}

export interface JaegerReference {
  readonly refType: 'CHILD_OF' | 'FOLLOWS_FROM';
  readonly traceID: string;
  readonly spanID: string;
}

export interface JaegerProcess {
  readonly serviceName: string;
  readonly tags: readonly JaegerKeyValue[];
}

export interface JaegerKeyValue {
  readonly key: string;
  readonly type: 'string' | 'bool' | 'int64' | 'float64' | 'binary';
  readonly value: string | number | boolean;
}

/**
 * Jaeger's service performance metrics (`GET /api/metrics/latencies`, `calls`, `errors`): a family of OpenMetrics as JSON
 * (jaeger idl/proto/metrics/openmetrics.proto). Latencies are in ms, calls a second, errors a share of the calls.
 */
export interface JaegerMetrics {
  readonly name: string;
  readonly type: 'GAUGE';
  readonly help: string;
  readonly metrics: readonly {
    readonly labels: readonly { readonly name: string; readonly value: string }[];
    readonly metricPoints: readonly {
      readonly gaugeValue: { readonly doubleValue: number };
      /** RFC 3339 */
      readonly timestamp: string;
    }[];
  }[];
}

/** OTLP's JSON encoding (opentelemetry-proto, JSON Protobuf Encoding): ids in hex, 64-bit numbers as decimal strings. */
export interface OtlpTraces {
  readonly resourceSpans: readonly OtlpResourceSpans[];
}

export interface OtlpResourceSpans {
  readonly resource: { readonly attributes: readonly OtlpKeyValue[] };
  readonly scopeSpans: readonly {
    readonly scope: {
      readonly name?: string;
      readonly version?: string;
      readonly attributes?: readonly OtlpKeyValue[];
    };
    readonly spans: readonly OtlpSpan[];
  }[];
}

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly flags?: number;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly OtlpKeyValue[];
  readonly droppedAttributesCount?: number;
  readonly events?: readonly OtlpEvent[];
  readonly droppedEventsCount?: number;
  readonly links?: readonly OtlpLink[];
  readonly droppedLinksCount?: number;
  readonly status: { readonly code?: number; readonly message?: string };
}

export interface OtlpEvent {
  readonly timeUnixNano: string;
  readonly name: string;
  readonly attributes?: readonly OtlpKeyValue[];
  readonly droppedAttributesCount?: number;
}

export interface OtlpLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState?: string;
  readonly flags?: number;
  readonly attributes?: readonly OtlpKeyValue[];
  readonly droppedAttributesCount?: number;
}

export interface OtlpKeyValue {
  readonly key: string;
  readonly value: OtlpValue;
}

export interface OtlpValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string;
  /** JSON has no NaN and no infinity: those come as text, as protobuf's JSON mapping has it. */
  readonly doubleValue?: number | 'NaN' | 'Infinity' | '-Infinity';
  readonly bytesValue?: string;
  readonly arrayValue?: { readonly values: readonly OtlpValue[] };
  readonly kvlistValue?: { readonly values: readonly OtlpKeyValue[] };
}

/** One row of `GET /api/v3/trace-summaries`. Times in ns as decimal strings. */
export interface TraceSummaryJson {
  readonly traceId: string;
  readonly rootServiceName: string;
  readonly rootOperationName: string;
  readonly minStartTimeUnixNano: string;
  readonly maxEndTimeUnixNano: string;
  readonly spanCount: number;
  readonly errorSpanCount: number;
  readonly orphanSpanCount: number;
  readonly services: readonly {
    readonly name: string;
    readonly spanCount: number;
    readonly errorSpanCount: number;
  }[];
}

/** `GET /api/search?q&endTs&lookback&limit&cursor` (50): traces in which one and the same span satisfies `q`, the newest first. */
export interface SearchJson {
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly traces: readonly TraceSummaryJson[];
  /** For `cursor` of the next request, with the same `q`; null on the last page. What was stored since the first page is on none. */
  readonly nextCursor: string | null;
}

/**
 * `GET /api/search/counts?q&endTs&lookback&bins` (90, at most 1,000): how many traces `GET /api/search` would find in all, over time.
 * A trace counts in every bin in which a span of it satisfies `q`.
 */
export interface SearchCountsJson {
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  /** Of each bin; the first begins at `startUnixNano`. */
  readonly stepNano: string;
  /** In all bins, each once. Above a thousand within a hundredth, as those of the bins are. */
  readonly traces: number;
  /** Those of which a span that satisfies `q` failed. */
  readonly errorTraces: number;
  /** By time; bins without a trace are left out. */
  readonly bins: readonly {
    readonly timeUnixNano: string;
    readonly traces: number;
    readonly errorTraces: number;
  }[];
}

/** One line of `GET /api/traces/{traceId}/logs`. Times in ns as decimal strings. */
export interface LogJson {
  readonly timeUnixNano: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly service: string;
  readonly attributes: readonly OtlpKeyValue[];
}

/** One of `GET /api/traces/{traceId}/links`: a span elsewhere that links to a span of this trace. */
export interface IncomingLinkJson {
  readonly fromTraceId: string;
  readonly fromSpanId: string;
  readonly toSpanId: string;
  readonly attributes: readonly OtlpKeyValue[];
}

/** `GET /api/traces/{traceId}/sampling`: what tail sampling decided about a trace. */
export interface SamplingJson {
  readonly traceId: string;
  /** False: nothing, or not yet. */
  readonly decided: boolean;
  /** True as well while nothing is decided. */
  readonly kept: boolean;
  /** `status_code`, `latency`, `rare`, `probabilistic`, `too_large` or `late`; '' while nothing is decided. */
  readonly policy: string;
  /** With which a trace like this one is kept, 0 to 1. */
  readonly probability: number;
  /** How many traces it stands for: 1 / probability; 0 when it was dropped. */
  readonly adjustedCount: number;
}

/**
 * `GET /api/sampling?endTs&lookback`: how much tail sampling kept of the traces that it decided about in that time. Rates, errors and
 * durations are counted before it; what lists or compares traces knows of the kept ones only.
 */
export interface SamplingStatsJson {
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  /** 0: everything is kept. */
  readonly decided: number;
  readonly kept: number;
}

/*
 * What Jaeger has no word for. Every time is ns as a decimal string: `…UnixNano` since the epoch, `…Nano` a length. Shares and
 * rates are plain numbers. A span is named by both its ids, since a flow holds several traces.
 */

export interface SpanRefJson {
  readonly traceId: string;
  readonly spanId: string;
}

/** `caller`: from the request to the last byte of its answer. `end-to-end`: until the last thing that the event caused has ended. */
export type ReadingJson = 'caller' | 'end-to-end';

/** The stages into which the time of an invocation is told apart (backend/diagnosis/stages.ts says which span means which). */
export type StageJson =
  | 'queue wait'
  | 'throttle'
  | 'wait for capacity'
  | 'start instance'
  | 'fetch package'
  | 'load function'
  | 'transfer'
  | 'handler'
  | 'downstream call'
  | 'response'
  | 'retry back-off'
  | 'unknown';

/** `GET /api/flows/{traceId}`: every trace that links join with this one, as one causal graph. 404 when the trace is not there. */
export interface FlowJson {
  /** The trace that was asked for. */
  readonly traceId: string;
  /** All of the flow, the one where it began first. */
  readonly traceIds: readonly string[];
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly durationNano: string;
  readonly spanCount: number;
  readonly errorSpanCount: number;
  /** Something was left out because the flow is too large (`?maxSpans=`, `?maxTraces=`). */
  readonly truncated: boolean;
  /** Nothing that was sent is still to be consumed, and no span is open. */
  readonly settled: boolean;
  /** Records that a consumer group which has read this topic before has not answered for. */
  readonly waitingFor: readonly WaitingForJson[];
  /** Causes before effects. */
  readonly spans: readonly FlowSpanJson[];
  /** Who caused whom: parent in one trace, or link. A consumer that has both to one producer has one edge, `parent`. */
  readonly edges: readonly FlowEdgeJson[];
}

export interface WaitingForJson extends SpanRefJson {
  readonly topic: string;
  /** '' when no group is known. */
  readonly consumerGroup: string;
  readonly sinceUnixNano: string;
}

export interface FlowSpanJson extends SpanRefJson {
  /** '' for a root. */
  readonly parentSpanId: string;
  /** The span that it is drawn below: its parent, else what it links to. null: nothing in this flow caused it. */
  readonly cause: SpanRefJson | null;
  /** Distance to the root of the flow over `cause`. */
  readonly depth: number;
  readonly service: string;
  readonly name: string;
  /** internal | server | client | producer | consumer | unspecified */
  readonly kind: string;
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly error: boolean;
  readonly statusMessage: string;
  /** Its process died before it ended; why, when known (`timeout`, `oom`, `signal` …). */
  readonly unfinished: boolean;
  readonly endReason: string;
  /** Name of the function that it ran in; '' outside functions. */
  readonly function: string;
  readonly version: string;
  readonly instance: string;
  readonly coldStart: boolean;
  /** 0 when it is no attempt. */
  readonly attempt: number;
}

export interface FlowEdgeJson {
  readonly from: SpanRefJson;
  readonly to: SpanRefJson;
  /** `call` inside a process or over HTTP, `message` over a topic, `link` any other link. */
  readonly kind: 'call' | 'message' | 'link';
  /** How the trace says it. */
  readonly shape: 'parent' | 'link' | 'both';
  /** Of a message: between the end of its sending and its receipt; null when it is no message. Negative clocks show as 0 with `clockSkew`. */
  readonly waitNano: string | null;
  readonly clockSkew: boolean;
  /** '' when it is no message. */
  readonly topic: string;
  readonly partition: string;
  readonly offset: string;
  readonly consumerGroup: string;
}

/**
 * `GET /api/traces/{traceId}/account?reading=caller|end-to-end&span=ID`: where the time went. `reading` is `end-to-end` by
 * default; `span` asks for one invocation only. The stages sum to `wallNano` exactly, and so do the segments.
 */
export interface AccountJson {
  readonly traceId: string;
  readonly reading: ReadingJson;
  /** The span whose time this is: the root, or the one asked for. */
  readonly root: SpanRefJson;
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly wallNano: string;
  /** Largest first. */
  readonly stages: readonly AccountStageJson[];
  /** The same in order of time, without gap or overlap. */
  readonly segments: readonly SegmentJson[];
}

export interface AccountStageJson {
  readonly stage: StageJson;
  /** Function, service or topic that spent it; '' when unknown. */
  readonly owner: string;
  readonly nano: string;
  /** 0..1 of the wall time. */
  readonly share: number;
  readonly spans: readonly SpanRefJson[];
}

export interface SegmentJson extends SpanRefJson {
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly nano: string;
  readonly stage: StageJson;
  readonly owner: string;
  readonly service: string;
  /** Name of the span. */
  readonly name: string;
}

/** `GET /api/traces/{traceId}/critical-path?reading=caller|end-to-end` (default `end-to-end`): what would have to be faster for the whole to be faster. */
export interface CriticalPathJson {
  readonly traceId: string;
  readonly reading: ReadingJson;
  readonly root: SpanRefJson;
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly wallNano: string;
  /** In order of time, without gap or overlap. */
  readonly segments: readonly SegmentJson[];
  /** Every span that has a part in it, with its own part; largest first. */
  readonly spans: readonly (SpanRefJson & {
    readonly service: string;
    readonly name: string;
    readonly nano: string;
    readonly share: number;
  })[];
}

/** `GET /api/traces/{traceId}/why`: the ranked causes, or why there is none. 404 when the trace is not there. */
export interface WhyJson {
  readonly traceId: string;
  readonly outcome: 'failed' | 'slow' | 'healthy' | 'open';
  /** One line: what happened, and to whom. */
  readonly summary: string;
  /** A cause stands at rank 1 with `confident`. */
  readonly determined: boolean;
  /** Why no cause is named; '' when one is. */
  readonly notDetermined: string;
  /** Likeliest first; at most ten. */
  readonly causes: readonly CauseJson[];
  /** End to end. */
  readonly account: AccountJson;
  /** The normal run it was compared with; null when the store has none. */
  readonly twin: TwinJson | null;
  readonly traceIds: readonly string[];
  readonly settled: boolean;
}

/** A life-cycle stage, or a state of it, as the root of a failure or a delay. */
export type CauseKindJson =
  | 'queue lag'
  | 'queue lag: slow consumer'
  | 'queue lag: few partitions'
  | 'queue lag: consumer away'
  | 'throttled'
  | 'waiting for capacity'
  | 'pool empty'
  | 'cold start: start instance'
  | 'cold start: fetch package'
  | 'cold start: load function'
  | 'bad deploy'
  | 'slow handler'
  | 'CPU burn'
  | 'blocked event loop'
  | 'starved of CPU'
  | 'noisy neighbour'
  | 'slow downstream call'
  | 'slow transfer'
  | 'dead dependency'
  | 'retry storm'
  | 'timeout'
  | 'out of memory'
  | 'killed'
  | 'exited'
  | 'thrown'
  | 'wrong status'
  | 'poison message'
  | 'batch with bad records'
  | 'lost context'
  | 'clock skew'
  | 'backend lag'
  | 'platform error';

export interface CauseJson {
  readonly kind: CauseKindJson;
  /** One sentence, for a heading. */
  readonly title: string;
  /** 0..1: how sure, of all that this trace could mean. */
  readonly score: number;
  readonly confident: boolean;
  readonly stage: StageJson;
  /** Function, service or topic to look at. */
  readonly owner: string;
  readonly spans: readonly SpanRefJson[];
  readonly sentences: readonly SentenceJson[];
  /** What to try next, one advice each. */
  readonly next: readonly string[];
}

/** Every sentence rests on spans. */
export interface SentenceJson {
  readonly text: string;
  readonly spans: readonly SpanRefJson[];
  /** The figures in it, e.g. `{"name":"handler","value":"1502","unit":"ms"}`. */
  readonly figures: readonly { readonly name: string; readonly value: string; readonly unit: string }[];
}

export interface TwinJson {
  readonly traceId: string;
  readonly startUnixNano: string;
  readonly wallNano: string;
  /** How many runs it was chosen from, and on what ground. */
  readonly candidates: number;
  readonly reason: string;
  /** Largest difference first; stages of the two accounts side by side. */
  readonly differences: readonly TwinDifferenceJson[];
}

export interface TwinDifferenceJson {
  readonly stage: StageJson;
  readonly owner: string;
  readonly nano: string;
  readonly twinNano: string;
  /** `nano − twinNano`, may be negative. */
  readonly deltaNano: string;
}

/** `GET /api/functions?endTs=ms&lookback=ms` (default: now, 1 h): one row for each function that ran, the busiest first. */
export interface FunctionsJson {
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly functions: readonly FunctionStatsJson[];
}

export interface FunctionStatsJson {
  readonly name: string;
  readonly invocations: number;
  readonly ratePerSecond: number;
  readonly errors: number;
  /** 0..1 */
  readonly errorRate: number;
  readonly coldStarts: number;
  readonly coldStartRate: number;
  /** Calls that its callers gave up on after its time was over. */
  readonly timeouts: number;
  /** Calls made again after a failed one. */
  readonly retries: number;
  readonly p50Nano: string;
  readonly p99Nano: string;
  readonly lastSeenUnixNano: string;
}

/**
 * `GET /api/functions/{name}?endTs&lookback&step` (ms; 60 steps by default, each at least a minute). 404 when it did not run in that
 * time. `stats` and `points` are of every invocation; everything else of the newest `sampled` ones.
 */
export interface FunctionJson {
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly stats: FunctionStatsJson;
  readonly sampled: number;
  /** `faas.trigger` of its invocations, with how many. */
  readonly triggers: Readonly<Record<string, number>>;
  /** How many ended with their process: timeout, oom, signal, exit … */
  readonly ends: Readonly<Record<string, number>>;
  /** Newest first. */
  readonly versions: readonly FunctionGroupJson[];
  /** Newest first. */
  readonly instances: readonly FunctionGroupJson[];
  readonly stepNano: string;
  readonly points: readonly FunctionPointJson[];
  /** Cold-start phases of this function's invocations. */
  readonly phases: readonly {
    readonly stage: StageJson;
    readonly count: number;
    readonly p50Nano: string;
    readonly p99Nano: string;
  }[];
  /** Error types, the most frequent first. */
  readonly errors: readonly {
    readonly type: string;
    readonly count: number;
    readonly example: SpanRefJson;
  }[];
  readonly slowest: readonly InvocationJson[];
  readonly failed: readonly InvocationJson[];
  /** Attribute values that set the failed and the slow apart; empty when nothing does. */
  readonly outliers: readonly OutlierJson[];
}

/** One version, or one instance (then `version` says of which). */
export interface FunctionGroupJson {
  readonly value: string;
  readonly version: string;
  readonly invocations: number;
  readonly errors: number;
  readonly coldStarts: number;
  readonly p50Nano: string;
  readonly p99Nano: string;
  readonly firstSeenUnixNano: string;
  readonly lastSeenUnixNano: string;
}

export interface FunctionPointJson {
  readonly timeUnixNano: string;
  readonly invocations: number;
  readonly errors: number;
  readonly p50Nano: string;
  readonly p95Nano: string;
  readonly p99Nano: string;
}

/**
 * `GET /api/functions/{name}/heatmap?endTs&lookback&step&rows` (24 rows at most, up to 200): how many invocations took how long, over time,
 * of every one. Empty when it did not run in that time.
 */
export interface HeatmapJson {
  readonly name: string;
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly stepNano: string;
  /**
   * Edges of the rows, the shortest first, one more than there are rows: row r holds durations from `boundsNano[r]` to below
   * `boundsNano[r + 1]`. Rows are of one height on a logarithmic scale and reach from the shortest to the longest that there was.
   */
  readonly boundsNano: readonly string[];
  /** By time; a step in which it did not run is left out. */
  readonly columns: readonly HeatmapColumnJson[];
}

export interface HeatmapColumnJson {
  readonly timeUnixNano: string;
  readonly invocations: number;
  readonly errors: number;
  /** Of each row; they sum to `invocations`. */
  readonly counts: readonly number[];
}

export interface InvocationJson extends SpanRefJson {
  readonly startUnixNano: string;
  readonly durationNano: string;
  readonly version: string;
  readonly instance: string;
  readonly coldStart: boolean;
  readonly error: boolean;
  readonly statusMessage: string;
}

export interface OutlierJson {
  readonly key: string;
  readonly value: string;
  /** What it sets apart. */
  readonly of: 'failed' | 'slow';
  /** Share of the bad ones that have it, and of the others. 0..1 */
  readonly badShare: number;
  readonly goodShare: number;
  /** After correction for the number of values that were tried. */
  readonly pValue: number;
}

/**
 * `GET /api/messages?topic&partition&offset&key&group&trace&state=consumed|waiting|failed|sent&endTs&lookback&limit` (100): the records that
 * were sent, the newest first, with what each consumer group did to them.
 */
export interface MessagesJson {
  readonly messages: readonly MessageJson[];
}

export interface MessageJson extends SpanRefJson {
  readonly topic: string;
  readonly partition: string;
  /** '' when not known. */
  readonly offset: string;
  readonly key: string;
  /** Service that sent it. */
  readonly producer: string;
  readonly sentUnixNano: string;
  /**
   * `waiting`: its topic is read, and no group has answered for it. `sent`: nobody is known to read its topic. `failed`: it was not sent, or a
   * delivery ended in an error or on an error topic.
   */
  readonly state: 'consumed' | 'waiting' | 'failed' | 'sent';
  readonly deliveries: readonly DeliveryJson[];
}

export interface DeliveryJson extends SpanRefJson {
  readonly consumerGroup: string;
  readonly trigger: string;
  /** Function that it was given to; '' when unknown. */
  readonly function: string;
  readonly receivedUnixNano: string;
  readonly endUnixNano: string;
  readonly waitNano: string;
  readonly attempts: number;
  /** success | retry | dead_letter | dropped; '' when unknown. */
  readonly outcome: string;
  readonly error: boolean;
  readonly statusMessage: string;
}

/** `GET /api/logs?service&trace&severity&text&endTs&lookback&limit` (200): newest first. `severity` is the least: trace debug info warn error fatal. */
export interface LogsJson {
  readonly logs: readonly LogJson[];
}

/**
 * `GET /api/map?endTs&lookback&limit` (ms; default: now, 1 h): who calls whom and over which topic, parents and links alike, from the
 * newest `limit` traces (500). Router, executor and triggers are the road, not places on the map, unless a trace begins there.
 */
export interface MapJson {
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly sampledTraces: number;
  /** There were more traces than that: `ratePerSecond` is over the time that they cover. */
  readonly truncated: boolean;
  readonly nodes: readonly MapNodeJson[];
  readonly edges: readonly MapEdgeJson[];
}

export interface MapNodeJson {
  /** `function:greeter`, `service:billing`, `topic:greetings`; unique. */
  readonly id: string;
  readonly kind: 'function' | 'service' | 'topic';
  readonly name: string;
  /** Spans that came in: of a function its invocations, of a topic the records sent. */
  readonly calls: number;
  readonly errors: number;
  readonly ratePerSecond: number;
  readonly p50Nano: string;
  readonly p99Nano: string;
}

export interface MapEdgeJson {
  readonly from: string;
  readonly to: string;
  readonly kind: 'call' | 'send' | 'receive';
  readonly calls: number;
  readonly errors: number;
  readonly ratePerSecond: number;
  readonly p50Nano: string;
  readonly p99Nano: string;
  /** Of `receive`: from the end of sending to receipt; '0' otherwise. */
  readonly lagP50Nano: string;
  readonly lagP99Nano: string;
  /** Of `receive`. */
  readonly consumerGroup: string;
}

/** `GET /api/metrics/red?service&operation&kind&endTs&lookback&step` (ms, whole minutes): rate, errors and duration over time, of every span. */
export interface RedJson {
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly stepNano: string;
  readonly series: readonly {
    readonly service: string;
    readonly operation: string;
    /** internal | server | client | producer | consumer | unspecified */
    readonly kind: string;
    readonly points: readonly RedPointJson[];
  }[];
}

export interface RedPointJson {
  readonly timeUnixNano: string;
  readonly calls: number;
  readonly errors: number;
  readonly ratePerSecond: number;
  readonly p50Nano: string;
  readonly p95Nano: string;
  readonly p99Nano: string;
}

/** `GET /api/quality?endTs&lookback&limit`, of the newest `limit` traces (500): what is wrong with the traces themselves, the worst first, with a way to mend each. */
export interface QualityJson {
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly traceCount: number;
  readonly spanCount: number;
  readonly findings: readonly QualityFindingJson[];
}

export interface QualityFindingJson {
  readonly kind:
    | 'missing propagation'
    | 'lost context'
    | 'orphan span'
    | 'broken link'
    | 'clock skew'
    | 'unfinished span'
    | 'dropped data'
    | 'old attribute names'
    | 'wrong kind';
  /** Between whom: `greeter → billing`, `topic greetings → group cards`, or one service. */
  readonly subject: string;
  readonly count: number;
  /** Of those that could have it. 0..1 */
  readonly share: number;
  readonly hint: string;
  readonly examples: readonly SpanRefJson[];
}

/** `GET /api/traces/stream`: server-sent events `trace`, one for each trace that is new or has changed. */
export interface TraceEventJson {
  readonly summary: TraceSummaryJson;
  /** First seen by this stream, or seen before with fewer spans. */
  readonly change: 'new' | 'grown';
}

/**
 * `GET /api/topics?endTs&lookback&step` (ms, whole minutes): how long records waited in each topic, by who reads it; of the newest 10,000
 * spans of each.
 */
export interface TopicsJson {
  readonly startUnixNano: string;
  readonly endUnixNano: string;
  readonly stepNano: string;
  readonly topics: readonly TopicStatsJson[];
}

export interface TopicStatsJson {
  readonly topic: string;
  /** There were more spans than were looked at. */
  readonly isPartial: boolean;
  readonly groups: readonly TopicGroupJson[];
}

export interface TopicGroupJson {
  readonly consumerGroup: string;
  readonly received: number;
  readonly failed: number;
  readonly waitP50Nano: string;
  readonly waitP99Nano: string;
  /** Steps in which a record was received, by the time of receipt. */
  readonly points: readonly {
    readonly timeUnixNano: string;
    readonly received: number;
    readonly failed: number;
    readonly waitP99Nano: string;
  }[];
}

/** `GET /api/platform`: what is declared and what runs now. 404 when this backend runs without a platform. */
export interface PlatformJson {
  readonly functions: readonly FunctionConfigJson[];
  readonly triggers: readonly TriggerJson[];
  readonly instances: readonly InstanceJson[];
  readonly topics: readonly PlatformTopicJson[];
}

export interface FunctionConfigJson {
  readonly name: string;
  readonly namespace: string;
  /** `faas.version` of its invocations. */
  readonly version: string;
  /** RFC 3339; '' when not known. */
  readonly createdAt: string;
  readonly environment: string;
  readonly package: string;
  /** `file.function` in its package; '' for the environment's default. */
  readonly entry: string;
  readonly executor: string;
  readonly timeoutSeconds: number;
  readonly idleSeconds: number;
  readonly specializationSeconds: number;
  /** Most instances at a time. */
  readonly concurrency: number;
  readonly requestsPerInstance: number;
  readonly onceOnly: boolean;
  /** null: no limit. */
  readonly memoryBytes: number | null;
  /** Names only, of these three. */
  readonly env: readonly string[];
  readonly secrets: readonly string[];
  readonly configmaps: readonly string[];
}

interface TriggerBaseJson {
  readonly name: string;
  readonly namespace: string;
  /** Several for a canary. */
  readonly functions: readonly string[];
}

export type TriggerJson = TriggerBaseJson &
  (
    | {
        readonly kind: 'http';
        readonly methods: readonly string[];
        readonly path: string;
        readonly host: string;
      }
    | {
        readonly kind: 'queue';
        readonly topic: string;
        /** '' for none, of these two. */
        readonly responseTopic: string;
        readonly errorTopic: string;
        readonly maxRetries: number;
        readonly consumerGroup: string;
      }
    | { readonly kind: 'timer'; readonly cron: string }
  );

export interface InstanceJson {
  readonly id: string;
  readonly function: string;
  readonly namespace: string;
  readonly state: 'ready' | 'busy';
  /** Requests it is serving now. */
  readonly active: number;
  readonly startedUnixNano: string;
}

/** Offsets and lags are decimal strings, in records. */
export interface PlatformTopicJson {
  readonly name: string;
  readonly partitions: readonly {
    readonly partition: number;
    readonly startOffset: string;
    readonly endOffset: string;
  }[];
  readonly groups: readonly {
    readonly consumerGroup: string;
    readonly lag: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly committed: string;
      readonly lag: string;
    }[];
  }[];
}

/** `GET /api/platform/topics/{topic}/records?partition&offset&limit` (1, at most 100): what the records hold; without an offset the last ones. */
export interface RecordsJson {
  readonly records: readonly RecordJson[];
}

export type TextOrBytesJson = { readonly text: string } | { readonly base64: string };

export interface RecordJson {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly timeUnixNano: string;
  /** null: none. What is not UTF-8 is base64. */
  readonly key: TextOrBytesJson | null;
  /** null: a tombstone. */
  readonly value: TextOrBytesJson | null;
  readonly headers: readonly ({ readonly name: string } & TextOrBytesJson)[];
}

/** `POST /api/platform/topics/{topic}/redrive` with `{"to": TOPIC}`. */
export interface RedriveJson {
  readonly redriven: number;
}

/**
 * `POST /api/platform/functions/{namespace}/{name}/call` with `{"method", "subpath", "headers": [[name, value]], "body"}`, all optional:
 * one invocation, whatever it answers.
 */
export interface FunctionAnswerJson {
  readonly status: number;
  readonly durationNano: string;
  /** '' when the answer names none, of these two. */
  readonly traceId: string;
  readonly requestId: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** As UTF-8; at most 256 KiB. */
  readonly body: string;
  readonly isCut: boolean;
}

/** `GET /api/attributes?service&key&prefix&endTs&lookback&limit` (20, at most 200): keys of span attributes, or the values of `key`, the most frequent first. */
export interface AttributesJson {
  /** `count`: spans that have it, of those looked at. */
  readonly attributes: readonly { readonly text: string; readonly count: number }[];
}
