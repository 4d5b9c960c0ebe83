import {
  FAAS_INSTANCE,
  LOG_IOSTREAM,
  LOG_RECORD_UID,
  SERVICE_NAME,
  SPOOR_JOURNAL_DROPPED,
} from '../span/attributes.ts';
import { FIXED_BYTES, MAX_SEGMENT_BYTES, RECORD } from '../span/journal-format.ts';
import {
  AttributeWriter,
  MAX_ENCODED_BYTES,
  readJournalString,
  type Chunk,
  type JournalString,
} from './attribute-writer.ts';
import { KeptSpan } from './kept-span.ts';
import { KeyNumbers } from './key-numbers.ts';
import { LogUids } from './log-uids.ts';
import { MAX_OPEN_SPANS, OpenSpans, type OpenSpan } from './open-spans.ts';
import type { OtlpBatch } from './otlp-batch.ts';
import { encodeResource, writeAnyValue, writeKeyValue } from './otlp.ts';
import { PADDING, ProtoBuffer, pad, putVarint, putWords, type Padded } from './proto-buffer.ts';
import type { SpanEnding } from './span-ending.ts';

/** How many of an instance's last log lines are remembered for its end, and how much of each. */
const TAIL_LINES = 10;
const TAIL_LINE_CHARS = 1024;
/** A string takes 16 bytes of journal at least, so ids beyond this are damage. */
const MAX_STRING_ID = MAX_SEGMENT_BYTES / 16;
/** Times further than this from their anchor (146 years) are damage; the anchor's own time stands in. */
const MAX_ANCHOR_DISTANCE_NS = 2 ** 62;
const MAX_SPARE_SPANS = 2048;
const MAX_SPARE_KEPT = 1024;
const TWO_32 = 2 ** 32;

/** What one piece of journal came to. */
export interface Consumed {
  /** Bytes of whole records taken. */
  readonly bytes: number;
  /** The segment says that it is complete. */
  readonly isLast: boolean;
}

/**
 * One instance's records into OTLP: joins START, ATTRIBUTES, EVENT, LINK, NAME and END into spans, from bytes to bytes.
 * A span that starts and ends within one piece of journal is never more than offsets into it; others are kept as encoded OTLP
 * (kept-span.ts).
 *
 * Nothing in a record is trusted: lengths, ids and counts are checked, and what does not fit is skipped and counted in `damaged`.
 */
export class Transcoder {
  readonly open = new OpenSpans();
  /** The instance's Resource message. */
  resource: Uint8Array;
  /** Time of the latest record, unix ns, as two halves. */
  lastLow = 0;
  lastHigh = 0;
  /** Totals the journal says it had no room for, as far as they have been reported. */
  droppedSpans = 0;
  droppedLogs = 0;
  /** Records and attributes that could not be read. */
  damagedRecords = 0;
  /** Spans not followed because too many were open. */
  overflowed = 0;
  /** What the process said of its own end. */
  goodbye: Map<string, string | bigint> | undefined;
  /** The last lines it printed, oldest first. */
  tail: string[] = [];

  readonly #attributes = new AttributeWriter();
  readonly #uids: LogUids;
  readonly #scratch = new ProtoBuffer(1024);
  readonly #fresh: OpenSpan[] = [];
  /** Used up, to be used again: a span that comes and goes within one piece makes no garbage. */
  readonly #spare: OpenSpan[] = [];
  readonly #spareKept: KeptSpan[] = [];
  readonly #keys = new KeyNumbers();
  #tailOffsets: number[] = [];
  /** Spans and logs lost since the last span that said so. */
  #unsaidDrops = 0;
  #monotonicMs = 0;
  #wallLow = 0;
  #wallHigh = 0;
  #timeLow = 0;
  #timeHigh = 0;
  /** Key ids of what we say of a log record ourselves; 0 when the segment does not have them. */
  #streamKey = 0;
  #uidKey = 0;
  /** The log record has said its stream itself. */
  #saysStream = false;
  /** By key id: offset of the attribute that counts. */
  #winners = new Uint32Array(256);
  /** By key id: the span that has had it last. */
  #holders = new Uint32Array(256);
  #spanNumber = 0;

  /** `journalId`: no other journal ever has the same. */
  constructor(instanceId: string, journalId: string) {
    this.#uids = new LogUids(journalId);
    // Until the function is known (it died, or is still being loaded) the instance itself is all there is to name.
    this.resource = encodeResource({ [SERVICE_NAME]: 'unknown_service', [FAAS_INSTANCE]: instanceId });
  }

  get damaged(): number {
    return this.damagedRecords + this.#attributes.damaged;
  }

  /** A new segment begins: ids of strings start anew. */
  beginSegment(sequence: number): void {
    this.#attributes.beginSegment();
    this.#keys.beginSegment();
    this.#uids.beginSegment(sequence);
    this.#streamKey = 0;
    this.#uidKey = 0;
  }

  /**
   * Takes the whole records at the start of `chunk`, which begins at `offset` of its segment. What lies below `silentBytes` was handed on in an earlier life of the
   * agent: it only rebuilds the table of open spans.
   */
  consume(chunk: Chunk, length: number, offset: number, silentBytes: number, batch: OtlpBatch): Consumed {
    const { u32 } = chunk;
    this.#uids.offset = offset;
    batch.begin(this.resource);
    let at = 0;
    let isLast = false;
    while (at + 8 <= length) {
      const word = u32[at >>> 2] as number;
      const size = word >>> 8;
      if (word === 0 || size < 8 || (size & 7) !== 0 || at + size > length) break;
      const type = word & 0xff;
      const isSilent = at < silentBytes;
      const fixed = SHORTEST[type];
      if (fixed === undefined || size < fixed) this.damagedRecords += 1;
      else if (type === RECORD.next) isLast = true;
      else this.#record(chunk, at, at + size, type, isSilent, batch);
      at += size;
      if (isLast) break;
    }
    for (const span of this.#fresh) {
      if (span.isOpen) this.#keep(span, chunk);
      else if (span.kept === undefined && this.#spare.length < MAX_SPARE_SPANS) this.#spare.push(span);
    }
    this.#fresh.length = 0;
    this.#rememberTail(chunk);
    return { bytes: at, isLast };
  }

  #record(chunk: Chunk, at: number, end: number, type: number, isSilent: boolean, batch: OtlpBatch): void {
    const { u32, f64 } = chunk;
    const i = at >>> 2;
    switch (type) {
      case RECORD.start:
        this.#setTime(chunk, at + 8);
        this.#start(chunk, at);
        return;
      case RECORD.end:
        this.#setTime(chunk, at + 16);
        this.#end(chunk, at, end, isSilent, batch);
        return;
      case RECORD.event:
        this.#setTime(chunk, at + 16);
        this.#addTo(chunk, at, end);
        return;
      case RECORD.attributes:
      case RECORD.link:
        this.#addTo(chunk, at, end);
        return;
      case RECORD.string: {
        const id = u32[i + 1] as number;
        const length = u32[i + 2] as number;
        if (id === 0 || id > MAX_STRING_ID || length > end - at - 16) this.damagedRecords += 1;
        else this.#define(id, readJournalString(chunk, at + 16, length));
        return;
      }
      case RECORD.anchor:
        this.#anchor(f64[(at + 8) >>> 3] as number, u32[i + 4] as number, u32[i + 5] as number);
        return;
      case RECORD.name: {
        const span = this.open.get(u32[i + 2] as number, u32[i + 3] as number);
        const name = this.#attributes.strings[u32[i + 1] as number];
        if (span === undefined || name === undefined) this.damagedRecords += 1;
        else span.name = name.field;
        return;
      }
      case RECORD.log:
        this.#setTime(chunk, at + 8);
        if (!isSilent) this.#log(chunk, at, end, batch);
        return;
      case RECORD.resource:
        this.#resource(chunk, at, end, batch);
        return;
      case RECORD.dropped:
        this.noteDropped(readU64(u32, i + 2), readU64(u32, i + 4), isSilent, batch);
        return;
      case RECORD.goodbye:
        this.#setTime(chunk, at + 8);
        this.#goodbye(chunk, at, end);
        return;
    }
  }

  #define(id: number, string: JournalString): void {
    this.#attributes.define(id, string);
    this.#keys.define(id);
    if (string.text === LOG_IOSTREAM) this.#streamKey = id;
    else if (string.text === LOG_RECORD_UID) this.#uidKey = id;
  }

  #anchor(monotonicMs: number, wallLow: number, wallHigh: number): void {
    if (!Number.isFinite(monotonicMs)) {
      this.damagedRecords += 1;
      return;
    }
    this.#monotonicMs = monotonicMs;
    this.#wallLow = wallLow;
    this.#wallHigh = wallHigh;
  }

  /**
   * Replaces the record's monotonic milliseconds by unix nanoseconds, in place: the anchor that counts is the one in force now,
   * not the one in force when the span is written. Halves, because a bigint per time is what this is made to avoid.
   */
  #setTime(chunk: Chunk, at: number): void {
    let distance = ((chunk.f64[at >>> 3] as number) - this.#monotonicMs) * 1e6;
    if (!(distance > -MAX_ANCHOR_DISTANCE_NS && distance < MAX_ANCHOR_DISTANCE_NS)) distance = 0;
    const sum = this.#wallLow + Math.round(distance);
    const carry = Math.floor(sum / TWO_32);
    const low = sum - carry * TWO_32;
    const high = Math.min(Math.max(this.#wallHigh + carry, 0), TWO_32 - 1);
    chunk.u32[at >>> 2] = low;
    chunk.u32[(at >>> 2) + 1] = high;
    this.#timeLow = low;
    this.#timeHigh = high;
    if (high > this.lastHigh || (high === this.lastHigh && low > this.lastLow)) {
      this.lastHigh = high;
      this.lastLow = low;
    }
  }

  #start(chunk: Chunk, at: number): void {
    const { u32 } = chunk;
    const i = at >>> 2;
    const low = u32[i + 8] as number;
    const high = u32[i + 9] as number;
    if ((low | high) === 0 || !hasTraceId(u32, i + 4)) {
      this.damagedRecords += 1;
      return;
    }
    if (this.open.size >= MAX_OPEN_SPANS) {
      this.overflowed += 1;
      return;
    }
    const { strings } = this.#attributes;
    const scopeId = u32[i + 14] as number;
    const span = this.#spare.pop() ?? { ...NO_SPAN };
    span.low = low;
    span.high = high;
    span.next = undefined;
    span.isOpen = true;
    span.start = at;
    span.more = undefined;
    span.name = strings[u32[i + 1] as number]?.field ?? NO_STRING;
    span.scope = scopeId === 0 ? '' : (strings[scopeId]?.text ?? '');
    if (this.open.add(span)) this.#fresh.push(span);
    else {
      this.damagedRecords += 1;
      span.isOpen = false;
      this.#spare.push(span);
    }
  }

  /** ATTRIBUTES, EVENT or LINK of a span that is open. */
  #addTo(chunk: Chunk, at: number, end: number): void {
    const span = this.open.get(chunk.u32[(at >>> 2) + 2] as number, chunk.u32[(at >>> 2) + 3] as number);
    if (span === undefined) this.damagedRecords += 1;
    else if (span.kept !== undefined) this.#addToKept(span.kept, chunk, at, end);
    else if (span.more === undefined) span.more = [at];
    else span.more.push(at);
  }

  /**
   * Span: trace_id = 1 bytes · span_id = 2 bytes · trace_state = 3 string · parent_span_id = 4 bytes · name = 5 string ·
   * kind = 6 varint · start_time_unix_nano = 7 fixed64 · end_time_unix_nano = 8 fixed64 · attributes = 9 KeyValue ·
   * dropped_attributes_count = 10 varint · events = 11 Event · dropped_events_count = 12 varint · links = 13 Link ·
   * dropped_links_count = 14 varint · status = 15 Status · flags = 16 fixed32
   */
  #end(chunk: Chunk, at: number, end: number, isSilent: boolean, batch: OtlpBatch): void {
    const { u32, u8 } = chunk;
    const i = at >>> 2;
    const span = this.open.take(u32[i + 2] as number, u32[i + 3] as number);
    if (span === undefined) {
      this.damagedRecords += 1;
      return;
    }
    const { kept } = span;
    if (isSilent) {
      if (kept !== undefined) this.#reuse(span, kept);
      return;
    }
    const out = batch.spans(span.scope);
    const begin = out.open(0x12);
    const message = kept
      ? this.#endKept(out, span, kept, chunk, at, end)
      : this.#endFresh(out, span, chunk, at, end);
    const counts = u32[i + 6] as number;
    const droppedAttributes = (counts >>> 16) + (kept?.droppedAttributes ?? 0);
    const counts2 = u32[i + 7] as number;
    const droppedEvents = (counts2 & 0xffff) + (kept?.droppedEvents ?? 0);
    if ((droppedAttributes | droppedEvents | counts2) !== 0) {
      writeCount(out, 0x50, droppedAttributes);
      writeCount(out, 0x60, droppedEvents);
      writeCount(out, 0x70, counts2 >>> 16);
    }
    const code = u8[at + 24] as number;
    if (code !== 0 || message !== 0) this.#writeStatus(out, code > 2 ? 0 : code, chunk, message);
    if (this.#unsaidDrops > 0) {
      writeKeyValue(out, 0x4a, SPOOR_JOURNAL_DROPPED, BigInt(this.#unsaidDrops));
      this.#unsaidDrops = 0;
    }
    out.close(begin);
    batch.spanWritten(out.position - begin);
    if (kept !== undefined) this.#reuse(span, kept);
  }

  #reuse(span: OpenSpan, kept: KeptSpan): void {
    span.kept = undefined;
    if (this.#spare.length < MAX_SPARE_SPANS) this.#spare.push(span);
    if (this.#spareKept.length < MAX_SPARE_KEPT && kept.isReusable) this.#spareKept.push(kept);
  }

  /** Start and end lie in the same piece. Returns the offset of the status message, 0 when there is none. */
  #endFresh(out: ProtoBuffer, span: OpenSpan, chunk: Chunk, at: number, end: number): number {
    const { u32 } = chunk;
    const start = span.start;
    this.#writeHead(out, chunk, start);
    this.#writeName(out, span.name);
    this.#writeEndTime(out, u32[(start >>> 2) + 2] as number, u32[(start >>> 2) + 3] as number);
    const begin = out.position;
    const { damaged } = this.#attributes;
    this.#spanNumber = (this.#spanNumber + 1) >>> 0;
    const message = this.#putEach(out, span, chunk, at, end);
    if (message >= 0) return message;
    out.position = begin;
    this.#attributes.damaged = damaged;
    return this.#putLast(out, span, chunk, at, end);
  }

  /** What was said of a span between its START, at `span.start`, and its END, as long as no attribute is said twice: then -1. */
  #putEach(out: ProtoBuffer, span: OpenSpan, chunk: Chunk, at: number, end: number): number {
    const { u32 } = chunk;
    const start = span.start;
    const startEnd = start + ((u32[start >>> 2] as number) >>> 8);
    if (this.#putOnce(out, chunk, start + 64, startEnd, u32[(start >>> 2) + 15] as number) < 0) return -1;
    if (span.more !== undefined) {
      for (const record of span.more) {
        const word = u32[record >>> 2] as number;
        const recordEnd = record + (word >>> 8);
        const type = word & 0xff;
        if (type === RECORD.event) this.#writeEvent(out, chunk, record, recordEnd);
        else if (type === RECORD.link) this.#writeLink(out, chunk, record, recordEnd);
        else if (this.#putOnce(out, chunk, record + 16, recordEnd, u32[(record >>> 2) + 1] as number) < 0)
          return -1;
      }
    }
    return this.#putOnce(out, chunk, at + 32, end, u32[(at >>> 2) + 1] as number);
  }

  /** Set more than once: the last one counts. Ids stand for keys, because all of it lies in one segment. */
  #putLast(out: ProtoBuffer, span: OpenSpan, chunk: Chunk, at: number, end: number): number {
    const { u32 } = chunk;
    const start = span.start;
    const startEnd = start + ((u32[start >>> 2] as number) >>> 8);
    const startCount = u32[(start >>> 2) + 15] as number;
    const endCount = u32[(at >>> 2) + 1] as number;
    const { more } = span;
    this.#mark(chunk, start + 64, startEnd, startCount);
    if (more !== undefined) {
      for (const record of more) {
        const word = u32[record >>> 2] as number;
        if ((word & 0xff) === RECORD.attributes) {
          this.#mark(chunk, record + 16, record + (word >>> 8), u32[(record >>> 2) + 1] as number);
        }
      }
    }
    this.#mark(chunk, at + 32, end, endCount);
    this.#put(out, chunk, start + 64, startEnd, startCount);
    if (more !== undefined) {
      for (const record of more) {
        const word = u32[record >>> 2] as number;
        const recordEnd = record + (word >>> 8);
        const type = word & 0xff;
        if (type === RECORD.attributes) {
          this.#put(out, chunk, record + 16, recordEnd, u32[(record >>> 2) + 1] as number);
        } else if (type === RECORD.event) this.#writeEvent(out, chunk, record, recordEnd);
        else this.#writeLink(out, chunk, record, recordEnd);
      }
    }
    return this.#put(out, chunk, at + 32, end, endCount);
  }

  /** The start lies in an earlier piece. Returns the offset of the status message, 0 when there is none. */
  #endKept(out: ProtoBuffer, span: OpenSpan, kept: KeptSpan, chunk: Chunk, at: number, end: number): number {
    const count = chunk.u32[(at >>> 2) + 1] as number;
    this.#writeName(out, span.name);
    this.#writeEndTime(out, kept.startLow, kept.startHigh);
    if (!this.#repeats(kept, chunk, at + 32, end, count)) {
      kept.settle();
      const begin = out.position;
      const { damaged } = this.#attributes;
      out.raw(kept.fields.view());
      this.#spanNumber = (this.#spanNumber + 1) >>> 0;
      const message = this.#putOnce(out, chunk, at + 32, end, count);
      if (message >= 0) return message;
      out.position = begin;
      this.#attributes.damaged = damaged;
    }
    const message = this.#keepAttributes(kept, chunk, at + 32, end, count);
    kept.settle();
    out.raw(kept.fields.view());
    return message;
  }

  /** Whether one of these attributes may have a key that the span has already. */
  #repeats(kept: KeptSpan, chunk: Chunk, from: number, end: number, count: number): boolean {
    for (let at = from; count > 0; count--) {
      const size = this.#attributes.size(chunk, at, end);
      if (size === 0) return false;
      const id = chunk.u32[at >>> 2] as number;
      const key = id === 0 ? undefined : this.#attributes.strings[id]?.text;
      if (key !== undefined && kept.has(this.#keys.of(id, key))) return true;
      at += size;
    }
    return false;
  }

  /** Fields 1 to 4, 6, 7 and 16, from a START record whose time is already in unix ns. */
  #writeHead(out: ProtoBuffer, chunk: Chunk, at: number): void {
    const { u8, u32 } = chunk;
    const i = at >>> 2;
    const stateId = u32[i + 13] as number;
    const state = stateId === 0 ? undefined : this.#attributes.strings[stateId]?.field;
    out.ensure(96 + (state?.length ?? 0));
    const { data } = out;
    let p = out.position;
    data.setUint16(p, 0x0a10); // tag and length
    p = putWords(data, p + 2, u32, i + 4, 16);
    data.setUint16(p, 0x1208);
    p = putWords(data, p + 2, u32, i + 8, 8);
    if (state !== undefined) {
      data.setUint8(p, 0x1a);
      p = putWords(data, p + 1, state.words, 0, state.length);
    }
    if (((u32[i + 10] as number) | (u32[i + 11] as number)) !== 0) {
      data.setUint16(p, 0x2208);
      p = putWords(data, p + 2, u32, i + 10, 8);
    }
    const kind = u8[at + 48] as number;
    data.setUint16(p, 0x3000 | (kind > 5 ? 0 : kind));
    data.setUint8(p + 2, 0x39);
    p = putWords(data, p + 3, u32, i + 2, 8);
    // flags = 16: the tag takes two bytes
    data.setUint16(p, 0x8501);
    data.setUint32(p + 2, u8[at + 49] as number, true);
    out.position = p + 6;
  }

  #writeName(out: ProtoBuffer, name: Padded): void {
    out.ensure(1 + name.length + PADDING);
    out.data.setUint8(out.position, 0x2a);
    out.position = putWords(out.data, out.position + 1, name.words, 0, name.length);
  }

  /** The time now set, but never before the start: another anchor may have moved the clock between the two. */
  #writeEndTime(out: ProtoBuffer, startLow: number, startHigh: number): void {
    const isBefore = this.#timeHigh < startHigh || (this.#timeHigh === startHigh && this.#timeLow < startLow);
    out.ensure(9);
    const { data, position } = out;
    data.setUint8(position, 0x41);
    data.setUint32(position + 1, isBefore ? startLow : this.#timeLow, true);
    data.setUint32(position + 5, isBefore ? startHigh : this.#timeHigh, true);
    out.position = position + 9;
  }

  /**
   * Attributes as `attributes = 9`, as long as each key comes once. Returns the offset of the one with key id 0, 0 when there is
   * none, -1 when a key has come before in this span.
   */
  #putOnce(out: ProtoBuffer, chunk: Chunk, from: number, end: number, count: number): number {
    let special = 0;
    const begin = out.position;
    for (let at = from; count > 0; count--) {
      const size = this.#attributes.size(chunk, at, end);
      if (size === 0 || out.position - begin > MAX_ENCODED_BYTES) {
        this.#attributes.damaged += 1;
        break;
      }
      const key = chunk.u32[at >>> 2] as number;
      if (key === 0) special = at;
      else if (key < MAX_STRING_ID) {
        if (key >= this.#holders.length) this.#holders = grown(this.#holders, key);
        if (this.#holders[key] === this.#spanNumber) return -1;
        this.#holders[key] = this.#spanNumber;
        this.#attributes.write(out, 0x4a, chunk, at);
      }
      at += size;
    }
    return special;
  }

  #mark(chunk: Chunk, from: number, end: number, count: number): void {
    for (let at = from; count > 0 && at < end; count--) {
      const size = this.#attributes.size(chunk, at, end);
      if (size === 0) return;
      const key = chunk.u32[at >>> 2] as number;
      if (key < MAX_STRING_ID) {
        if (key >= this.#winners.length) this.#winners = grown(this.#winners, key);
        this.#winners[key] = at;
      }
      at += size;
    }
  }

  /** Marked attributes as `attributes = 9`. Returns the offset of the one with key id 0, 0 when there is none. */
  #put(out: ProtoBuffer, chunk: Chunk, from: number, end: number, count: number): number {
    let special = 0;
    const begin = out.position;
    for (let at = from; count > 0; count--) {
      const size = this.#attributes.size(chunk, at, end);
      if (size === 0 || out.position - begin > MAX_ENCODED_BYTES) {
        this.#attributes.damaged += 1;
        break;
      }
      const key = chunk.u32[at >>> 2] as number;
      if (key === 0) special = at;
      else if (this.#winners[key] === at) this.#attributes.write(out, 0x4a, chunk, at);
      at += size;
    }
    return special;
  }

  /** Status: message = 2 string · code = 3 varint */
  #writeStatus(out: ProtoBuffer, code: number, chunk: Chunk, messageAt: number): void {
    const status = out.open(0x7a);
    if (messageAt !== 0) {
      const message = this.#attributes.read(chunk, messageAt);
      if (typeof message === 'string' && message !== '') out.string(0x12, message);
    }
    if (code !== 0) {
      out.byte(0x18);
      out.byte(code);
    }
    out.close(status);
  }

  /** Event: time_unix_nano = 1 fixed64 · name = 2 string · attributes = 3 KeyValue · dropped_attributes_count = 4 varint */
  #writeEvent(out: ProtoBuffer, chunk: Chunk, at: number, end: number): void {
    const { u32 } = chunk;
    const i = at >>> 2;
    const name = this.#attributes.strings[u32[i + 1] as number]?.field ?? NO_STRING;
    const event = out.open(0x5a);
    out.byte(0x09);
    out.fixed64(u32[i + 4] as number, u32[i + 5] as number);
    out.byte(0x12);
    out.raw(name.bytes);
    this.#writeAll(out, 0x1a, chunk, at + 32, end, u32[i + 6] as number);
    writeCount(out, 0x20, u32[i + 7] as number);
    out.close(event);
  }

  /** Link: trace_id = 1 bytes · span_id = 2 bytes · trace_state = 3 string · attributes = 4 KeyValue · flags = 6 fixed32 */
  #writeLink(out: ProtoBuffer, chunk: Chunk, at: number, end: number): void {
    const { u32, u8 } = chunk;
    const i = at >>> 2;
    const link = out.open(0x6a);
    out.field(0x0a, u8.subarray(at + 16, at + 32));
    out.field(0x12, u8.subarray(at + 32, at + 40));
    const state = this.#attributes.strings[u32[i + 11] as number];
    if (state !== undefined) {
      out.byte(0x1a);
      out.raw(state.field.bytes);
    }
    this.#writeAll(out, 0x22, chunk, at + 48, end, u32[i + 1] as number);
    out.byte(0x35);
    out.fixed32(u32[i + 10] as number);
    out.close(link);
  }

  #writeAll(out: ProtoBuffer, tag: number, chunk: Chunk, from: number, end: number, count: number): number {
    let special = 0;
    const begin = out.position;
    for (let at = from; count > 0; count--) {
      const size = this.#attributes.size(chunk, at, end);
      if (size === 0 || out.position - begin > MAX_ENCODED_BYTES) {
        this.#attributes.damaged += 1;
        break;
      }
      if (chunk.u32[at >>> 2] === 0) special = at;
      else this.#attributes.write(out, tag, chunk, at);
      at += size;
    }
    return special;
  }

  /**
   * LogRecord: time_unix_nano = 1 fixed64 · severity_number = 2 varint · severity_text = 3 string · body = 5 AnyValue ·
   * attributes = 6 KeyValue · trace_id = 9 bytes · span_id = 10 bytes · observed_time_unix_nano = 11 fixed64
   */
  #log(chunk: Chunk, at: number, end: number, batch: OtlpBatch): void {
    const { u32, u8 } = chunk;
    const i = at >>> 2;
    const out = batch.logs();
    const log = out.open(0x12);
    this.#writeLogTimes(out);
    writeSeverity(out, u8[at + 40] as number);
    this.#saysStream = false;
    const body = this.#writeLogAttributes(out, chunk, at + 48, end, u32[i + 1] as number);
    if (body !== 0) {
      this.#attributes.writeAnyValue(out, 0x2a, chunk, body);
      this.#tailOffsets.push(body);
    }
    const stream = STREAM_OF_SOURCE[u8[at + 41] as number];
    if (stream !== undefined && !this.#saysStream) writeKeyValue(out, 0x32, LOG_IOSTREAM, stream);
    this.#uids.writeAt(out, 0x32, at);
    if (hasTraceId(u32, i + 4)) {
      out.field(0x4a, u8.subarray(at + 16, at + 32));
      if (((u32[i + 8] as number) | (u32[i + 9] as number)) !== 0)
        out.field(0x52, u8.subarray(at + 32, at + 40));
    }
    out.close(log);
    batch.logWritten();
  }

  /** As `#writeAll`, but for what we say ourselves. */
  #writeLogAttributes(out: ProtoBuffer, chunk: Chunk, from: number, end: number, count: number): number {
    let special = 0;
    const begin = out.position;
    for (let at = from; count > 0; count--) {
      const size = this.#attributes.size(chunk, at, end);
      if (size === 0 || out.position - begin > MAX_ENCODED_BYTES) {
        this.#attributes.damaged += 1;
        break;
      }
      const key = chunk.u32[at >>> 2] as number;
      const isStream = key !== 0 && key === this.#streamKey;
      if (key === 0) special = at;
      else if (key !== this.#uidKey && !(isStream && this.#saysStream)) {
        this.#attributes.write(out, 0x32, chunk, at);
        this.#saysStream ||= isStream;
      }
      at += size;
    }
    return special;
  }

  #writeLogTimes(out: ProtoBuffer): void {
    out.byte(0x09);
    out.fixed64(this.#timeLow, this.#timeHigh);
    out.byte(0x59);
    out.fixed64(this.#timeLow, this.#timeHigh);
  }

  #resource(chunk: Chunk, at: number, end: number, batch: OtlpBatch): void {
    const out = this.#scratch;
    out.reset();
    this.#writeAll(out, 0x0a, chunk, at + 8, end, chunk.u32[(at >>> 2) + 1] as number);
    // Every segment repeats it; the same bytes must stay the same object, or each segment would start a frame.
    if (Buffer.compare(out.view(), this.resource) === 0) return;
    this.resource = out.copy();
    batch.begin(this.resource);
  }

  /**
   * The journal's own totals of what it had no room for. The difference to what was last reported is said in a log record, on the
   * next span, and in the metrics.
   */
  noteDropped(spans: number, logs: number, isSilent: boolean, batch: OtlpBatch): void {
    const newSpans = Math.max(0, spans - this.droppedSpans);
    const newLogs = Math.max(0, logs - this.droppedLogs);
    if (newSpans + newLogs === 0 || !Number.isSafeInteger(spans) || !Number.isSafeInteger(logs)) return;
    this.droppedSpans += newSpans;
    this.droppedLogs += newLogs;
    if (isSilent) return;
    this.#unsaidDrops += newSpans + newLogs;
    const out = batch.logs();
    const log = out.open(0x12);
    this.#timeLow = this.lastLow;
    this.#timeHigh = this.lastHigh;
    this.#writeLogTimes(out);
    writeSeverity(out, 13);
    writeAnyValue(out, 0x2a, `the journal was full: ${newSpans} spans and ${newLogs} log records were lost`);
    writeKeyValue(out, 0x32, SPOOR_JOURNAL_DROPPED, BigInt(newSpans + newLogs));
    this.#uids.writeText(out, 0x32, `dropped-${spans}-${logs}`);
    out.close(log);
    batch.logWritten();
  }

  #goodbye(chunk: Chunk, at: number, end: number): void {
    const said = new Map<string, string | bigint>();
    let count = chunk.u32[(at >>> 2) + 1] as number;
    for (let item = at + 16; count > 0; count--) {
      const size = this.#attributes.size(chunk, item, end);
      if (size === 0) break;
      const key = this.#attributes.strings[chunk.u32[item >>> 2] as number]?.text;
      const value = this.#attributes.read(chunk, item);
      if (key !== undefined && value !== undefined) said.set(key, value);
      item += size;
    }
    this.goodbye = said;
  }

  #rememberTail(chunk: Chunk): void {
    if (this.#tailOffsets.length === 0) return;
    for (const at of this.#tailOffsets.slice(-TAIL_LINES)) {
      const line = this.#attributes.read(chunk, at);
      if (typeof line === 'string') this.tail.push(line.slice(0, TAIL_LINE_CHARS));
    }
    this.#tailOffsets = [];
    if (this.tail.length > TAIL_LINES) this.tail = this.tail.slice(-TAIL_LINES);
  }

  /** The piece of journal goes away and the span is still open: from offsets to encoded OTLP. */
  #keep(span: OpenSpan, chunk: Chunk): void {
    const { u32 } = chunk;
    const at = span.start;
    const i = at >>> 2;
    const kept = this.#spareKept.pop() ?? new KeptSpan();
    kept.fields.reset();
    this.#writeHead(kept.fields, chunk, at);
    kept.begin();
    kept.parentLow = u32[i + 10] as number;
    kept.parentHigh = u32[i + 11] as number;
    kept.startLow = u32[i + 2] as number;
    kept.startHigh = u32[i + 3] as number;
    this.#keepAttributes(kept, chunk, at + 64, at + ((u32[i] as number) >>> 8), u32[i + 15] as number);
    if (span.more !== undefined) {
      for (const record of span.more) {
        this.#addToKept(kept, chunk, record, record + ((u32[record >>> 2] as number) >>> 8));
      }
    }
    span.kept = kept;
    span.start = -1;
    span.more = undefined;
  }

  #addToKept(kept: KeptSpan, chunk: Chunk, at: number, end: number): void {
    const type = (chunk.u32[at >>> 2] as number) & 0xff;
    if (type === RECORD.attributes) {
      this.#keepAttributes(kept, chunk, at + 16, end, chunk.u32[(at >>> 2) + 1] as number);
      return;
    }
    if (!kept.hasRoomForExtra) {
      kept.droppedEvents += 1;
      return;
    }
    const { fields } = kept;
    const begin = fields.position;
    if (type === RECORD.event) this.#writeEvent(fields, chunk, at, end);
    else this.#writeLink(fields, chunk, at, end);
    kept.extraAdded(fields.position - begin);
  }

  /** Returns the offset of the attribute with key id 0, 0 when there is none. */
  #keepAttributes(kept: KeptSpan, chunk: Chunk, from: number, end: number, count: number): number {
    let special = 0;
    let written = 0;
    for (let at = from; count > 0; count--) {
      const size = this.#attributes.size(chunk, at, end);
      if (size === 0 || written > MAX_ENCODED_BYTES) {
        this.#attributes.damaged += 1;
        break;
      }
      const id = chunk.u32[at >>> 2] as number;
      if (id === 0) special = at;
      else {
        const begin = kept.fields.position;
        const key = this.#attributes.strings[id]?.text;
        // Where there is no such key, `write` says so and counts it.
        if (this.#attributes.write(kept.fields, 0x4a, chunk, at) && key !== undefined) {
          written += kept.fields.position - begin;
          kept.attributeAdded(this.#keys.of(id, key));
        }
      }
      at += size;
    }
    return special;
  }

  /** Ends every open span with the reason its process died. Spans without an open parent carry what only needs saying once. */
  endOpen(ending: SpanEnding, batch: OtlpBatch): number {
    batch.begin(this.resource);
    this.#timeLow = Number(ending.timeUnixNano & 0xffffffffn);
    this.#timeHigh = Number((ending.timeUnixNano >> 32n) & 0xffffffffn);
    let ended = 0;
    for (const span of this.open) {
      const { kept } = span;
      if (kept === undefined) continue;
      const isOutermost = this.open.get(kept.parentLow, kept.parentHigh) === undefined;
      const attributes = isOutermost ? ending.outermostAttributes : ending.attributes;
      const out = batch.spans(span.scope);
      const begin = out.open(0x12);
      kept.settle();
      kept.dropKeys(attributes);
      out.raw(kept.fields.view());
      this.#writeName(out, span.name);
      this.#writeEndTime(out, kept.startLow, kept.startHigh);
      for (const [key, value] of Object.entries(attributes)) writeKeyValue(out, 0x4a, key, value);
      if (this.#unsaidDrops > 0) {
        writeKeyValue(out, 0x4a, SPOOR_JOURNAL_DROPPED, BigInt(this.#unsaidDrops));
        this.#unsaidDrops = 0;
      }
      if (isOutermost && ending.exception !== undefined) {
        const event = out.open(0x5a);
        out.byte(0x09);
        out.fixed64(this.#timeLow, this.#timeHigh);
        out.string(0x12, ending.exception.name);
        for (const [key, value] of Object.entries(ending.exception.attributes)) {
          writeKeyValue(out, 0x1a, key, value);
        }
        out.close(event);
      }
      writeCount(out, 0x50, kept.droppedAttributes);
      writeCount(out, 0x60, kept.droppedEvents);
      const status = out.open(0x7a);
      out.string(0x12, ending.message);
      out.byte(0x18);
      out.byte(2);
      out.close(status);
      out.close(begin);
      batch.spanWritten(out.position - begin);
      ended += 1;
    }
    this.open.clear();
    return ended;
  }
}

/** By record type: no record of it is shorter. */
const SHORTEST: (number | undefined)[] = [];
for (const [name, type] of Object.entries(RECORD)) SHORTEST[type] = FIXED_BYTES[name as keyof typeof RECORD];

const NO_STRING = pad(new Uint8Array([0]));

const NO_SPAN: OpenSpan = {
  low: 0,
  high: 0,
  next: undefined,
  isOpen: false,
  start: -1,
  more: undefined,
  name: NO_STRING,
  scope: '',
  kept: undefined,
};

/** By LOG source: stdout, stderr and crash are streams; console and logging are not (docs/journal.md). */
const STREAM_OF_SOURCE: readonly (string | undefined)[] = [
  undefined,
  undefined,
  'stdout',
  'stderr',
  undefined,
  'stderr',
];

const SEVERITY_TEXT = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'].map(
  (text) => new Uint8Array([text.length, ...Buffer.from(text)]),
);

function writeSeverity(out: ProtoBuffer, severity: number): void {
  if (severity < 1 || severity > 24) return;
  out.byte(0x10);
  out.byte(severity);
  out.byte(0x1a);
  out.raw(SEVERITY_TEXT[(severity - 1) >> 2] as Uint8Array);
}

/** The same with room for index `key`. */
function grown(words: Uint32Array, key: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(key * 2);
  larger.set(words);
  return larger;
}

/** A varint field that is left out when 0. */
function writeCount(out: ProtoBuffer, tag: number, count: number): void {
  if (count === 0) return;
  out.ensure(11);
  out.bytes[out.position] = tag;
  out.position = putVarint(out.bytes, out.position + 1, count);
}

function hasTraceId(u32: Uint32Array, i: number): boolean {
  return u32[i] !== 0 || u32[i + 1] !== 0 || u32[i + 2] !== 0 || u32[i + 3] !== 0;
}

function readU64(u32: Uint32Array, i: number): number {
  return (u32[i + 1] as number) * TWO_32 + (u32[i] as number);
}
