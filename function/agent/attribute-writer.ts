import { isUtf8 } from 'node:buffer';
import { VALUE } from '../span/journal-format.ts';
import {
  pad,
  PADDING,
  ProtoBuffer,
  putBytes,
  putVarint,
  putVarint64,
  putWords,
  varint64Size,
  varintSize,
  type Padded,
} from './proto-buffer.ts';

/** Arrays and maps nested deeper than this are dropped: a stranger wrote them. */
const MAX_DEPTH = 16;

/** One record never becomes more OTLP than this: eight bytes that name an interned string of 32 KiB, ten thousand times over. */
export const MAX_ENCODED_BYTES = 2 * 1024 * 1024;

/** Key ids below this are remembered with what their last attributes were encoded as, up to so many bytes each. */
const MAX_KNOWN_KEYS = 1024;
const MAX_KNOWN_BYTES = 256;
/** Text up to this length is copied by words in JavaScript, which beats a call into C++. */
const WORDS_BYTES = 192;

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
  readonly field: Padded;
  readonly text: string;
}

/**
 * What the attributes of one key were encoded as, without the tag. The attributes of a function's spans are the same again and
 * again: same key, same type, same length, often the same value. Then they are not encoded anew but copied.
 */
interface Known {
  /** See `signatureOf`: it says all that the encoding depends on, but for the value behind it. */
  readonly signature: number;
  /** The whole KeyValue, or all of it before the value's own bytes: of a text, an int, a double. */
  readonly encoded: Padded;
}

/** Turns attributes of a journal (docs/journal.md, "Attribute") into KeyValue messages, straight from bytes to bytes. */
export class AttributeWriter {
  /** The strings of the segment by id; 0 is never used. Set them with `define`. */
  strings: (JournalString | undefined)[] = [];
  /** Attributes that could not be read: unknown key, a length past the record, nested too deep. */
  damaged = 0;
  #depth = 0;
  /** By key id. */
  #known: (Known | undefined)[] = [];
  /** By key id: the signature that was met last and not known. It becomes known when it comes twice in a row. */
  readonly #missed = new Uint32Array(MAX_KNOWN_KEYS);

  /** A new segment: its strings have ids of their own. */
  beginSegment(): void {
    this.strings = [];
    this.#forget();
  }

  define(id: number, string: JournalString): void {
    // An honest writer gives an id once.
    if (this.strings[id] !== undefined) this.#forget();
    this.strings[id] = string;
  }

  #forget(): void {
    this.#known = [];
    this.#missed.fill(0);
  }

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
    const { u32 } = chunk;
    const i = at >>> 2;
    const keyId = u32[i] as number;
    if (keyId >= MAX_KNOWN_KEYS) return this.#encode(out, tag, chunk, at);
    const word = u32[i + 1] as number;
    const signature = signatureOf(u32, i);
    const known = this.#known[keyId];
    if (known === undefined || known.signature !== signature) {
      const begin = out.position;
      if (!this.#encode(out, tag, chunk, at)) return false;
      if (this.#missed[keyId] === signature) this.#learn(keyId, signature, out, begin + 1, word);
      this.#missed[keyId] = signature;
      return true;
    }
    const { encoded } = known;
    const type = word & 0xff;
    const length = type === VALUE.string ? word >>> 8 : 10;
    out.ensure(1 + encoded.length + length + PADDING);
    const { data, bytes } = out;
    bytes[out.position] = tag;
    const p = putWords(data, out.position + 1, encoded.words, 0, encoded.length);
    if (type === VALUE.string) {
      if (!copyUtf8(out, p, chunk, at + 8, length)) return this.#encode(out, tag, chunk, at);
      out.position = p + length;
    } else if (type === VALUE.int64)
      out.position = putVarint64(bytes, p, u32[i + 2] as number, u32[i + 3] as number);
    else if (type === VALUE.double) out.position = putWords(data, p, u32, i + 2, 8);
    else out.position = p;
    return true;
  }

  #learn(keyId: number, signature: number, out: ProtoBuffer, begin: number, word: number): void {
    const type = word & 0xff;
    if (type === VALUE.bytes || type === VALUE.array || type === VALUE.map) return;
    const valueBytes =
      type === VALUE.string
        ? word >>> 8
        : type === VALUE.int64
          ? signature >>> 24
          : type === VALUE.double
            ? 8
            : 0;
    const end = out.position - valueBytes;
    if (end - begin > MAX_KNOWN_BYTES || valueBytes > MAX_KNOWN_BYTES) return;
    this.#known[keyId] = { signature, encoded: pad(out.bytes.subarray(begin, end)) };
  }

  /** As `write`, from the beginning. */
  #encode(out: ProtoBuffer, tag: number, chunk: Chunk, at: number): boolean {
    const key = this.strings[chunk.u32[at >>> 2] as number];
    if (key === undefined) {
      this.damaged += 1;
      return false;
    }
    const word = chunk.u32[(at >>> 2) + 1] as number;
    const type = word & 0xff;
    const begin = out.position;
    if (type === VALUE.string) {
      const length = word >>> 8;
      const any = 1 + varintSize(length) + length;
      let p = this.#putKey(out, tag, key, any);
      const { bytes } = out;
      bytes[p++] = 0x0a;
      p = putVarint(bytes, p, length);
      if (copyUtf8(out, p, chunk, at + 8, length)) {
        out.position = p + length;
        return true;
      }
      // Not utf-8: one such byte and a strict collector refuses the whole batch. Mended, at a cost nobody honest pays.
      const mended = Buffer.from(Buffer.from(chunk.u8.buffer, at + 8, length).toString());
      const message = out.open(tag);
      out.byte(0x0a);
      out.raw(key.field.bytes);
      const value = out.open(0x12);
      out.field(0x0a, mended);
      out.close(value);
      out.close(message);
      return true;
    }
    const any = this.#scalarSize(chunk, at, type, word);
    if (any >= 0) {
      const p = this.#putKey(out, tag, key, any);
      out.position = this.#putScalar(out.bytes, p, chunk, at, type, word);
      return true;
    }
    const message = out.open(tag);
    out.byte(0x0a);
    out.raw(key.field.bytes);
    const written = this.writeAnyValue(out, 0x12, chunk, at);
    if (!written) {
      out.position = begin;
      return false;
    }
    out.close(message);
    return true;
  }

  /** A KeyValue up to and with the length `any` of its value, for which room is made. Returns where the value begins. */
  #putKey(out: ProtoBuffer, tag: number, { field }: JournalString, any: number): number {
    const keySize = 1 + field.length;
    out.ensure(keySize + any + 24);
    const { bytes } = out;
    let p = out.position;
    bytes[p++] = tag;
    p = putVarint(bytes, p, keySize + 1 + varintSize(any) + any);
    bytes[p++] = 0x0a;
    p = putBytes(bytes, p, field.bytes, 0, field.length);
    bytes[p++] = 0x12;
    return putVarint(bytes, p, any);
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
        return putBytes(bytes, p, text.field.bytes, 0, text.field.length);
      }
      default:
        return p;
    }
  }
}

/**
 * Two attributes of a key with the same signature are encoded alike but for the value's own bytes. It is the word of type and length,
 * and for an int how many bytes the varint takes.
 */
function signatureOf(u32: Uint32Array, i: number): number {
  const word = u32[i + 1] as number;
  if ((word & 0xff) !== VALUE.int64) return word;
  return ((varint64Size(u32[i + 2] as number, u32[i + 3] as number) << 24) | VALUE.int64) >>> 0;
}

/** Copies a string that should be utf-8, for which there is room; false when it is not. ASCII is the common case and costs one loop. */
function copyUtf8(out: ProtoBuffer, p: number, chunk: Chunk, start: number, length: number): boolean {
  if (length > WORDS_BYTES) {
    const text = chunk.u8.subarray(start, start + length);
    out.bytes.set(text, p);
    return isUtf8(text);
  }
  const { data } = out;
  const { u32 } = chunk;
  let seen = 0;
  // The last word may hold what follows the text: padding, zero if the writer is honest. If not, we only look more closely.
  for (let i = start >>> 2, at = p; at < p + length; i++, at += 4) {
    const word = u32[i] as number;
    seen |= word;
    data.setUint32(at, word, true);
  }
  return (seen & 0x80808080) === 0 || isUtf8(chunk.u8.subarray(start, start + length));
}

/** A string as the journal holds it, mended if it is not utf-8. */
export function readJournalString(chunk: Chunk, start: number, length: number): JournalString {
  const text = Buffer.from(chunk.u8.buffer, start, length).toString();
  const out = new ProtoBuffer(length + 8);
  const bytes = Buffer.from(text);
  out.varint(bytes.length);
  out.raw(bytes);
  return { field: pad(out.view()), text };
}
