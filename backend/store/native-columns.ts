import { isUtf8 } from 'node:buffer';

/**
 * ClickHouse's Native format, written column by column straight from bytes. A block is
 *
 *   varint columns, varint rows, then per column: string name, string type, prefix, body
 *
 * where a prefix says how its LowCardinality parts are stored and stands before everything else of the column.
 * (ClickHouse docs, "Native" interface format; ISerialization::serializeBinaryBulk*.)
 *
 * Every column can be cut back to a row, so that a record found bad half way leaves no trace in it, and cleared, so that the
 * memory it grew serves the next block.
 */
export interface Column {
  readonly type: string;
  writePrefix(out: ByteSink): void;
  writeBody(out: ByteSink): void;
  /** Only where a row's place cannot be told from its number. */
  mark(level: MarkLevel): void;
  /** Back to `rows` rows, which is what there were at the mark. */
  rollback(level: MarkLevel, rows: number): void;
  clear(): void;
}

/** Two marks may be open at once: the start of a record, and the start of the request it is part of. */
export type MarkLevel = 0 | 1;

export interface NamedColumn {
  readonly name: string;
  readonly column: Column;
}

/** Into `out`, whose bytes the answer is. */
export function encodeBlock(
  rows: number,
  columns: readonly NamedColumn[],
  out: ByteSink = new ByteSink(1 << 16),
): Buffer {
  out.length = 0;
  out.varint(columns.length);
  out.varint(rows);
  for (const { name, column } of columns) {
    out.text(name);
    out.text(column.type);
    column.writePrefix(out);
    column.writeBody(out);
  }
  return out.bytes();
}

/** Bytes that grow. */
export class ByteSink {
  buffer: Buffer;
  length = 0;

  constructor(capacity: number) {
    this.buffer = Buffer.allocUnsafeSlow(capacity);
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  reserve(more: number): void {
    const wanted = this.length + more;
    if (wanted <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(wanted, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    const { buffer, length } = this;
    buffer[length] = value;
    buffer[length + 1] = value >>> 8;
    buffer[length + 2] = value >>> 16;
    buffer[length + 3] = value >>> 24;
    this.length = length + 4;
  }

  /** A u64 from a whole number below 2^53. */
  u64(value: number): void {
    this.u32(value % 0x1_0000_0000);
    this.u32(Math.floor(value / 0x1_0000_0000));
  }

  varint(value: number): void {
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.length++] = rest;
  }

  copy(source: Uint8Array, start: number, end: number): void {
    const size = end - start;
    this.reserve(size);
    if (size < 48) {
      // A native copy costs more than a short loop, and a view of the source to be collected.
      const { buffer } = this;
      let at = this.length;
      for (let index = start; index < end; index += 1) buffer[at++] = source[index] as number;
    } else {
      this.buffer.set(source.subarray(start, end), this.length);
    }
    this.length += size;
  }

  text(value: string): void {
    const size = Buffer.byteLength(value, 'utf8');
    this.varint(size);
    this.reserve(size);
    this.length += this.buffer.write(value, this.length, 'utf8');
  }
}

/** Fixed-width values: numbers, times, FixedString. */
export class FixedColumn implements Column {
  readonly type: string;
  readonly sink: ByteSink;
  readonly #width: number;

  constructor(type: string, width: number) {
    this.type = type;
    this.#width = width;
    this.sink = new ByteSink(width * 1024);
  }

  u8(value: number): void {
    this.sink.u8(value);
  }

  u32(value: number): void {
    this.sink.u32(value);
  }

  /** A u64 by halves: a bigint per value would cost more than the rest of the span. */
  u64(low: number, high: number): void {
    this.sink.u32(low);
    this.sink.u32(high);
  }

  copy(source: Uint8Array, start: number, size: number): void {
    this.sink.copy(source, start, start + size);
  }

  zeros(size: number): void {
    this.sink.reserve(size);
    this.sink.buffer.fill(0, this.sink.length, this.sink.length + size);
    this.sink.length += size;
  }

  writePrefix(): void {}

  writeBody(out: ByteSink): void {
    out.copy(this.sink.buffer, 0, this.sink.length);
  }

  mark(): void {}

  rollback(_level: MarkLevel, rows: number): void {
    this.sink.length = rows * this.#width;
  }

  clear(): void {
    this.sink.length = 0;
  }
}

export class StringColumn implements Column {
  readonly type = 'String';
  readonly #sink = new ByteSink(16_384);
  readonly #marks: [number, number] = [0, 0];

  bytes(source: Uint8Array, start: number, end: number): void {
    this.#sink.varint(end - start);
    this.#sink.copy(source, start, end);
  }

  /** What should be UTF-8 and need not be: checked while it is copied. */
  utf8(source: Buffer, start: number, end: number): void {
    const size = end - start;
    const before = this.#sink.length;
    if (size >= 48) {
      if (isUtf8(source.subarray(start, end))) this.bytes(source, start, end);
      else this.text(source.toString('utf8', start, end));
      return;
    }
    this.#sink.varint(size);
    this.#sink.reserve(size);
    const { buffer } = this.#sink;
    let at = this.#sink.length;
    let seen = 0;
    for (let index = start; index < end; index += 1) {
      const byte = source[index] as number;
      seen |= byte;
      buffer[at++] = byte;
    }
    this.#sink.length = at;
    if (seen > 0x7f && !isUtf8(source.subarray(start, end))) {
      this.#sink.length = before;
      this.text(source.toString('utf8', start, end));
    }
  }

  text(value: string): void {
    this.#sink.text(value);
  }

  get byteLength(): number {
    return this.#sink.length;
  }

  writePrefix(): void {}

  writeBody(out: ByteSink): void {
    out.copy(this.#sink.buffer, 0, this.#sink.length);
  }

  mark(level: MarkLevel): void {
    this.#marks[level] = this.#sink.length;
  }

  rollback(level: MarkLevel): void {
    this.#sink.length = this.#marks[level];
  }

  clear(): void {
    this.#sink.length = 0;
  }
}

/** LowCardinality(String): each distinct value once, and an index per row. */
export class LowCardinalityColumn implements Column {
  readonly type = 'LowCardinality(String)';
  readonly #dictionary = new ByteDictionary();
  #ids = new Uint32Array(1024);
  #length = 0;

  bytes(source: Uint8Array, start: number, end: number): void {
    this.id(this.#dictionary.idOf(source, start, end));
  }

  /** What should be UTF-8 and need not be: checked when it is seen for the first time. */
  utf8(source: Buffer, start: number, end: number): void {
    const id = this.#dictionary.idOfUtf8(source, start, end);
    if (id >= 0) this.id(id);
    else this.text(source.toString('utf8', start, end));
  }

  /** -1 when no row has had it. */
  findText(value: string): number {
    const bytes = Buffer.from(value, 'utf8');
    return this.#dictionary.find(bytes, 0, bytes.length);
  }

  /** Distinct values so far. */
  get keys(): number {
    return this.#dictionary.size;
  }

  keyText(id: number): string {
    return this.#dictionary.text(id);
  }

  /** The index that a row has. */
  idAt(row: number): number {
    return this.#ids[row] as number;
  }

  text(value: string): void {
    this.id(this.idOfText(value));
  }

  /** The index of a value, to be given to `id` as often as rows have it. */
  idOfText(value: string): number {
    const bytes = Buffer.from(value, 'utf8');
    return this.#dictionary.idOf(bytes, 0, bytes.length);
  }

  id(id: number): void {
    if (this.#length === this.#ids.length) {
      const grown = new Uint32Array(this.#ids.length * 2);
      grown.set(this.#ids);
      this.#ids = grown;
    }
    this.#ids[this.#length++] = id;
  }

  get length(): number {
    return this.#length;
  }

  get byteLength(): number {
    return this.#length * 4 + this.#dictionary.byteLength;
  }

  /** u64: the version of the key serialization, 1 = shared dictionaries with additional keys. */
  writePrefix(out: ByteSink): void {
    out.u64(1);
  }

  /** u64 index width | has additional keys (bit 9) | needs update (bit 10); u64 keys, keys; u64 rows, indexes. Nothing at all for no rows. */
  writeBody(out: ByteSink): void {
    if (this.#length === 0) return;
    const keys = this.#dictionary.size;
    const width = keys <= 0x100 ? 0 : keys <= 0x1_0000 ? 1 : 2;
    out.u64(width | (1 << 9) | (1 << 10));
    out.u64(keys);
    this.#dictionary.write(out);
    out.u64(this.#length);
    out.reserve(this.#length << width);
    const { buffer } = out;
    const ids = this.#ids;
    const length = this.#length;
    let at = out.length;
    if (width === 0) for (let row = 0; row < length; row += 1) buffer[at++] = ids[row] as number;
    else if (width === 1)
      for (let row = 0; row < length; row += 1) {
        const id = ids[row] as number;
        buffer[at++] = id;
        buffer[at++] = id >>> 8;
      }
    else
      for (let row = 0; row < length; row += 1) {
        const id = ids[row] as number;
        buffer[at++] = id;
        buffer[at++] = id >>> 8;
        buffer[at++] = id >>> 16;
        buffer[at++] = id >>> 24;
      }
    out.length = at;
  }

  mark(): void {}

  rollback(_level: MarkLevel, rows: number): void {
    this.#length = rows;
  }

  clear(): void {
    this.#length = 0;
    this.#dictionary.clear();
  }
}

/**
 * Array(T): whoever fills it adds items to `item`, then closes the row with the count of them. Columns whose arrays are always
 * of one length may share their offsets, which then are closed once for all of them.
 */
export class ArrayColumn<Item extends Column> implements Column {
  readonly item: Item;
  readonly offsets: OffsetsColumn;

  constructor(item: Item, offsets = new OffsetsColumn()) {
    this.item = item;
    this.offsets = offsets;
  }

  get type(): string {
    return `Array(${this.item.type})`;
  }

  closeRow(items: number): void {
    this.offsets.add(items);
  }

  writePrefix(out: ByteSink): void {
    this.item.writePrefix(out);
  }

  writeBody(out: ByteSink): void {
    this.offsets.writeBody(out);
    this.item.writeBody(out);
  }

  mark(level: MarkLevel): void {
    this.item.mark(level);
  }

  rollback(level: MarkLevel, rows: number): void {
    this.item.rollback(level, this.offsets.cut(rows));
  }

  clear(): void {
    this.offsets.cut(0);
    this.item.clear();
  }
}

/** Tuple(A, B). */
export class TupleColumn<A extends Column, B extends Column> implements Column {
  readonly first: A;
  readonly second: B;

  constructor(first: A, second: B) {
    this.first = first;
    this.second = second;
  }

  get type(): string {
    return `Tuple(${this.first.type}, ${this.second.type})`;
  }

  writePrefix(out: ByteSink): void {
    this.first.writePrefix(out);
    this.second.writePrefix(out);
  }

  writeBody(out: ByteSink): void {
    this.first.writeBody(out);
    this.second.writeBody(out);
  }

  mark(level: MarkLevel): void {
    this.first.mark(level);
    this.second.mark(level);
  }

  rollback(level: MarkLevel, rows: number): void {
    this.first.rollback(level, rows);
    this.second.rollback(level, rows);
  }

  clear(): void {
    this.first.clear();
    this.second.clear();
  }
}

export type TextColumn = StringColumn | LowCardinalityColumn;

/** Map(LowCardinality(String), T), T being one of the two that keep text. */
export class MapColumn implements Column {
  readonly keys = new LowCardinalityColumn();
  readonly values: TextColumn;
  readonly #offsets = new OffsetsColumn();

  constructor(values: TextColumn) {
    this.values = values;
  }

  get type(): string {
    return `Map(${this.keys.type}, ${this.values.type})`;
  }

  closeRow(entries: number): void {
    this.#offsets.add(entries);
  }

  get byteLength(): number {
    return this.keys.byteLength + this.values.byteLength;
  }

  writePrefix(out: ByteSink): void {
    this.keys.writePrefix(out);
    this.values.writePrefix(out);
  }

  writeBody(out: ByteSink): void {
    this.#offsets.writeBody(out);
    this.keys.writeBody(out);
    this.values.writeBody(out);
  }

  mark(level: MarkLevel): void {
    this.values.mark(level);
  }

  rollback(level: MarkLevel, rows: number): void {
    const entries = this.#offsets.cut(rows);
    this.keys.rollback(level, entries);
    this.values.rollback(level, entries);
  }

  clear(): void {
    this.#offsets.cut(0);
    this.keys.clear();
    this.values.clear();
  }
}

/** Where each row's items end: u64 each, counted from the block's start. */
export class OffsetsColumn {
  readonly #sink = new ByteSink(8192);
  #total = 0;

  /** Items of all rows. */
  get total(): number {
    return this.#total;
  }

  add(items: number): void {
    this.#total += items;
    this.#sink.u32(this.#total);
    this.#sink.u32(0);
  }

  writeBody(out: ByteSink): void {
    out.copy(this.#sink.buffer, 0, this.#sink.length);
  }

  /** Back to `rows` rows; answers how many items those have. */
  cut(rows: number): number {
    this.#sink.length = rows * 8;
    this.#total = rows === 0 ? 0 : this.#sink.buffer.readUInt32LE((rows - 1) * 8);
    return this.#total;
  }
}

/** Distinct byte strings, numbered from 0 in order of arrival: an open hash table over the bytes themselves, no JS strings. */
export class ByteDictionary {
  readonly #keys = new ByteSink(4096);
  /** Where key i starts and ends in `#keys`, past its varint length, and its hash. */
  #starts = new Int32Array(256);
  #ends = new Int32Array(256);
  #hashes = new Int32Array(256);
  #slots = new Int32Array(512).fill(-1);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get byteLength(): number {
    return this.#keys.length;
  }

  text(id: number): string {
    return this.#keys.buffer.toString('utf8', this.#starts[id], this.#ends[id]);
  }

  write(out: ByteSink): void {
    out.copy(this.#keys.buffer, 0, this.#keys.length);
  }

  /** -1 when it is not there. */
  find(source: Uint8Array, start: number, end: number): number {
    const hash = hashOf(source, start, end);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const id = this.#slots[slot] as number;
      if (id < 0 || (this.#hashes[id] === hash && this.#equals(id, source, start, end))) return id;
      slot = (slot + 1) & mask;
    }
  }

  /** As `idOf`; -1 when the bytes are not UTF-8. */
  idOfUtf8(source: Buffer, start: number, end: number): number {
    const hash = hashOf(source, start, end);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const id = this.#slots[slot] as number;
      if (id < 0) return isCleanUtf8(source, start, end) ? this.#insert(source, start, end, hash, slot) : -1;
      if (this.#hashes[id] === hash && this.#equals(id, source, start, end)) return id;
      slot = (slot + 1) & mask;
    }
  }

  idOf(source: Uint8Array, start: number, end: number): number {
    const hash = hashOf(source, start, end);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const id = this.#slots[slot] as number;
      if (id < 0) return this.#insert(source, start, end, hash, slot);
      if (this.#hashes[id] === hash && this.#equals(id, source, start, end)) return id;
      slot = (slot + 1) & mask;
    }
  }

  clear(): void {
    this.#keys.length = 0;
    this.#size = 0;
    if (this.#slots.length > MAX_KEPT_SLOTS) this.#slots = new Int32Array(512);
    this.#slots.fill(-1);
  }

  #equals(id: number, source: Uint8Array, start: number, end: number): boolean {
    const from = this.#starts[id] as number;
    if ((this.#ends[id] as number) - from !== end - start) return false;
    const { buffer } = this.#keys;
    for (let index = start, at = from; index < end; index += 1, at += 1)
      if (buffer[at] !== source[index]) return false;
    return true;
  }

  #insert(source: Uint8Array, start: number, end: number, hash: number, slot: number): number {
    const id = this.#size++;
    if (id === this.#starts.length) {
      this.#starts = doubled(this.#starts);
      this.#ends = doubled(this.#ends);
      this.#hashes = doubled(this.#hashes);
    }
    this.#keys.varint(end - start);
    this.#starts[id] = this.#keys.length;
    this.#keys.copy(source, start, end);
    this.#ends[id] = this.#keys.length;
    this.#hashes[id] = hash;
    this.#slots[slot] = id;
    if (this.#size * 2 > this.#slots.length) this.#grow();
    return id;
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = slots.length - 1;
    for (let id = 0; id < this.#size; id += 1) {
      let slot = (this.#hashes[id] as number) & mask;
      while ((slots[slot] as number) >= 0) slot = (slot + 1) & mask;
      slots[slot] = id;
    }
    this.#slots = slots;
  }
}

/** Four bytes at a time, each times a prime; seeded, so that a sender cannot choose keys that collide. */
function hashOf(source: Uint8Array, start: number, end: number): number {
  let hash = SEED ^ (end - start);
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const four =
      (source[at] as number) |
      ((source[at + 1] as number) << 8) |
      ((source[at + 2] as number) << 16) |
      ((source[at + 3] as number) << 24);
    hash = Math.imul(hash ^ four, 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  for (; at < end; at += 1) hash = Math.imul(hash ^ (source[at] as number), 0x0100_0193);
  return hash ^ (hash >>> 13);
}

/** Short text is nearly always ASCII, and a loop over it is cheaper than a native call. */
export function isCleanUtf8(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > 64) return isUtf8(bytes.subarray(start, end));
  for (let at = start; at < end; at += 1)
    if ((bytes[at] as number) > 0x7f) return isUtf8(bytes.subarray(start, end));
  return true;
}

function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(array.length * 2);
  grown.set(array);
  return grown;
}

const SEED = (Math.random() * 0x7fff_ffff) | 0;
/** A table that one odd block made larger is not kept for the next. */
const MAX_KEPT_SLOTS = 1 << 16;
