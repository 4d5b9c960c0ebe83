/**
 * Appends records to the journal: docs/journal.md, "Records". This is the hot path: one record is laid out in place with
 * plain stores and becomes visible by one atomic store of its header word; no object is made, no id becomes text.
 *
 * A record is laid out in one go. When it meets a key that has no id in this segment yet, or the segment's end, it is
 * wiped and laid out again behind the new strings, or in the next segment. Between records everything from the position
 * on is zero, and while one is made everything from the cursor on.
 */
import { checkWallClock, monotonicMs, wallUnixNano } from './clock.ts';
import type { JournalFile, Segment } from './journal-file.ts';
import { align, ATTRIBUTE_BYTES, FIXED_BYTES, MAX_DEPTH, RECORD, VALUE } from './journal-format.ts';
import type { IdWords } from './span-context.ts';
import type { StartForm } from './start-form.ts';

/** A span's raw ids: trace, span and parent; zeros for a parent that is not there. */
export interface RawIds extends IdWords {
  readonly p0: number;
  readonly p1: number;
}

/** What a user gave. null, undefined, functions and symbols are no values and are left out. */
export type AttributeSource = Readonly<Record<string, unknown>>;

/** The key of the attribute that is a status message or a log's body: id 0. */
const NO_KEY = 0;
/** Interned text is cut here, in UTF-16 units: a name or key that is longer is data in the wrong place. */
const MAX_INTERNED_LENGTH = 2048;
/** Text up to this length is copied by a loop, which beats a call into C++. */
const SHORT_TEXT = 16;
/** Slots of the table in front of the map of ids; a power of two. */
const RECENT_SLOTS = 256;
/** Ids below this are remembered with what follows them, and keys below it with their value. */
const SMALL_IDS = 256;
/** Values up to this length, in UTF-16 units, become interned strings when a key has the same one twice in a row. */
const MAX_REPEATED_LENGTH = 256;
/** A key whose value has changed this often within a segment has values of its own each time: no use comparing more. */
const MAX_CHANGES = 16;

type Outcome = 0 | 1 | 2;
const RETRY: Outcome = 0;
const DONE: Outcome = 1;
const DROPPED: Outcome = 2;

export class JournalWriter {
  readonly #file: JournalFile;
  readonly #valueLimit: number;
  /** Ids of the strings of this segment. */
  readonly #ids = new Map<string, number>();
  /** The strings by id. Id 0 is the empty text's, which is never written. */
  readonly #texts: string[] = [''];
  /**
   * Names and keys come in the same order again and again: by id, the one that followed last time. A guess that is right costs
   * one comparison of pointers.
   */
  readonly #followers = new Int32Array(SMALL_IDS);
  #lastId = 0;
  /** The ids used last, by a slot computed from length and two letters: a third of what the map costs. */
  readonly #recentTexts: string[] = Array.from({ length: RECENT_SLOTS }, () => '');
  readonly #recentIds = new Int32Array(RECENT_SLOTS);
  /** By key id: the text it had last, that text's own id once it has come twice, and how often it has changed. */
  readonly #values: string[] = Array.from({ length: SMALL_IDS }, () => '');
  readonly #valueIds = new Int32Array(SMALL_IDS);
  readonly #changes = new Uint8Array(SMALL_IDS);
  readonly #missing: string[] = [];
  /** The record in the making asks for strings or for another segment. */
  #isAmiss = false;
  #segment: Segment | undefined;
  #words = new Int32Array(0);
  #doubles = new Float64Array(0);
  #bytes = Buffer.alloc(0) as FastBuffer;
  /** The end of what may be used of the segment: behind it there is room for NEXT. */
  #limit = 0;
  /** Where the next record begins. */
  #position = 0;
  /** Where the record in the making goes on. */
  #cursor = 0;
  #overflow = false;
  /** A fresh segment was not enough either: leave out the attributes that do not fit. */
  #lenient = false;
  /** How far a staged segment is in the file. */
  #flushed = 0;
  #staged = true;
  #resource: AttributeSource = {};
  #clockCorrections = 0;
  #droppedSpans = 0;
  #droppedLogs = 0;
  #toldDropped = 0;
  #skipped = 0;
  #written = 0;
  #closed = false;

  /** Attribute values longer than `valueLimit`, in UTF-16 units, are cut. */
  constructor(file: JournalFile, valueLimit: number) {
    this.#file = file;
    this.#valueLimit = valueLimit;
  }

  /** Attributes of the last record that were no values or found no room. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Attributes in the last record that had a list of them. */
  get written(): number {
    return this.#written;
  }

  get droppedSpans(): number {
    return this.#droppedSpans;
  }

  get droppedLogs(): number {
    return this.#droppedLogs;
  }

  /** START. `maxAttributes` of the attributes are written. False: no room, the span is dropped and counted. */
  start(
    ids: RawIds,
    name: string,
    timeMs: number,
    kind: number,
    flags: number,
    traceState: string,
    scope: string,
    attributes: AttributeSource | undefined,
    maxAttributes: number,
  ): boolean {
    for (;;) {
      const at = this.#open(FIXED_BYTES.start);
      if (at < 0) return this.dropSpan();
      const words = this.#words;
      const w = at >> 2;
      words[w + 1] = this.#idOf(name);
      this.#doubles[(at + 8) >> 3] = timeMs;
      words[w + 4] = ids.t0;
      words[w + 5] = ids.t1;
      words[w + 6] = ids.t2;
      words[w + 7] = ids.t3;
      words[w + 8] = ids.s0;
      words[w + 9] = ids.s1;
      words[w + 10] = ids.p0;
      words[w + 11] = ids.p1;
      words[w + 12] = kind | (flags << 8);
      words[w + 13] = traceState === '' ? 0 : this.#idOf(traceState);
      words[w + 14] = scope === '' ? 0 : this.#idOf(scope);
      words[w + 15] = attributes === undefined ? 0 : this.#putAttributes(attributes, maxAttributes);
      const outcome = this.#commit(at, RECORD.start);
      if (outcome === DONE) return true;
      if (outcome === DROPPED) return this.dropSpan();
    }
  }

  /** START of a span that has a form; see there. `values` are of its keys, undefined where there is none. */
  startLike(
    form: StartForm,
    values: readonly unknown[],
    ids: RawIds,
    timeMs: number,
    flags: number,
    traceState: string,
  ): boolean {
    for (;;) {
      const at = this.#open(form.laidOutIn === this.#segment ? form.bytes : FIXED_BYTES.start);
      if (at < 0) return this.dropSpan();
      const words = this.#words;
      const w = at >> 2;
      const isLaidOut = form.laidOutIn === this.#segment;
      if (isLaidOut) {
        const laidOut = form.words;
        for (let i = 1; i < laidOut.length; i++) words[w + i] = laidOut[i] as number;
      } else {
        this.#cursor = at + FIXED_BYTES.start;
        words[w + 1] = this.#idOf(form.name);
        words[w + 12] = form.kind | (flags << 8);
        words[w + 14] = form.scope === '' ? 0 : this.#idOf(form.scope);
        words[w + 15] = this.#putAttributes(form.same, Number.POSITIVE_INFINITY);
      }
      const same = words[w + 15] as number;
      const sameEnd = this.#cursor;
      this.#doubles[(at + 8) >> 3] = timeMs;
      words[w + 4] = ids.t0;
      words[w + 5] = ids.t1;
      words[w + 6] = ids.t2;
      words[w + 7] = ids.t3;
      words[w + 8] = ids.s0;
      words[w + 9] = ids.s1;
      words[w + 10] = ids.p0;
      words[w + 11] = ids.p1;
      words[w + 13] = traceState === '' ? 0 : this.#idOf(traceState);
      let count = same;
      for (let i = 0; i < values.length && !this.#overflow; i++) {
        const value = values[i];
        if (value !== undefined) count += this.#putAttribute(form.keys[i] as string, value);
      }
      words[w + 15] = count;
      this.#written = count;
      const outcome = this.#commit(at, RECORD.start);
      if (outcome === DONE) {
        if (!isLaidOut && this.#skipped === 0) this.#keep(form, at, sameEnd, same);
        return true;
      }
      if (outcome === DROPPED) return this.dropSpan();
    }
  }

  /** The second time in a segment: by then what repeats is interned. */
  #keep(form: StartForm, at: number, end: number, count: number): void {
    const segment = this.#segment as Segment;
    if (form.seenIn !== segment) {
      form.seenIn = segment;
      return;
    }
    form.laidOutIn = segment;
    form.words = this.#words.slice(at >> 2, end >> 2);
    form.words[15] = count;
    form.bytes = end - at;
  }

  /** ATTRIBUTES with one attribute. Staged, it is written out with the next record that cannot wait. */
  attribute(ids: RawIds, key: string, value: unknown): boolean {
    for (;;) {
      const at = this.#open(FIXED_BYTES.attributes);
      if (at < 0) return false;
      const w = at >> 2;
      this.#words[w + 1] = this.#putAttribute(key, value);
      this.#words[w + 2] = ids.s0;
      this.#words[w + 3] = ids.s1;
      const outcome = this.#commit(at, RECORD.attributes, true);
      if (outcome !== RETRY) return outcome === DONE;
    }
  }

  /** ATTRIBUTES with several. */
  attributes(ids: RawIds, attributes: AttributeSource, maxAttributes: number): boolean {
    for (;;) {
      const at = this.#open(FIXED_BYTES.attributes);
      if (at < 0) return false;
      const w = at >> 2;
      this.#words[w + 2] = ids.s0;
      this.#words[w + 3] = ids.s1;
      this.#words[w + 1] = this.#putAttributes(attributes, maxAttributes);
      const outcome = this.#commit(at, RECORD.attributes, true);
      if (outcome !== RETRY) return outcome === DONE;
    }
  }

  /** EVENT. */
  event(
    ids: RawIds,
    name: string,
    timeMs: number,
    attributes: AttributeSource | undefined,
    maxAttributes: number,
    droppedAttributes: number,
  ): boolean {
    for (;;) {
      const at = this.#open(FIXED_BYTES.event);
      if (at < 0) return false;
      const w = at >> 2;
      this.#words[w + 1] = this.#idOf(name);
      this.#words[w + 2] = ids.s0;
      this.#words[w + 3] = ids.s1;
      this.#doubles[(at + 16) >> 3] = timeMs;
      this.#words[w + 6] = attributes === undefined ? 0 : this.#putAttributes(attributes, maxAttributes);
      this.#words[w + 7] = droppedAttributes + (attributes === undefined ? 0 : this.#skipped);
      const outcome = this.#commit(at, RECORD.event);
      if (outcome !== RETRY) return outcome === DONE;
    }
  }

  /** LINK from the span `ids` to the trace and span of `linked`. */
  link(
    ids: RawIds,
    linked: IdWords,
    flags: number,
    traceState: string,
    attributes: AttributeSource | undefined,
    maxAttributes: number,
  ): boolean {
    for (;;) {
      const at = this.#open(FIXED_BYTES.link);
      if (at < 0) return false;
      const words = this.#words;
      const w = at >> 2;
      words[w + 2] = ids.s0;
      words[w + 3] = ids.s1;
      words[w + 4] = linked.t0;
      words[w + 5] = linked.t1;
      words[w + 6] = linked.t2;
      words[w + 7] = linked.t3;
      words[w + 8] = linked.s0;
      words[w + 9] = linked.s1;
      words[w + 10] = flags;
      words[w + 11] = traceState === '' ? 0 : this.#idOf(traceState);
      words[w + 1] = attributes === undefined ? 0 : this.#putAttributes(attributes, maxAttributes);
      const outcome = this.#commit(at, RECORD.link);
      if (outcome !== RETRY) return outcome === DONE;
    }
  }

  /**
   * END, with a last attribute if it has a key, and with last attributes if there are any. False: no room; the span is counted as
   * dropped, and its START stays without an end.
   */
  end(
    ids: RawIds,
    timeMs: number,
    statusCode: number,
    statusMessage: string,
    droppedAttributes: number,
    droppedEvents: number,
    droppedLinks: number,
    key: string,
    value: number,
    attributes: AttributeSource | undefined,
  ): boolean {
    for (;;) {
      const at = this.#open(FIXED_BYTES.end);
      if (at < 0) return this.dropSpan();
      const words = this.#words;
      const w = at >> 2;
      words[w + 2] = ids.s0;
      words[w + 3] = ids.s1;
      this.#doubles[(at + 16) >> 3] = timeMs;
      words[w + 7] = Math.min(droppedEvents, 0xffff) | (Math.min(droppedLinks, 0xffff) << 16);
      let count = statusMessage === '' ? 0 : this.#putUnnamed(statusMessage);
      if (key !== '') count += this.#putAttribute(key, value);
      let dropped = droppedAttributes;
      if (attributes !== undefined) {
        count += this.#putAttributes(attributes, Number.POSITIVE_INFINITY);
        dropped += this.#skipped;
      }
      words[w + 1] = count;
      words[w + 6] = statusCode | (Math.min(dropped, 0xffff) << 16);
      const outcome = this.#commit(at, RECORD.end);
      if (outcome === DONE) return true;
      if (outcome === DROPPED) return this.dropSpan();
    }
  }

  /** NAME. */
  name(ids: RawIds, name: string): boolean {
    for (;;) {
      const at = this.#open(FIXED_BYTES.name);
      if (at < 0) return false;
      const w = at >> 2;
      this.#words[w + 1] = this.#idOf(name);
      this.#words[w + 2] = ids.s0;
      this.#words[w + 3] = ids.s1;
      const outcome = this.#commit(at, RECORD.name);
      if (outcome !== RETRY) return outcome === DONE;
    }
  }

  /** LOG; `ids` undefined for a line that belongs to no span. False: no room, the log record is dropped and counted. */
  log(
    ids: IdWords | undefined,
    timeMs: number,
    severityNumber: number,
    source: number,
    body: unknown,
    attributes: AttributeSource | undefined,
  ): boolean {
    for (;;) {
      const at = this.#open(FIXED_BYTES.log);
      if (at < 0) return this.#dropLog();
      const words = this.#words;
      const w = at >> 2;
      this.#doubles[(at + 8) >> 3] = timeMs;
      if (ids) {
        words[w + 4] = ids.t0;
        words[w + 5] = ids.t1;
        words[w + 6] = ids.t2;
        words[w + 7] = ids.t3;
        words[w + 8] = ids.s0;
        words[w + 9] = ids.s1;
      }
      words[w + 10] = (severityNumber & 255) | (source << 8);
      const bodies = this.#putUnnamed(body);
      words[w + 1] =
        bodies + (attributes === undefined ? 0 : this.#putAttributes(attributes, Number.POSITIVE_INFINITY));
      const outcome = this.#commit(at, RECORD.log);
      if (outcome === DONE) return true;
      if (outcome === DROPPED) return this.#dropLog();
    }
  }

  /** GOODBYE. */
  goodbye(timeMs: number, attributes: AttributeSource): boolean {
    for (;;) {
      const at = this.#open(FIXED_BYTES.goodbye);
      if (at < 0) return false;
      this.#doubles[(at + 8) >> 3] = timeMs;
      this.#words[(at >> 2) + 1] = this.#putAttributes(attributes, Number.POSITIVE_INFINITY);
      const outcome = this.#commit(at, RECORD.goodbye);
      if (outcome !== RETRY) return outcome === DONE;
    }
  }

  /** RESOURCE, now and at the start of each segment to come. */
  setResource(attributes: AttributeSource): void {
    this.#resource = attributes;
    if (this.#segment) this.#putResource();
    else this.#turn();
  }

  /** Anchors the times that follow anew if the wall clock has moved against the monotonic one: once per local root span. */
  checkClock(nowMs: number): void {
    if (checkWallClock(nowMs) !== this.#clockCorrections && this.#segment) this.#putAnchor();
  }

  /** Goes on through the mapping; false, and nothing changes, where there is none to be had. */
  upgrade(): boolean {
    if (this.#closed || !this.#file.map()) return false;
    if (!this.#segment || !this.#staged) return true;
    if (!this.#flush()) return true; // the file is full: this segment is finished by writes, the next one is mapped
    const mapped = this.#file.mappedSegment(this.#segment.index);
    if (mapped) this.#enter(mapped);
    return true;
  }

  /** Writes out what is staged, and takes no more. */
  close(): void {
    if (this.#closed) return;
    if (this.#segment && this.#staged) this.#flush();
    this.#closed = true;
    this.#limit = 0;
    this.#file.close();
  }

  /** Counts a span that found no room; always false. */
  dropSpan(): false {
    this.#droppedSpans += 1;
    if (!this.#closed) this.#file.storeDropped(this.#droppedSpans, this.#droppedLogs);
    return false;
  }

  #dropLog(): false {
    this.#droppedLogs += 1;
    if (!this.#closed) this.#file.storeDropped(this.#droppedSpans, this.#droppedLogs);
    return false;
  }

  // ---- a record: open, put, commit

  /** Begins a record whose fixed part takes `fixed` bytes. Returns its offset, or -1 when there is no room anywhere. */
  #open(fixed: number): number {
    if (this.#position + fixed > this.#limit && !this.#turn()) return -1;
    const at = this.#position;
    this.#cursor = at + fixed;
    this.#skipped = 0;
    return at;
  }

  /**
   * Stores the header word, after which the record exists; or wipes it and says whether to lay it out again. A staged
   * record that `canWait` goes to the file with the next one that cannot.
   */
  #commit(at: number, type: number, canWait = false): Outcome {
    if (this.#isAmiss) return this.#amend(at);
    const end = this.#cursor;
    Atomics.store(this.#words, at >> 2, ((end - at) << 8) | type);
    this.#position = end;
    this.#lenient = false;
    if (this.#staged && !canWait) this.#flush();
    return DONE;
  }

  #amend(at: number): Outcome {
    this.#isAmiss = false;
    this.#wipe(at);
    const missing = this.#missing.splice(0);
    if (this.#overflow) {
      this.#overflow = false;
      return this.#turnLenient();
    }
    for (const text of missing) {
      if (this.#ids.has(text) || this.#intern(text)) continue;
      // Strings alone that fill a segment: no way to keep this record.
      if (this.#lenient) {
        this.#lenient = false;
        return DROPPED;
      }
      return this.#turnLenient();
    }
    return RETRY;
  }

  #turnLenient(): Outcome {
    if (!this.#turn()) return DROPPED;
    this.#lenient = true;
    return RETRY;
  }

  #wipe(from: number): void {
    this.#bytes.fill(0, from, this.#cursor);
    this.#cursor = from;
  }

  /** The id of a name or key in this segment; when it has none yet, the record is laid out again once it has. */
  #idOf(text: string): number {
    const guess = this.#followers[this.#lastId] as number;
    if (this.#texts[guess] !== text) return this.#lookUp(text);
    if (guess < SMALL_IDS) this.#lastId = guess;
    return guess;
  }

  #lookUp(text: string): number {
    const id = this.#find(text);
    if (id !== undefined) {
      this.#followers[this.#lastId] = id;
      if (id < SMALL_IDS) this.#lastId = id;
      return id;
    }
    this.#miss(text);
    return NO_KEY;
  }

  #find(text: string): number | undefined {
    const length = text.length;
    if (length === 0) return NO_KEY;
    const slot =
      (length + text.charCodeAt(length - 1) * 5 + text.charCodeAt(length >> 1) * 17) & (RECENT_SLOTS - 1);
    if (this.#recentTexts[slot] === text) return this.#recentIds[slot];
    const id = this.#ids.get(text);
    if (id !== undefined) {
      this.#recentTexts[slot] = text;
      this.#recentIds[slot] = id;
    }
    return id;
  }

  #miss(text: string): void {
    this.#missing.push(text);
    this.#isAmiss = true;
  }

  /** The id of a value that its key has had twice in a row, else 0: eight bytes rather than the text once more. */
  #idOfRepeated(keyId: number, text: string): number {
    if (this.#values[keyId] === text) {
      const id = this.#valueIds[keyId] as number;
      return id === 0 ? this.#internRepeated(keyId, text) : id;
    }
    const changes = this.#changes[keyId] as number;
    if (changes === MAX_CHANGES) return 0;
    this.#changes[keyId] = changes + 1;
    this.#values[keyId] = text;
    this.#valueIds[keyId] = 0;
    return 0;
  }

  #internRepeated(keyId: number, text: string): number {
    const id = this.#ids.get(text);
    if (id === undefined) {
      this.#miss(text);
      return 0;
    }
    this.#valueIds[keyId] = id;
    return id;
  }

  /** STRING; false when the segment has no room for it. */
  #intern(text: string): boolean {
    const at = this.#position;
    if (at + FIXED_BYTES.string > this.#limit) return false;
    const length = this.#putText(cut(text, MAX_INTERNED_LENGTH), at + FIXED_BYTES.string);
    if (length < 0) return false;
    const id = this.#ids.size + 1;
    const w = at >> 2;
    this.#words[w + 1] = id;
    this.#words[w + 2] = length;
    this.#ids.set(text, id);
    this.#texts.push(text);
    const end = at + FIXED_BYTES.string + align(length);
    Atomics.store(this.#words, w, ((end - at) << 8) | RECORD.string);
    this.#position = end;
    return true;
  }

  // ---- attributes

  /** Puts at most `max` attributes at the cursor and returns how many there are; the rest counts as skipped. */
  #putAttributes(attributes: AttributeSource, max: number): number {
    let count = 0;
    // A getter or a proxy of the user's may throw, and that must stay here: the attribute is skipped.
    try {
      for (const key in attributes) {
        const value = attributes[key];
        if (value === undefined || value === null) continue;
        if (count >= max) this.#skipped += 1;
        else count += this.#putAttribute(key, value);
        if (this.#overflow) return count;
      }
    } catch {
      this.#skipped += 1;
    }
    this.#written = count;
    return count;
  }

  /** 1 when it was put, 0 when it was skipped. */
  #putAttribute(key: string, value: unknown): number {
    const keyId = this.#idOf(key);
    if (keyId === NO_KEY && key === '') {
      this.#skipped += 1;
      return 0;
    }
    return this.#putKeyed(keyId, value);
  }

  #putUnnamed(value: unknown): number {
    return this.#putKeyed(NO_KEY, value);
  }

  #putKeyed(keyId: number, value: unknown): number {
    const from = this.#cursor;
    let isPut = false;
    try {
      isPut = this.#putValue(keyId, value, 0);
    } catch {
      // as above: a value that throws while it is read
    }
    if (isPut) return 1;
    this.#wipe(from);
    this.#skipped += 1;
    return 0;
  }

  /** False when the value is none, or found no room: then `#overflow` says so, unless we are lenient. */
  #putValue(keyId: number, value: unknown, depth: number): boolean {
    const at = this.#cursor;
    if (at + ATTRIBUTE_BYTES + 8 > this.#limit) return this.#noRoom();
    const w = at >> 2;
    const words = this.#words;
    switch (typeof value) {
      case 'string': {
        const size = value.length;
        if (
          keyId < SMALL_IDS &&
          keyId !== NO_KEY &&
          size <= MAX_REPEATED_LENGTH &&
          size <= this.#valueLimit
        ) {
          const id = this.#idOfRepeated(keyId, value);
          if (id !== 0) {
            words[w] = keyId;
            words[w + 1] = (id << 8) | VALUE.interned;
            this.#cursor = at + ATTRIBUTE_BYTES;
            return true;
          }
        }
        const text = value.length > this.#valueLimit ? cut(value, this.#valueLimit) : value;
        const length = this.#putText(text, at + ATTRIBUTE_BYTES);
        if (length < 0) return this.#noRoom();
        words[w] = keyId;
        words[w + 1] = (length << 8) | VALUE.string;
        this.#cursor = at + ATTRIBUTE_BYTES + align(length);
        return true;
      }
      case 'number':
        words[w] = keyId;
        if ((value | 0) === value) {
          words[w + 1] = (8 << 8) | VALUE.int64;
          words[w + 2] = value;
          words[w + 3] = value >> 31;
        } else if (Number.isSafeInteger(value)) {
          const high = Math.floor(value / 2 ** 32);
          words[w + 1] = (8 << 8) | VALUE.int64;
          words[w + 2] = value - high * 2 ** 32;
          words[w + 3] = high;
        } else {
          words[w + 1] = (8 << 8) | VALUE.double;
          this.#doubles[(at + ATTRIBUTE_BYTES) >> 3] = value;
        }
        this.#cursor = at + ATTRIBUTE_BYTES + 8;
        return true;
      case 'boolean':
        words[w] = keyId;
        words[w + 1] = (value ? 1 << 8 : 0) | VALUE.bool;
        this.#cursor = at + ATTRIBUTE_BYTES;
        return true;
      case 'bigint':
        if (BigInt.asIntN(64, value) !== value) return this.#putValue(keyId, value.toString(), depth);
        words[w] = keyId;
        words[w + 1] = (8 << 8) | VALUE.int64;
        this.#bytes.writeBigInt64LE(value, at + ATTRIBUTE_BYTES);
        this.#cursor = at + ATTRIBUTE_BYTES + 8;
        return true;
      case 'object':
        return value === null ? this.#putEmpty(keyId, at) : this.#putObject(keyId, value, depth);
      default:
        return false;
    }
  }

  #putEmpty(keyId: number, at: number): boolean {
    this.#words[at >> 2] = keyId;
    this.#words[(at >> 2) + 1] = VALUE.empty;
    this.#cursor = at + ATTRIBUTE_BYTES;
    return true;
  }

  #putObject(keyId: number, value: object, depth: number): boolean {
    const at = this.#cursor;
    const inside = at + ATTRIBUTE_BYTES;
    if (value instanceof Uint8Array) {
      const bytes = value.length > this.#valueLimit ? value.subarray(0, this.#valueLimit) : value;
      if (inside + bytes.length > this.#limit) return this.#noRoom();
      this.#bytes.set(bytes, inside);
      this.#cursor = inside + align(bytes.length);
      this.#words[at >> 2] = keyId;
      this.#words[(at >> 2) + 1] = (bytes.length << 8) | VALUE.bytes;
      return true;
    }
    if (value instanceof Date) return this.#putValue(keyId, value.toISOString(), depth);
    if (depth === MAX_DEPTH) return this.#putEmpty(keyId, at);
    this.#cursor = inside;
    let type: number = VALUE.map;
    if (Array.isArray(value)) {
      type = VALUE.array;
      for (const element of value as unknown[]) {
        // An element that is no value still has its place in the array.
        if (!this.#putValue(NO_KEY, isValue(element) ? element : null, depth + 1)) return false;
      }
    } else {
      for (const [key, element] of Object.entries(value)) {
        if (!isValue(element)) continue;
        if (!this.#putValue(this.#idOf(key), element, depth + 1)) return false;
      }
    }
    this.#words[at >> 2] = keyId;
    this.#words[(at >> 2) + 1] = ((this.#cursor - inside) << 8) | type;
    return true;
  }

  /** UTF-8 at `at`; returns its bytes, or -1 when it does not fit (nothing is written then). */
  #putText(text: string, at: number): number {
    const length = text.length;
    const bytes = this.#bytes;
    const room = this.#limit - at;
    if (length * 3 > room && Buffer.byteLength(text) > room) return -1;
    if (length > SHORT_TEXT) return bytes.utf8Write(text, at, room);
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) return bytes.utf8Write(text, at, room);
      bytes[at + i] = code;
    }
    return length;
  }

  #noRoom(): false {
    if (!this.#lenient) {
      this.#overflow = true;
      this.#isAmiss = true;
    }
    return false;
  }

  // ---- segments

  /** Goes on in the next free segment. False when there is none, or what is staged cannot be written. */
  #turn(): boolean {
    if (this.#closed || (this.#segment && this.#staged && !this.#flush())) return false;
    const old = this.#segment;
    const next = this.#file.claimSegment();
    if (!next) return false;
    if (old) {
      Atomics.store(this.#words, this.#position >> 2, (FIXED_BYTES.next << 8) | RECORD.next);
      this.#position += FIXED_BYTES.next;
      if (this.#staged) this.#file.writeStaged(old, this.#flushed, this.#position);
    }
    this.#position = 0;
    this.#flushed = 0;
    this.#ids.clear();
    this.#texts.length = 1;
    this.#followers.fill(0);
    this.#lastId = 0;
    this.#recentTexts.fill('');
    this.#values.fill('');
    this.#changes.fill(0);
    this.#enter(next);
    this.#putAnchor();
    this.#putResource();
    if (this.#droppedSpans + this.#droppedLogs !== this.#toldDropped) this.#putDropped();
    return true;
  }

  #enter(segment: Segment): void {
    const { buffer, byteOffset } = segment;
    const length = this.#file.segmentBytes;
    this.#segment = segment;
    this.#staged = segment.staged;
    this.#words = new Int32Array(buffer, byteOffset, length >> 2);
    this.#doubles = new Float64Array(buffer, byteOffset, length >> 3);
    this.#bytes = Buffer.from(buffer, byteOffset, length) as FastBuffer;
    this.#limit = length - FIXED_BYTES.next;
  }

  #flush(): boolean {
    if (this.#flushed === this.#position) return true;
    if (!this.#file.writeStaged(this.#segment as Segment, this.#flushed, this.#position)) return false;
    this.#flushed = this.#position;
    return true;
  }

  #putAnchor(): void {
    const at = this.#open(FIXED_BYTES.anchor);
    if (at < 0) return;
    const nowMs = monotonicMs();
    this.#clockCorrections = checkWallClock(nowMs);
    this.#doubles[(at + 8) >> 3] = nowMs;
    this.#bytes.writeBigUInt64LE(wallUnixNano(nowMs), at + 16);
    this.#commit(at, RECORD.anchor, true);
  }

  #putResource(): void {
    for (;;) {
      const at = this.#open(FIXED_BYTES.resource);
      if (at < 0) return;
      // At a segment's start it must not ask for yet another segment.
      if (this.#ids.size === 0) this.#lenient = true;
      this.#words[(at >> 2) + 1] = this.#putAttributes(this.#resource, Number.POSITIVE_INFINITY);
      if (this.#commit(at, RECORD.resource, false) !== RETRY) return;
    }
  }

  #putDropped(): void {
    const at = this.#open(FIXED_BYTES.dropped);
    if (at < 0) return;
    this.#bytes.writeBigUInt64LE(BigInt(this.#droppedSpans), at + 8);
    this.#bytes.writeBigUInt64LE(BigInt(this.#droppedLogs), at + 16);
    this.#toldDropped = this.#droppedSpans + this.#droppedLogs;
    this.#commit(at, RECORD.dropped, true);
  }
}

/** Buffer's own fast path, which Node has but its types leave out. */
interface FastBuffer extends Buffer<ArrayBuffer> {
  utf8Write(text: string, offset: number, length: number): number;
}

function isValue(value: unknown): boolean {
  const type = typeof value;
  return type !== 'undefined' && type !== 'function' && type !== 'symbol';
}

/** The first `limit` units, without half a surrogate pair at the end. */
function cut(given: unknown, limit: number): string {
  // A caller in JavaScript may have given a name that is no string.
  const text = typeof given === 'string' ? given : String(given);
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit);
}
