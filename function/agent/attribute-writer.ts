import { isUtf8 } from 'node:buffer';
import { VALUE } from '../span/journal-format.ts';
import { ProtoBuffer, putBytes, putVarint, putVarint64, varint64Size, varintSize } from './proto-buffer.ts';

/** Arrays and maps nested deeper than this are dropped: a stranger wrote them. */
const MAX_DEPTH = 16;

/** One record never becomes more OTLP than this: eight bytes that name an interned string of 32 KiB, ten thousand times over. */
export const MAX_ENCODED_BYTES = 2 * 1024 * 1024;

/** A piece of a journal in memory, seen as bytes, words and doubles. Records in it begin at multiples of 8. */
export class Chunk {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;

  constructor(capacity: number) {
    const memory = new ArrayBuffer(capacity);
    this.u8 = new Uint8Array(memory);
    this.u32 = new Uint32Array(memory);
    this.f64 = new Float64Array(memory);
  }
}

/** A string of the journal: `field` is its length as a varint and then its bytes, ready to follow any tag. */
export interface JournalString {
  readonly field: Uint8Array;
  readonly text: string;
}

/** Turns attributes of a journal (docs/journal.md, "Attribute") into KeyValue messages, straight from bytes to bytes. */
export class AttributeWriter {
  /** The strings of the segment by id; 0 is never used. */
  strings: (JournalString | undefined)[] = [];
  /** Attributes that could not be read: unknown key, a length past the record, nested too deep. */
  damaged = 0;
  #depth = 0;

  /** Bytes from an attribute at `at` to the next one, or 0 when it does not fit before `end`. */
  size(chunk: Chunk, at: number, end: number): number {
    if (at + 8 > end) return 0;
    const word = chunk.u32[(at >>> 2) + 1] as number;
    const length = word >>> 8;
    switch (word & 0xff) {
      case VALUE.bool:
      case VALUE.interned:
      case VALUE.empty:
        return 8;
      case VALUE.int64:
      case VALUE.double:
        return at + 16 > end ? 0 : 16;
      case VALUE.string:
      case VALUE.bytes:
      case VALUE.array:
      case VALUE.map: {
        const size = 8 + ((length + 7) & ~7);
        return at + size > end ? 0 : size;
      }
      default:
        return 0;
    }
  }

  /**
   * The attribute at `at`, whose size was checked, as a field of the message around it.
   * KeyValue: key = 1 string · value = 2 AnyValue. False when there is no such key or value.
   */
  write(out: ProtoBuffer, tag: number, chunk: Chunk, at: number): boolean {
    const key = this.strings[chunk.u32[at >>> 2] as number];
    if (key === undefined) {
      this.damaged += 1;
      return false;
    }
    const word = chunk.u32[(at >>> 2) + 1] as number;
    const type = word & 0xff;
    const keySize = 1 + key.field.length;
    const begin = out.position;
    if (type === VALUE.string) {
      const length = word >>> 8;
      const any = 1 + varintSize(length) + length;
      out.ensure(keySize + any + 24);
      let p = begin;
      const bytes = out.bytes;
      bytes[p++] = tag;
      p = putVarint(bytes, p, keySize + 1 + varintSize(any) + any);
      bytes[p++] = 0x0a;
      p = putBytes(bytes, p, key.field, 0, key.field.length);
      bytes[p++] = 0x12;
      p = putVarint(bytes, p, any);
      bytes[p++] = 0x0a;
      p = putVarint(bytes, p, length);
      const start = at + 8;
      if (copyUtf8(bytes, p, chunk.u8, start, length)) {
        out.position = p + length;
        return true;
      }
      // Not utf-8: one such byte and a strict collector refuses the whole batch. Mended, at a cost nobody honest pays.
      out.position = begin;
      const mended = Buffer.from(Buffer.from(chunk.u8.buffer, start, length).toString());
      const message = out.open(tag);
      out.byte(0x0a);
      out.raw(key.field);
      const value = out.open(0x12);
      out.field(0x0a, mended);
      out.close(value);
      out.close(message);
      return true;
    }
    const any = this.#scalarSize(chunk, at, type, word);
    if (any >= 0) {
      out.ensure(keySize + any + 24);
      let p = begin;
      const bytes = out.bytes;
      bytes[p++] = tag;
      p = putVarint(bytes, p, keySize + 1 + varintSize(any) + any);
      bytes[p++] = 0x0a;
      p = putBytes(bytes, p, key.field, 0, key.field.length);
      bytes[p++] = 0x12;
      bytes[p++] = any; // patched below when it takes more than one byte
      if (any >= 0x80) p = putVarint(bytes, p - 1, any);
      out.position = this.#putScalar(bytes, p, chunk, at, type, word);
      return true;
    }
    const message = out.open(tag);
    out.byte(0x0a);
    out.raw(key.field);
    const written = this.writeAnyValue(out, 0x12, chunk, at);
    if (!written) {
      out.position = begin;
      return false;
    }
    out.close(message);
    return true;
  }

  /**
   * The value of the attribute at `at`, whatever its key.
   * AnyValue: string_value = 1 string · bool_value = 2 varint · int_value = 3 varint · double_value = 4 fixed64 ·
   * array_value = 5 ArrayValue · kvlist_value = 6 KeyValueList · bytes_value = 7 bytes
   */
  writeAnyValue(out: ProtoBuffer, tag: number, chunk: Chunk, at: number): boolean {
    const word = chunk.u32[(at >>> 2) + 1] as number;
    const type = word & 0xff;
    const length = word >>> 8;
    const begin = out.position;
    const start = out.open(tag);
    if (type === VALUE.string) {
      const text = chunk.u8.subarray(at + 8, at + 8 + length);
      out.field(0x0a, isUtf8(text) ? text : Buffer.from(Buffer.from(text).toString()));
    } else if (type === VALUE.array || type === VALUE.map) {
      if (this.#depth >= MAX_DEPTH) {
        this.damaged += 1;
        out.position = begin;
        return false;
      }
      this.#depth += 1;
      const list = out.open(type === VALUE.array ? 0x2a : 0x32);
      const end = at + 8 + length;
      for (let item = at + 8; item < end;) {
        const size = this.size(chunk, item, end);
        if (size === 0 || out.position - begin > MAX_ENCODED_BYTES) {
          this.damaged += 1;
          break;
        }
        // ArrayValue: values = 1 AnyValue · KeyValueList: values = 1 KeyValue
        if (type === VALUE.array) this.writeAnyValue(out, 0x0a, chunk, item);
        else this.write(out, 0x0a, chunk, item);
        item += size;
      }
      out.close(list);
      this.#depth -= 1;
    } else {
      const size = this.#scalarSize(chunk, at, type, word);
      if (size < 0) {
        this.damaged += 1;
        out.position = begin;
        return false;
      }
      out.ensure(size);
      out.position = this.#putScalar(out.bytes, out.position, chunk, at, type, word);
    }
    out.close(start);
    return true;
  }

  /** A string or an integer as a value; other types are of no use to the agent itself. */
  read(chunk: Chunk, at: number): string | bigint | undefined {
    const word = chunk.u32[(at >>> 2) + 1] as number;
    switch (word & 0xff) {
      case VALUE.string:
        return Buffer.from(chunk.u8.buffer, at + 8, word >>> 8).toString();
      case VALUE.interned:
        return this.strings[word >>> 8]?.text;
      case VALUE.int64:
        return new DataView(chunk.u8.buffer).getBigInt64(at + 8, true);
      default:
        return undefined;
    }
  }

  /** Bytes of the AnyValue, or -1 when it is not a scalar (or refers to a string that is not there). */
  #scalarSize(chunk: Chunk, at: number, type: number, word: number): number {
    switch (type) {
      case VALUE.bool:
        return 2;
      case VALUE.int64:
        return 1 + varint64Size(chunk.u32[(at >>> 2) + 2] as number, chunk.u32[(at >>> 2) + 3] as number);
      case VALUE.double:
        return 9;
      case VALUE.bytes: {
        const length = word >>> 8;
        return 1 + varintSize(length) + length;
      }
      case VALUE.interned: {
        const text = this.strings[word >>> 8];
        return text === undefined ? -1 : 1 + text.field.length;
      }
      case VALUE.empty:
        return 0;
      default:
        return -1;
    }
  }

  #putScalar(bytes: Uint8Array, p: number, chunk: Chunk, at: number, type: number, word: number): number {
    switch (type) {
      case VALUE.bool:
        bytes[p++] = 0x10;
        bytes[p++] = word >>> 8 === 0 ? 0 : 1;
        return p;
      case VALUE.int64:
        bytes[p++] = 0x18;
        return putVarint64(
          bytes,
          p,
          chunk.u32[(at >>> 2) + 2] as number,
          chunk.u32[(at >>> 2) + 3] as number,
        );
      case VALUE.double:
        bytes[p++] = 0x21;
        return putBytes(bytes, p, chunk.u8, at + 8, 8);
      case VALUE.bytes: {
        bytes[p++] = 0x3a;
        const length = word >>> 8;
        p = putVarint(bytes, p, length);
        return putBytes(bytes, p, chunk.u8, at + 8, length);
      }
      case VALUE.interned: {
        const text = this.strings[word >>> 8] as JournalString;
        bytes[p++] = 0x0a;
        return putBytes(bytes, p, text.field, 0, text.field.length);
      }
      default:
        return p;
    }
  }
}

/** Copies a string that should be utf-8; false when it is not. Short and ASCII is the common case and costs one loop. */
function copyUtf8(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  length: number,
): boolean {
  if (length > 64) {
    const text = source.subarray(start, start + length);
    target.set(text, at);
    return isUtf8(text);
  }
  let seen = 0;
  for (let i = 0; i < length; i++) {
    const byte = source[start + i] as number;
    seen |= byte;
    target[at + i] = byte;
  }
  return seen < 0x80 || isUtf8(source.subarray(start, start + length));
}

/** A string as the journal holds it, mended if it is not utf-8. */
export function readJournalString(chunk: Chunk, start: number, length: number): JournalString {
  const text = Buffer.from(chunk.u8.buffer, start, length).toString();
  const out = new ProtoBuffer(length + 8);
  const bytes = Buffer.from(text);
  out.varint(bytes.length);
  out.raw(bytes);
  return { field: out.copy(), text };
}
