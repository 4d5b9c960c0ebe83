import { isSpanContextValid, type SpanContext, type TraceState } from '@opentelemetry/api';

/** A context that we have made or read ourselves, digit by digit: its ids need no second look, which costs two regular expressions. */
export class CheckedSpanContext implements SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  declare readonly isRemote?: boolean;
  declare readonly traceState?: TraceState;

  constructor(
    ids: { readonly traceId: string; readonly spanId: string; readonly traceFlags: number },
    traceState: TraceState | undefined,
    isRemote = true,
  ) {
    this.traceId = ids.traceId;
    this.spanId = ids.spanId;
    this.traceFlags = ids.traceFlags;
    // Left out rather than undefined, as others compare and spread contexts.
    if (isRemote) this.isRemote = true;
    if (traceState !== undefined) this.traceState = traceState;
  }
}

export function isValid(context: SpanContext): boolean {
  return context instanceof CheckedSpanContext || isSpanContextValid(context);
}
