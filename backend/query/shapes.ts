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
