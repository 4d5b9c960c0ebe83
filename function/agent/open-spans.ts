import type { ProtoBuffer } from './proto-buffer.ts';

/** An instance with more open spans than this is broken or hostile; further ones are not followed, and counted. */
export const MAX_OPEN_SPANS = 100_000;

/**
 * A span that has started and not ended. While the piece of journal that holds its start is still in memory it is only offsets
 * into it (`start`, `more`); a span that outlives that piece is kept as encoded OTLP (`kept`).
 */
export interface OpenSpan {
  low: number;
  high: number;
  /** The next span whose id has the same hash. */
  next: OpenSpan | undefined;
  isOpen: boolean;
  /** Offset of the START record in the piece, -1 when `kept` holds the span. */
  start: number;
  /** Offsets of its ATTRIBUTES, EVENT and LINK records in the piece. */
  more: number[] | undefined;
  /** `field` of the name: length and bytes. */
  name: Uint8Array;
  scope: string;
  kept: KeptSpan | undefined;
}

export interface KeptSpan {
  /** Span fields 1 to 4, 6, 16 and 7: ids, state, kind, flags, start time. */
  readonly head: Uint8Array;
  /** Encoded `attributes = 9` fields by key: a later value replaces an earlier one. */
  readonly attributes: Map<string, Uint8Array>;
  /** Encoded `events = 11` and `links = 13` fields. */
  readonly extra: ProtoBuffer;
  /** Zeros for a root. */
  readonly parentLow: number;
  readonly parentHigh: number;
  /** Start time, unix ns, as two halves. */
  readonly startLow: number;
  readonly startHigh: number;
  droppedAttributes: number;
  droppedEvents: number;
}

/** Open spans by id. A span id is 64 bits; the map's key is 30 of them, so that it stays a small integer. */
export class OpenSpans implements Iterable<OpenSpan> {
  readonly #byHash = new Map<number, OpenSpan>();
  size = 0;

  get(low: number, high: number): OpenSpan | undefined {
    let span = this.#byHash.get((low ^ high) & 0x3fffffff);
    while (span !== undefined && (span.low !== low || span.high !== high)) span = span.next;
    return span;
  }

  add(span: OpenSpan): void {
    const hash = (span.low ^ span.high) & 0x3fffffff;
    span.next = this.#byHash.get(hash);
    this.#byHash.set(hash, span);
    this.size += 1;
  }

  /** Takes the span out and returns it. */
  take(low: number, high: number): OpenSpan | undefined {
    const hash = (low ^ high) & 0x3fffffff;
    let span = this.#byHash.get(hash);
    let before: OpenSpan | undefined;
    while (span !== undefined && (span.low !== low || span.high !== high)) {
      before = span;
      span = span.next;
    }
    if (span === undefined) return undefined;
    if (before !== undefined) before.next = span.next;
    else if (span.next !== undefined) this.#byHash.set(hash, span.next);
    else this.#byHash.delete(hash);
    span.isOpen = false;
    this.size -= 1;
    return span;
  }

  clear(): void {
    this.#byHash.clear();
    this.size = 0;
  }

  *[Symbol.iterator](): Iterator<OpenSpan> {
    for (let span of this.#byHash.values()) {
      for (;;) {
        yield span;
        if (span.next === undefined) break;
        span = span.next;
      }
    }
  }
}
