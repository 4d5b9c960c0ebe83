/**
 * ClickHouse's Native format, written column by column straight from bytes. A block is
 *
 *   varint columns, varint rows, then per column: string name, string type, prefix, body
 *
 * where a prefix says how its LowCardinality parts are stored and stands before everything else of the column.
 * (ClickHouse docs, "Native" interface format; ISerialization::serializeBinaryBulk*.)
 *
 * Every column can be cut back to a mark, so that a record found bad half way leaves no trace in it.
 */
export interface Column {
  readonly type: string;
  writePrefix(out: ByteSink): void;
  writeBody(out: ByteSink): void;
  mark(level: MarkLevel): void;
  rollback(level: MarkLevel): void;
}

/** Two marks may be open at once: the start of a record, and the start of the request it is part of. */
export type MarkLevel = 0 | 1;

export interface NamedColumn {
  readonly name: string;
  readonly column: Column;
}

export function encodeBlock(rows: number, columns: readonly NamedColumn[]): Buffer {
  const out = new ByteSink(1 << 16);
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
    this.length = this.buffer.writeUInt32LE(value >>> 0, this.length);
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
    if (size < 24) {
      // A native copy costs more than a short loop.
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
  readonly #marks: [number, number] = [0, 0];

  constructor(type: string, width: number) {
    this.type = type;
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

  mark(level: MarkLevel): void {
    this.#marks[level] = this.sink.length;
  }

  rollback(level: MarkLevel): void {
    this.sink.length = this.#marks[level];
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
}

/** LowCardinality(String): each distinct value once, and an index per row. */
export class LowCardinalityColumn implements Column {
  readonly type = 'LowCardinality(String)';
  readonly #dictionary = new ByteDictionary();
  #ids = new Uint32Array(1024);
  #length = 0;
  readonly #marks: [number, number] = [0, 0];

  bytes(source: Uint8Array, start: number, end: number): void {
    this.id(this.#dictionary.idOf(source, start, end));
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
    let at = out.length;
    for (let row = 0; row < this.#length; row += 1) {
      const id = this.#ids[row] as number;
      buffer[at++] = id;
      if (width > 0) buffer[at++] = id >>> 8;
      if (width > 1) {
        buffer[at++] = id >>> 16;
        buffer[at++] = id >>> 24;
      }
    }
    out.length = at;
  }

  mark(level: MarkLevel): void {
    this.#marks[level] = this.#length;
  }

  rollback(level: MarkLevel): void {
    this.#length = this.#marks[level];
  }
}

/** Array(T): whoever fills it adds items to `item`, then closes the row with the count of them. */
export class ArrayColumn<Item extends Column> implements Column {
  readonly item: Item;
  readonly #offsets = new OffsetsColumn();

  constructor(item: Item) {
    this.item = item;
  }

  get type(): string {
    return `Array(${this.item.type})`;
  }

  closeRow(items: number): void {
    this.#offsets.add(items);
  }

  writePrefix(out: ByteSink): void {
    this.item.writePrefix(out);
  }

  writeBody(out: ByteSink): void {
    this.#offsets.writeBody(out);
    this.item.writeBody(out);
  }

  mark(level: MarkLevel): void {
    this.#offsets.mark(level);
    this.item.mark(level);
  }

  rollback(level: MarkLevel): void {
    this.#offsets.rollback(level);
    this.item.rollback(level);
  }
}

/** Map(LowCardinality(String), String). */
export class MapColumn implements Column {
  readonly type = 'Map(LowCardinality(String), String)';
  readonly keys = new LowCardinalityColumn();
  readonly values = new StringColumn();
  readonly #offsets = new OffsetsColumn();

  closeRow(entries: number): void {
    this.#offsets.add(entries);
  }

  get byteLength(): number {
    return this.keys.byteLength + this.values.byteLength;
  }

  writePrefix(out: ByteSink): void {
    this.keys.writePrefix(out);
  }

  writeBody(out: ByteSink): void {
    this.#offsets.writeBody(out);
    this.keys.writeBody(out);
    this.values.writeBody(out);
  }

  mark(level: MarkLevel): void {
    this.#offsets.mark(level);
    this.keys.mark(level);
    this.values.mark(level);
  }

  rollback(level: MarkLevel): void {
    this.#offsets.rollback(level);
    this.keys.rollback(level);
    this.values.rollback(level);
  }
}

/** Where each row's items end: u64 each, counted from the block's start. */
class OffsetsColumn {
  readonly #sink = new ByteSink(8192);
  #total = 0;
  readonly #marks: [number, number] = [0, 0];
  readonly #totals: [number, number] = [0, 0];

  add(items: number): void {
    this.#total += items;
    this.#sink.u32(this.#total);
    this.#sink.u32(0);
  }

  writeBody(out: ByteSink): void {
    out.copy(this.#sink.buffer, 0, this.#sink.length);
  }

  mark(level: MarkLevel): void {
    this.#marks[level] = this.#sink.length;
    this.#totals[level] = this.#total;
  }

  rollback(level: MarkLevel): void {
    this.#sink.length = this.#marks[level];
    this.#total = this.#totals[level];
  }
}

/** Distinct byte strings, numbered from 0 in order of arrival: an open hash table over the bytes themselves, no JS strings. */
class ByteDictionary {
  readonly #keys = new ByteSink(4096);
  /** Where key i starts and ends in `#keys`, past its varint length. */
  #starts: number[] = [];
  #ends: number[] = [];
  #hashes: number[] = [];
  #slots = new Int32Array(256).fill(-1);

  get size(): number {
    return this.#starts.length;
  }

  get byteLength(): number {
    return this.#keys.length;
  }

  write(out: ByteSink): void {
    out.copy(this.#keys.buffer, 0, this.#keys.length);
  }

  idOf(source: Uint8Array, start: number, end: number): number {
    // FNV-1a, seeded so that a sender cannot choose keys that collide.
    let hash = SEED;
    for (let index = start; index < end; index += 1)
      hash = Math.imul(hash ^ (source[index] as number), 0x0100_0193);
    hash ^= hash >>> 15;
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const id = this.#slots[slot] as number;
      if (id < 0) return this.#insert(source, start, end, hash, slot);
      if (this.#hashes[id] === hash && this.#equals(id, source, start, end)) return id;
      slot = (slot + 1) & mask;
    }
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
    const id = this.size;
    this.#keys.varint(end - start);
    this.#starts.push(this.#keys.length);
    this.#keys.copy(source, start, end);
    this.#ends.push(this.#keys.length);
    this.#hashes.push(hash);
    this.#slots[slot] = id;
    if (this.size * 2 > this.#slots.length) this.#grow();
    return id;
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = slots.length - 1;
    for (const [id, hash] of this.#hashes.entries()) {
      let slot = hash & mask;
      while ((slots[slot] as number) >= 0) slot = (slot + 1) & mask;
      slots[slot] = id;
    }
    this.#slots = slots;
  }
}

const SEED = (Math.random() * 0x7fff_ffff) | 0;
