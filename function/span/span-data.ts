/**
 * A span as plain data, once it has left the process that made it: what the agent ships, the store keeps,
 * diagnosis reads. Field names and meanings are OTLP's (opentelemetry-proto trace/v1/trace.proto), with
 * ids as lower-case hex and times as bigint nanoseconds since the Unix epoch.
 */
export interface SpanData {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** 16 lower-case hex digits. */
  readonly spanId: string;
  /** 16 lower-case hex digits; '' for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  readonly status: SpanStatus;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanLink[];
  readonly traceState: string;
  /** OTLP flags: low 8 bits are the W3C trace flags. */
  readonly flags: number;
  readonly resource: Attributes;
  readonly scope: InstrumentationScope;
  readonly droppedAttributesCount: number;
  readonly droppedEventsCount: number;
  readonly droppedLinksCount: number;
}

export interface InstrumentationScope {
  readonly name: string;
  readonly version: string;
  readonly attributes?: Attributes;
}

export interface SpanEvent {
  readonly timeUnixNano: bigint;
  readonly name: string;
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
}

export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly flags: number;
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
}

/** A log record as plain data (opentelemetry-proto logs/v1/logs.proto). */
export interface LogData {
  readonly timeUnixNano: bigint;
  readonly observedTimeUnixNano: bigint;
  /** OTLP severity number, 1..24; 0 when unknown. */
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: AttributeValue | undefined;
  /** Hex; '' when the line belongs to no span we know of. */
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: Attributes;
  readonly resource: Attributes;
  readonly scope: InstrumentationScope;
}

export type Attributes = Readonly<Record<string, AttributeValue>>;

/** OTLP AnyValue with its type kept: int64 is a bigint, double a number, bytes a Uint8Array. `null` is an empty AnyValue. */
export type AttributeValue =
  | string
  | boolean
  | bigint
  | number
  | Uint8Array
  | null
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue };

/** OTLP span kinds (not the API's numbers, which are one less). */
export const SPAN_KIND = {
  unspecified: 0,
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
} as const;
export type SpanKind = (typeof SPAN_KIND)[keyof typeof SPAN_KIND];

export const STATUS_CODE = { unset: 0, ok: 1, error: 2 } as const;
export type StatusCode = (typeof STATUS_CODE)[keyof typeof STATUS_CODE];

export interface SpanStatus {
  readonly code: StatusCode;
  readonly message: string;
}
