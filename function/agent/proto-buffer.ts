/**
 * A growing buffer that speaks the protobuf wire format (https://protobuf.dev/programming-guides/encoding/).
 * No object is made per field. Hot code asks for room once with `ensure` and then writes to `bytes` itself.
 */
export class ProtoBuffer {
  bytes: Uint8Array;
  /** The same bytes, for stores of four at a time. */
  data: DataView;
  position = 0;

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(capacity);
    this.data = new DataView(this.bytes.buffer);
  }

  /** Room for `count` more bytes. */
  ensure(count: number): void {
    const needed = this.position + count;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.position));
    this.bytes = grown;
    this.data = new DataView(grown.buffer);
  }

  reset(): void {
    this.position = 0;
  }

  /** A view of what was written, valid until the next write. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.position);
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.position);
  }

  /** One byte; also a tag whose field number is below 16. */
  byte(value: number): void {
    this.ensure(1);
    this.bytes[this.position++] = value;
  }

  /** An unsigned integer below 2^53. */
  varint(value: number): void {
    this.ensure(10);
    this.position = putVarint(this.bytes, this.position, value);
  }

  /** The 64 bits of an integer, given as two unsigned halves: ten bytes when negative, as protobuf has it for int64. */
  varint64(low: number, high: number): void {
    this.ensure(10);
    this.position = putVarint64(this.bytes, this.position, low, high);
  }

  fixed32(value: number): void {
    this.ensure(4);
    this.position = putFixed32(this.bytes, this.position, value);
  }

  fixed64(low: number, high: number): void {
    this.ensure(8);
    this.position = putFixed32(this.bytes, this.position, low);
    this.position = putFixed32(this.bytes, this.position, high);
  }

  raw(source: Uint8Array): void {
    this.ensure(source.length);
    this.position = putBytes(this.bytes, this.position, source, 0, source.length);
  }

  /** A length-delimited field: tag, length, bytes. */
  field(tag: number, source: Uint8Array): void {
    this.ensure(source.length + 11);
    this.bytes[this.position++] = tag;
    this.position = putVarint(this.bytes, this.position, source.length);
    this.position = putBytes(this.bytes, this.position, source, 0, source.length);
  }

  /** A string field; lone surrogates become U+FFFD, so that what leaves is valid utf-8. */
  string(tag: number, text: string): void {
    this.field(tag, utf8.encode(text));
  }

  /** Opens a length-delimited field whose length is not known yet; `close` it with what this returns. */
  open(tag: number): number {
    this.ensure(3);
    this.bytes[this.position] = tag;
    this.position += 3; // tag and a length of two bytes: right for 128..16383, moved otherwise
    return this.position;
  }

  close(start: number): void {
    const length = this.position - start;
    if (length >= 0x80 && length < 0x4000) {
      this.bytes[start - 2] = (length & 0x7f) | 0x80;
      this.bytes[start - 1] = length >>> 7;
      return;
    }
    const width = varintSize(length);
    this.ensure(width);
    this.bytes.copyWithin(start - 2 + width, start, this.position);
    putVarint(this.bytes, start - 2, length);
    this.position += width - 2;
  }
}

const utf8 = new TextEncoder();

/** Below this a loop in JavaScript is faster than a native copy. */
const LOOP_BYTES = 48;

/** Copies and returns the position behind the copy. There must be room. */
export function putBytes(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  length: number,
): number {
  if (length <= LOOP_BYTES) {
    for (let i = 0; i < length; i++) target[at + i] = source[start + i] as number;
  } else {
    target.set(source.subarray(start, start + length), at);
  }
  return at + length;
}

/** Bytes padded with zeros to whole words of four, so that they can be copied by words. */
export interface Padded {
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

export function pad(source: Uint8Array): Padded {
  const words = new Uint32Array((source.length + 3) >>> 2);
  new Uint8Array(words.buffer).set(source);
  return { length: source.length, bytes: new Uint8Array(words.buffer, 0, source.length), words };
}

/**
 * Copies `length` bytes from word `index` on, four at a time: a third of what single bytes cost. Up to three bytes behind them are
 * written over; there must be room for those, too. Little-endian machines only, as the journal is.
 */
export function putWords(
  target: DataView,
  at: number,
  source: Uint32Array,
  index: number,
  length: number,
): number {
  const end = at + length;
  for (let p = at, i = index; p < end; p += 4, i++) target.setUint32(p, source[i] as number, true);
  return end;
}

/** What `putWords` may write behind the end. */
export const PADDING = 3;

export function putVarint(target: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    target[at++] = (value & 0x7f) | 0x80;
    value = value < 0x80000000 ? value >>> 7 : Math.floor(value / 128);
  }
  target[at++] = value;
  return at;
}

export function putVarint64(target: Uint8Array, at: number, low: number, high: number): number {
  low >>>= 0;
  high >>>= 0;
  while (high !== 0) {
    target[at++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  return putVarint(target, at, low);
}

export function putFixed32(target: Uint8Array, at: number, value: number): number {
  target[at] = value;
  target[at + 1] = value >>> 8;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 24;
  return at + 4;
}

export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  if (value < 0x800000000) return 5;
  return value < 0x40000000000 ? 6 : value < 0x2000000000000 ? 7 : 8;
}

export function varint64Size(low: number, high: number): number {
  low >>>= 0;
  high >>>= 0;
  return high === 0 ? varintSize(low) : Math.ceil((64 - Math.clz32(high)) / 7);
}
