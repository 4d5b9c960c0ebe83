/**
 * Reads the records of a journal's segment: docs/journal.md, "Records". The bytes are untrusted: every length, id and count
 * is held against a bound before it is used, and whatever is wrong ends the segment with a sentence that says what.
 */
import {
  align,
  ATTRIBUTE_BYTES,
  FIXED_BYTES,
  HEADER,
  HEADER_BYTES,
  journalBytes,
  LOG_SOURCE,
  MAGIC,
  MAX_DEPTH,
  RECORD,
  sizeFault,
  TRANSPORT,
  VALUE,
  VERSION,
  type LogSource,
} from './journal-format.ts';
import type { Attributes, AttributeValue, SpanKind, StatusCode } from './span-data.ts';

/** Ids in lower-case hex; times in ns since 1970. */
export type JournalRecord =
  | { readonly type: 'resource'; readonly attributes: Attributes }
  | {
      readonly type: 'start';
      readonly traceId: string;
      readonly spanId: string;
      /** '' for a root. */
      readonly parentSpanId: string;
      readonly name: string;
      readonly timeUnixNano: bigint;
      readonly kind: SpanKind;
      readonly traceFlags: number;
      readonly traceState: string;
      /** `name@version`, or a name alone, or ''. */
      readonly scope: string;
      readonly attributes: Attributes;
    }
  | { readonly type: 'attributes'; readonly spanId: string; readonly attributes: Attributes }
  | {
      readonly type: 'event';
      readonly spanId: string;
      readonly name: string;
      readonly timeUnixNano: bigint;
      readonly attributes: Attributes;
      readonly droppedAttributes: number;
    }
  | {
      readonly type: 'link';
      readonly spanId: string;
      readonly linkedTraceId: string;
      readonly linkedSpanId: string;
      readonly flags: number;
      readonly traceState: string;
      readonly attributes: Attributes;
    }
  | {
      readonly type: 'end';
      readonly spanId: string;
      readonly timeUnixNano: bigint;
      readonly statusCode: StatusCode;
      readonly statusMessage: string;
      readonly droppedAttributes: number;
      readonly droppedEvents: number;
      readonly droppedLinks: number;
      readonly attributes: Attributes;
    }
  | { readonly type: 'name'; readonly spanId: string; readonly name: string }
  | {
      readonly type: 'log';
      readonly timeUnixNano: bigint;
      /** '' for none. */
      readonly traceId: string;
      readonly spanId: string;
      readonly severityNumber: number;
      readonly source: LogSource;
      readonly body: AttributeValue | undefined;
      readonly attributes: Attributes;
    }
  | { readonly type: 'dropped'; readonly spans: bigint; readonly logs: bigint }
  | { readonly type: 'goodbye'; readonly timeUnixNano: bigint; readonly attributes: Attributes };

export interface Decoded {
  /** Where to go on: relative to the segment's start. */
  readonly offset: number;
  /** `tail`: nothing more yet. `next`: go on in the next segment. `corrupt`: `problem` says why; the rest is lost. */
  readonly state: 'tail' | 'next' | 'corrupt';
  readonly problem?: string;
}

/** Decodes one segment, in as many steps as it is written in: one decoder for each use of a segment. */
export class SegmentDecoder {
  /** By id; [0] stands for "none". */
  readonly #strings: string[] = [''];
  #anchorMs = 0;
  #anchorUnixNano = 0n;
  #bytes: Buffer = Buffer.alloc(0);
  /** End of the record being read, and the key-less attribute it has. */
  #end = 0;
  #unnamed: AttributeValue | undefined;

  /** `segment` holds the segment from its start to its end; reading begins at `offset`, a former result's. */
  decode(segment: Uint8Array, offset: number, visit: (record: JournalRecord) => void): Decoded {
    this.#bytes = Buffer.from(segment.buffer, segment.byteOffset, segment.byteLength);
    let at = offset;
    if (at < 0 || at % 8 !== 0)
      return { offset: at, state: 'corrupt', problem: `offset ${at} is no record's` };
    while (at + 8 <= this.#bytes.length) {
      const header = this.#bytes.readUInt32LE(at);
      if (header === 0) break;
      const length = header >>> 8;
      const type = header & 255;
      if (length < 8 || length % 8 !== 0 || at + length > this.#bytes.length)
        return { offset: at, state: 'corrupt', problem: `record of type ${type} has length ${length}` };
      if (type === RECORD.next) return { offset: at + length, state: 'next' };
      try {
        this.#end = at + length;
        const record = this.#read(type, at);
        if (record) visit(record);
      } catch (error) {
        if (!(error instanceof CorruptRecord)) throw error;
        return { offset: at, state: 'corrupt', problem: error.message };
      }
      at += length;
    }
    return { offset: at, state: 'tail' };
  }

  /** Undefined for a record that is for the decoder itself, or of a type of a later version: length is enough to skip it. */
  #read(type: number, at: number): JournalRecord | undefined {
    const bytes = this.#bytes;
    switch (type) {
      case RECORD.string:
        this.#need(at, FIXED_BYTES.string);
        this.#readString(at);
        return undefined;
      case RECORD.anchor:
        this.#need(at, FIXED_BYTES.anchor);
        this.#anchorMs = finite(bytes.readDoubleLE(at + 8));
        this.#anchorUnixNano = bytes.readBigUInt64LE(at + 16);
        return undefined;
      case RECORD.resource:
        this.#need(at, FIXED_BYTES.resource);
        return {
          type: 'resource',
          attributes: this.#readAttributes(at + FIXED_BYTES.resource, bytes.readUInt32LE(at + 4)),
        };
      case RECORD.start:
        return this.#readStart(at);
      case RECORD.attributes:
        this.#need(at, FIXED_BYTES.attributes);
        return {
          type: 'attributes',
          spanId: this.#hex(at + 8, 8),
          attributes: this.#readAttributes(at + FIXED_BYTES.attributes, bytes.readUInt32LE(at + 4)),
        };
      case RECORD.event:
        this.#need(at, FIXED_BYTES.event);
        return {
          type: 'event',
          name: this.#string(bytes.readUInt32LE(at + 4)),
          spanId: this.#hex(at + 8, 8),
          timeUnixNano: this.#time(at + 16),
          droppedAttributes: bytes.readUInt32LE(at + 28),
          attributes: this.#readAttributes(at + FIXED_BYTES.event, bytes.readUInt32LE(at + 24)),
        };
      case RECORD.link:
        this.#need(at, FIXED_BYTES.link);
        return {
          type: 'link',
          spanId: this.#hex(at + 8, 8),
          linkedTraceId: this.#hex(at + 16, 16),
          linkedSpanId: this.#hex(at + 32, 8),
          flags: bytes.readUInt32LE(at + 40),
          traceState: this.#string(bytes.readUInt32LE(at + 44)),
          attributes: this.#readAttributes(at + FIXED_BYTES.link, bytes.readUInt32LE(at + 4)),
        };
      case RECORD.end:
        return this.#readEnd(at);
      case RECORD.name:
        this.#need(at, FIXED_BYTES.name);
        return {
          type: 'name',
          name: this.#string(bytes.readUInt32LE(at + 4)),
          spanId: this.#hex(at + 8, 8),
        };
      case RECORD.log:
        return this.#readLog(at);
      case RECORD.dropped:
        this.#need(at, FIXED_BYTES.dropped);
        return {
          type: 'dropped',
          spans: bytes.readBigUInt64LE(at + 8),
          logs: bytes.readBigUInt64LE(at + 16),
        };
      case RECORD.goodbye:
        this.#need(at, FIXED_BYTES.goodbye);
        return {
          type: 'goodbye',
          timeUnixNano: this.#time(at + 8),
          attributes: this.#readAttributes(at + FIXED_BYTES.goodbye, bytes.readUInt32LE(at + 4)),
        };
      default:
        return undefined;
    }
  }

  #readString(at: number): void {
    const id = this.#bytes.readUInt32LE(at + 4);
    const length = this.#bytes.readUInt32LE(at + 8);
    if (id !== this.#strings.length)
      throw new CorruptRecord(`string id ${id} where ${this.#strings.length} is due`);
    this.#need(at, FIXED_BYTES.string + length);
    const from = at + FIXED_BYTES.string;
    this.#strings.push(this.#bytes.toString('utf8', from, from + length));
  }

  #readStart(at: number): JournalRecord {
    this.#need(at, FIXED_BYTES.start);
    const bytes = this.#bytes;
    const kind = bytes[at + 48] as number;
    const parent = this.#hex(at + 40, 8);
    return {
      type: 'start',
      name: this.#string(bytes.readUInt32LE(at + 4)),
      timeUnixNano: this.#time(at + 8),
      traceId: this.#hex(at + 16, 16),
      spanId: this.#hex(at + 32, 8),
      parentSpanId: parent === NO_SPAN ? '' : parent,
      kind: (kind <= MAX_KIND ? kind : 0) as SpanKind,
      traceFlags: bytes[at + 49] as number,
      traceState: this.#string(bytes.readUInt32LE(at + 52)),
      scope: this.#string(bytes.readUInt32LE(at + 56)),
      attributes: this.#readAttributes(at + FIXED_BYTES.start, bytes.readUInt32LE(at + 60)),
    };
  }

  #readEnd(at: number): JournalRecord {
    this.#need(at, FIXED_BYTES.end);
    const bytes = this.#bytes;
    const statusCode = bytes[at + 24] as number;
    const attributes = this.#readAttributes(at + FIXED_BYTES.end, bytes.readUInt32LE(at + 4));
    return {
      type: 'end',
      spanId: this.#hex(at + 8, 8),
      timeUnixNano: this.#time(at + 16),
      statusCode: (statusCode <= MAX_STATUS ? statusCode : 0) as StatusCode,
      statusMessage: typeof this.#unnamed === 'string' ? this.#unnamed : '',
      droppedAttributes: bytes.readUInt16LE(at + 26),
      droppedEvents: bytes.readUInt16LE(at + 28),
      droppedLinks: bytes.readUInt16LE(at + 30),
      attributes,
    };
  }

  #readLog(at: number): JournalRecord {
    this.#need(at, FIXED_BYTES.log);
    const bytes = this.#bytes;
    const traceId = this.#hex(at + 16, 16);
    const spanId = this.#hex(at + 32, 8);
    const attributes = this.#readAttributes(at + FIXED_BYTES.log, bytes.readUInt32LE(at + 4));
    return {
      type: 'log',
      timeUnixNano: this.#time(at + 8),
      traceId: traceId === NO_TRACE ? '' : traceId,
      spanId: spanId === NO_SPAN ? '' : spanId,
      severityNumber: Math.min(bytes[at + 40] as number, MAX_SEVERITY),
      source: SOURCES[bytes[at + 41] as number] ?? 'unknown',
      body: this.#unnamed,
      attributes,
    };
  }

  /** `count` attributes from `at` to the record's end; one without a key is kept aside. */
  #readAttributes(at: number, count: number): Attributes {
    this.#unnamed = undefined;
    const attributes: Record<string, AttributeValue> = {};
    let next = at;
    for (let i = 0; i < count; i++) {
      const { keyId, value, end } = this.#readAttribute(next, this.#end, 0);
      if (keyId === 0) this.#unnamed = value;
      else setOwn(attributes, this.#string(keyId), value);
      next = end;
    }
    return attributes;
  }

  #readAttribute(
    at: number,
    limit: number,
    depth: number,
  ): { keyId: number; value: AttributeValue; end: number } {
    if (at + ATTRIBUTE_BYTES > limit) throw new CorruptRecord(`attribute at ${at} goes past its record`);
    const bytes = this.#bytes;
    const keyId = bytes.readUInt32LE(at);
    const word = bytes.readUInt32LE(at + 4);
    const from = at + ATTRIBUTE_BYTES;
    const length = word >>> 8;
    const type = word & 255;
    const inline = type === VALUE.bool || type === VALUE.interned || type === VALUE.empty;
    const size = inline ? 0 : type === VALUE.int64 || type === VALUE.double ? 8 : length;
    const end = from + align(size);
    if (end > limit) throw new CorruptRecord(`value of ${size} bytes at ${at} goes past its record`);
    return { keyId, value: this.#readValue(type, length, from, from + size, depth), end };
  }

  #readValue(type: number, length: number, from: number, to: number, depth: number): AttributeValue {
    const bytes = this.#bytes;
    switch (type) {
      case VALUE.string:
        return bytes.toString('utf8', from, to);
      case VALUE.bool:
        return length !== 0;
      case VALUE.int64:
        return bytes.readBigInt64LE(from);
      case VALUE.double:
        return bytes.readDoubleLE(from);
      case VALUE.bytes:
        return new Uint8Array(bytes.subarray(from, to));
      case VALUE.interned:
        return this.#string(length);
      case VALUE.empty:
        return null;
      case VALUE.array:
      case VALUE.map:
        return this.#readNested(type, from, to, depth);
      default:
        throw new CorruptRecord(`value type ${type} is unknown`);
    }
  }

  #readNested(type: number, from: number, to: number, depth: number): AttributeValue {
    // A writer goes MAX_DEPTH deep; a little more is allowed so that both counts need not be the same to the one.
    if (depth > MAX_DEPTH + 1) throw new CorruptRecord(`values nested deeper than ${MAX_DEPTH}`);
    const elements: AttributeValue[] = [];
    const entries: Record<string, AttributeValue> = {};
    for (let at = from; at < to;) {
      const { keyId, value, end } = this.#readAttribute(at, to, depth + 1);
      if (type === VALUE.array) elements.push(value);
      else setOwn(entries, this.#string(keyId), value);
      at = end;
    }
    return type === VALUE.array ? elements : entries;
  }

  #need(at: number, size: number): void {
    if (at + size > this.#end) throw new CorruptRecord(`record at ${at} is shorter than ${size} bytes`);
  }

  #string(id: number): string {
    const text = this.#strings[id];
    if (text === undefined) throw new CorruptRecord(`string id ${id} is not known`);
    return text;
  }

  #hex(at: number, length: number): string {
    return this.#bytes.toString('hex', at, at + length);
  }

  /** A monotonic time as Unix ns, held within what a u64 can say. */
  #time(at: number): bigint {
    const sinceMs = finite(this.#bytes.readDoubleLE(at)) - this.#anchorMs;
    const nano = this.#anchorUnixNano + BigInt(Math.round(finite(sinceMs) * 1e6));
    return nano < 0n ? 0n : nano > MAX_U64 ? MAX_U64 : nano;
  }
}

class CorruptRecord extends Error {}

const NO_SPAN = '0'.repeat(16);
const NO_TRACE = '0'.repeat(32);
const MAX_KIND = 5;
const MAX_STATUS = 2;
const MAX_SEVERITY = 24;
const MAX_U64 = 2n ** 64n - 1n;
/** Longer ago or ahead than this, in ms (some 30,000 years), is no time. */
const MAX_TIME_MS = 1e15;
const SOURCES = Object.keys(LOG_SOURCE) as LogSource[];

function finite(value: number): number {
  return value > -MAX_TIME_MS && value < MAX_TIME_MS ? value : 0;
}

/** As an own property whatever the key: `__proto__` out of untrusted bytes must not be the object's prototype. */
export function setOwn(target: Record<string, AttributeValue>, key: string, value: AttributeValue): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}

export interface JournalHeader {
  readonly segmentBytes: number;
  readonly segmentCount: number;
  readonly pid: number;
  readonly transport: 'map' | 'write';
  readonly startTicks: bigint;
  readonly wallUnixNano: bigint;
  readonly droppedSpans: bigint;
  readonly droppedLogs: bigint;
  /** Of each segment; 0 = never used. */
  readonly sequences: Uint32Array;
  readonly drained: Uint32Array;
}

/** Reads the header page; a sentence instead when it is none we can read. `''` when it is not complete yet. */
export function decodeHeader(page: Uint8Array, fileBytes: number): JournalHeader | string {
  if (page.length < HEADER_BYTES) return '';
  const bytes = Buffer.from(page.buffer, page.byteOffset, page.byteLength);
  const magic = bytes.toString('latin1', 0, 8);
  if (magic === '\0'.repeat(8)) return '';
  if (magic !== MAGIC) return 'not a journal';
  const version = bytes.readUInt32LE(HEADER.version);
  if (version !== VERSION || bytes.readUInt32LE(HEADER.headerBytes) !== HEADER_BYTES)
    return `journal version ${version} is not known`;
  const segmentBytes = bytes.readUInt32LE(HEADER.segmentBytes);
  const segmentCount = bytes.readUInt32LE(HEADER.segmentCount);
  const fault = sizeFault(segmentBytes, segmentCount);
  if (fault) return fault;
  if (fileBytes < journalBytes(segmentBytes, segmentCount))
    return `the file has ${fileBytes} bytes, its header says ${journalBytes(segmentBytes, segmentCount)}`;
  const words = (offset: number) =>
    Uint32Array.from({ length: segmentCount }, (_, index) => bytes.readUInt32LE(offset + 4 * index));
  return {
    segmentBytes,
    segmentCount,
    pid: bytes.readUInt32LE(HEADER.pid),
    transport: bytes.readUInt32LE(HEADER.transport) === TRANSPORT.map ? 'map' : 'write',
    startTicks: bytes.readBigUInt64LE(HEADER.startTicks),
    wallUnixNano: bytes.readBigUInt64LE(HEADER.wallUnixNano),
    droppedSpans: bytes.readBigUInt64LE(HEADER.droppedSpans),
    droppedLogs: bytes.readBigUInt64LE(HEADER.droppedLogs),
    sequences: words(HEADER.sequence),
    drained: words(HEADER.drained),
  };
}
