import type { Attributes, LogData, SpanData } from '../../function/span/span-data.ts';
import type { SpanColumns } from './span-columns.ts';

/**
 * What the backend keeps and how it is asked: one contract, two makers (chDB in a child process, a ClickHouse server or
 * cluster by URL). The collector writes through `TraceWriter`, the query APIs read through `TraceReader`.
 */
export interface TraceStore extends AsyncDisposable {
  readonly writer: TraceWriter;
  readonly reader: TraceReader;
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
  /** Every span of the trace, in no order; [] when it is not there. The time range, when known, makes it faster. */
  trace(traceId: string, hint?: TimeRange): Promise<readonly SpanData[]>;
  /** Whole traces, the most recent first, in which one and the same span satisfies every predicate. */
  findTraces(query: TraceQuery): Promise<readonly (readonly SpanData[])[]>;
  /** As findTraces, ids only, with the matching span's start. */
  findTraceIds(query: TraceQuery): Promise<readonly TraceIdMatch[]>;
  summaries(query: TraceQuery): Promise<readonly TraceSummary[]>;
  /** Links that point *to* a span of this trace (or to one span of it): who continued it elsewhere. */
  linksTo(target: { readonly traceId: string; readonly spanId?: string }): Promise<readonly LinkEdge[]>;
  dependencies(range: TimeRange): Promise<readonly DependencyEdge[]>;
  logs(traceId: string): Promise<readonly LogData[]>;
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
  /** 1..1,500 traces. */
  readonly limit: number;
}

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
}
