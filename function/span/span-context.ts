import {
  createContextKey,
  isSpanContextValid,
  type Context,
  type Span,
  type SpanContext,
  type TraceState,
} from '@opentelemetry/api';

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

/**
 * A caller's context as it was read from a header: its ids also as the words of ids.ts, since a span is about to be started below it.
 * On the prototype and in private, as others compare and spread contexts.
 */
export class ReadSpanContext extends CheckedSpanContext {
  readonly #words: IdWords;

  constructor(
    ids: { readonly traceId: string; readonly spanId: string; readonly traceFlags: number },
    words: IdWords,
    traceState: TraceState | undefined,
  ) {
    super(ids, traceState);
    this.#words = words;
  }

  get words(): IdWords {
    return this.#words;
  }
}

/** A trace's and a span's ids as words, see ids.ts. */
export interface IdWords {
  readonly t0: number;
  readonly t1: number;
  readonly t2: number;
  readonly t3: number;
  readonly s0: number;
  readonly s1: number;
}

export function isValid(context: SpanContext): boolean {
  return context instanceof CheckedSpanContext || isSpanContextValid(context);
}

/** The API's own key for the active span; all its versions share it, or they could not share a context. */
export const SPAN = createContextKey('OpenTelemetry Context Key SPAN');

/** What `trace.setSpan` gives, without copying a map: some are made for every request. */
export class SpanOver implements Context {
  readonly #below: Context;
  readonly #span: Span;

  constructor(below: Context, span: Span) {
    this.#below = below;
    this.#span = span;
  }

  getValue(key: symbol): unknown {
    return key === SPAN ? this.#span : this.#below.getValue(key);
  }

  setValue(key: symbol, value: unknown): Context {
    return this.#below.setValue(SPAN, this.#span).setValue(key, value);
  }

  deleteValue(key: symbol): Context {
    return this.#below.setValue(SPAN, this.#span).deleteValue(key);
  }
}
