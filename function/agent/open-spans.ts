import type { KeptSpan } from './kept-span.ts';
import type { Padded } from './proto-buffer.ts';

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
  name: Padded;
  scope: string;
  kept: KeptSpan | undefined;
}

/** Places of the table at first and at most; powers of two. */
const FIRST_SLOTS = 1024;
const MAX_SLOTS = 16 * 1024;

/**
 * Open spans by id. Most spans are open for a short while and few at a time: those lie in a table with one place for each of the ids
 * that meet there, and only who finds its place taken goes into the map behind it.
 */
export class OpenSpans implements Iterable<OpenSpan> {
  #slots = slots(FIRST_SLOTS);
  /** A span id is 64 bits; the map's key is 30 of them, so that it stays a small integer. */
  readonly #byHash = new Map<number, OpenSpan>();
  size = 0;

  get(low: number, high: number): OpenSpan | undefined {
    let span = this.#slots[this.#slotOf(low, high)];
    if (span !== undefined && span.low === low && span.high === high) return span;
    if (this.#byHash.size === 0) return undefined;
    span = this.#byHash.get(hashOf(low, high));
    while (span !== undefined && (span.low !== low || span.high !== high)) span = span.next;
    return span;
  }

  /** False, and nothing changes, when one with its id is open already. */
  add(span: OpenSpan): boolean {
    const { low, high } = span;
    if (this.get(low, high) !== undefined) return false;
    const slot = this.#slotOf(low, high);
    span.next = undefined;
    if (this.#slots[slot] === undefined) this.#slots[slot] = span;
    else {
      span.next = this.#byHash.get(hashOf(low, high));
      this.#byHash.set(hashOf(low, high), span);
    }
    this.size += 1;
    if (this.size > this.#slots.length / 2 && this.#slots.length < MAX_SLOTS) this.#grow();
    return true;
  }

  /** So many at a time that most places would be taken. */
  #grow(): void {
    const spans = [...this];
    this.#slots = slots(this.#slots.length * 4);
    this.#byHash.clear();
    this.size = 0;
    for (const span of spans) this.add(span);
  }

  #slotOf(low: number, high: number): number {
    return (low ^ high) & (this.#slots.length - 1);
  }

  /** Takes the span out and returns it. */
  take(low: number, high: number): OpenSpan | undefined {
    const slot = this.#slotOf(low, high);
    const first = this.#slots[slot];
    let span: OpenSpan | undefined;
    if (first !== undefined && first.low === low && first.high === high) {
      span = first;
      this.#slots[slot] = undefined;
    } else span = this.#takeFromMap(low, high);
    if (span === undefined) return undefined;
    span.isOpen = false;
    this.size -= 1;
    return span;
  }

  #takeFromMap(low: number, high: number): OpenSpan | undefined {
    const hash = hashOf(low, high);
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
    return span;
  }

  clear(): void {
    this.#slots.fill(undefined);
    this.#byHash.clear();
    this.size = 0;
  }

  *[Symbol.iterator](): Iterator<OpenSpan> {
    for (const span of this.#slots) if (span !== undefined) yield span;
    for (let span of this.#byHash.values()) {
      for (;;) {
        yield span;
        if (span.next === undefined) break;
        span = span.next;
      }
    }
  }
}

function slots(count: number): (OpenSpan | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}

function hashOf(low: number, high: number): number {
  return (low ^ high) & 0x3fffffff;
}
