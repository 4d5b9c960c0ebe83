/**
 * The journal's file: its header page and its segments, reached through a mapping or by positional writes. Nothing here
 * throws once it is open: what cannot be stored is for the writer to count.
 *
 *     created (sparse) ── claimSegment() ──> segment i: free → zeroed, memory reserved → sequence stored
 *                                             ^                                            │ records …
 *                                             └──── agent stores drained[i] = sequence ────┘
 */
import { closeSync, ftruncateSync, openSync, readFileSync, readSync, unlinkSync, writeSync } from 'node:fs';
import {
  HEADER,
  HEADER_BYTES,
  isLittleEndian,
  journalBytes,
  MAGIC,
  sizeFault,
  TRANSPORT,
  VERSION,
} from './journal-format.ts';
import { mapFile, type FileMap } from './journal-map.ts';

/** Where the bytes of the current segment are written: in the file itself, or in a copy that is then written out. */
export interface Segment {
  readonly index: number;
  readonly buffer: ArrayBuffer;
  readonly byteOffset: number;
  /** A copy: what is stored in it has to be written out. */
  readonly staged: boolean;
}

export class JournalFile {
  readonly path: string;
  readonly segmentBytes: number;
  readonly segmentCount: number;
  readonly #fd: number;
  readonly #header: DataView<ArrayBuffer>;
  /** Of each segment, the number it was last used under; our own copy, as nobody else writes it. */
  readonly #sequences: Uint32Array;
  #lastSequence = 0;
  /** Of each segment, whether all of it has memory: once it has, it keeps it. */
  readonly #isReserved: Uint8Array;
  #map: FileMap | undefined;
  #mappedDrained: Uint32Array | undefined;
  /** Spans and log records. */
  #mappedDropped: BigUint64Array | undefined;
  /** Positional writes only: the current segment as it is, or is about to be, in the file. */
  #stagingBytes = new Uint8Array(0);
  #closed = false;

  /** Creates the file, which must not exist. Throws what the file system says, or that a size is out of bounds. */
  constructor(path: string, segmentBytes: number, segmentCount: number) {
    const fault = sizeFault(segmentBytes, segmentCount);
    if (fault) throw new Error(`cannot create journal [${path}]: ${fault}`);
    if (!isLittleEndian())
      throw new Error(`cannot create journal [${path}]: this machine is not little-endian`);
    this.path = path;
    this.segmentBytes = segmentBytes;
    this.segmentCount = segmentCount;
    this.#sequences = new Uint32Array(segmentCount);
    this.#isReserved = new Uint8Array(segmentCount);
    this.#header = createHeader(segmentBytes, segmentCount);
    // The agent may run in another container under another user of the same group.
    this.#fd = openSync(path, 'wx+', 0o660);
    try {
      ftruncateSync(this.#fd, journalBytes(segmentBytes, segmentCount));
      // The whole page, so that it has memory before it is mapped; the magic last, so that a reader sees all or nothing.
      this.#writeWhole(new Uint8Array(this.#header.buffer), 0, HEADER_BYTES, 0);
      this.#writeWhole(Buffer.from(MAGIC, 'latin1'), 0, MAGIC.length, HEADER.magic);
    } catch (error) {
      closeSync(this.#fd);
      unlinkSync(path);
      throw error;
    }
  }

  get isMapped(): boolean {
    return this.#map !== undefined;
  }

  /** Maps the file from now on; false (and all goes on as before) where that cannot be done. */
  map(): boolean {
    if (this.#map) return true;
    if (this.#closed) return false;
    const map = mapFile(this.#fd, journalBytes(this.segmentBytes, this.segmentCount));
    if (!map) return false;
    this.#map = map;
    this.#mappedDrained = new Uint32Array(map.buffer, HEADER.drained, this.segmentCount);
    this.#mappedDropped = new BigUint64Array(map.buffer, HEADER.droppedSpans, 2);
    this.#storeHeader(HEADER.transport, TRANSPORT.map);
    return true;
  }

  /** The segment seen through the mapping, emptied if asked; undefined when no memory can be had for it. */
  mappedSegment(index: number, empty = false): Segment | undefined {
    const byteOffset = this.#offsetOf(index);
    if (!this.#map) return undefined;
    if (!this.#isReserved[index]) {
      if (!this.#map.reserve(byteOffset, this.segmentBytes)) return undefined;
      this.#isReserved[index] = 1;
    }
    if (empty) new Uint8Array(this.#map.buffer, byteOffset, this.segmentBytes).fill(0);
    return { index, buffer: this.#map.buffer, byteOffset, staged: false };
  }

  /** A free segment, zeroed and numbered; undefined when all are in use or the file system is full. */
  claimSegment(): Segment | undefined {
    if (this.#closed) return undefined;
    const index = this.#findFree();
    if (index === undefined) return undefined;
    const wasUsed = this.#sequences[index] !== 0;
    const segment = this.#map ? this.mappedSegment(index, wasUsed) : this.#prepareStaged(index, wasUsed);
    if (!segment) return undefined;
    const sequence = this.#lastSequence + 1;
    if (!this.#storeHeader(HEADER.sequence + 4 * index, sequence)) return undefined;
    this.#lastSequence = sequence;
    this.#sequences[index] = sequence;
    return segment;
  }

  /**
   * Writes bytes [from, to) of the staged segment; false when not all of them could be written. A write is not atomic
   * across pages: a kill in between would leave a first record whose header stands and whose end does not. So the first
   * header word, without which nothing after it is reached, goes last where a page ends in between.
   */
  writeStaged(segment: Segment, from: number, to: number): boolean {
    const bytes = this.#stagingBytes;
    const at = this.#offsetOf(segment.index);
    // Segments begin at a page's start, so that pages of the file are pages of the segment.
    if (Math.floor(from / PAGE_BYTES) === Math.floor((to - 1) / PAGE_BYTES))
      return this.#tryWrite(bytes, from, to, at);
    return this.#tryWrite(bytes, from + 4, to, at) && this.#tryWrite(bytes, from, from + 4, at);
  }

  /** Stores the two counts of the header. A burst that finds no room comes here for every span: no system call where there is a mapping. */
  storeDropped(spans: number, logs: number): void {
    if (this.#mappedDropped) {
      Atomics.store(this.#mappedDropped, 0, BigInt(spans));
      Atomics.store(this.#mappedDropped, 1, BigInt(logs));
      return;
    }
    const counts = new Uint8Array(BigUint64Array.of(BigInt(spans), BigInt(logs)).buffer);
    this.#tryWrite(counts, 0, counts.length, HEADER.droppedSpans);
  }

  /** Closes the file. A mapping stays, and stays written to by nobody. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  /** The lowest drained one, before the lowest never used: what has memory already is used again first. */
  #findFree(): number | undefined {
    const drained = this.#readDrained();
    let untouched: number | undefined;
    for (let index = 0; index < this.segmentCount; index++) {
      const sequence = this.#sequences[index] as number;
      if (sequence === 0) untouched ??= index;
      else if (drained && drained[index] === sequence && sequence !== this.#lastSequence) return index;
    }
    return untouched;
  }

  #readDrained(): Uint32Array | undefined {
    if (this.#mappedDrained) return this.#mappedDrained;
    const words = new Uint32Array(this.segmentCount);
    try {
      const bytes = new Uint8Array(words.buffer);
      return readSync(this.#fd, bytes, 0, bytes.length, HEADER.drained) === bytes.length ? words : undefined;
    } catch {
      return undefined;
    }
  }

  #prepareStaged(index: number, wasUsed: boolean): Segment | undefined {
    // A new one is zeros already, of pages that are not touched before they are needed.
    if (this.#stagingBytes.length === 0) this.#stagingBytes = new Uint8Array(this.segmentBytes);
    else this.#stagingBytes.fill(0);
    const bytes = this.#stagingBytes;
    if (wasUsed && !this.#tryWrite(bytes, 0, bytes.length, this.#offsetOf(index))) return undefined;
    return { index, buffer: bytes.buffer, byteOffset: 0, staged: true };
  }

  #offsetOf(index: number): number {
    return HEADER_BYTES + index * this.segmentBytes;
  }

  #storeHeader(offset: number, value: number): boolean {
    if (this.#map) {
      Atomics.store(new Uint32Array(this.#map.buffer, offset, 1), 0, value);
      return true;
    }
    return this.#tryWrite(new Uint8Array(Uint32Array.of(value).buffer), 0, 4, offset);
  }

  /** Writes bytes [from, to) to where they belong in the file, if the first of all stands at `base`. */
  #tryWrite(bytes: Uint8Array, from: number, to: number, base: number): boolean {
    if (this.#closed) return false;
    try {
      this.#writeWhole(bytes, from, to, base);
      return true;
    } catch {
      return false;
    }
  }

  #writeWhole(bytes: Uint8Array, from: number, to: number, base: number): void {
    for (let at = from; at < to;) {
      const count = writeSync(this.#fd, bytes, at, to - at, base + at);
      if (count === 0) throw new Error(`cannot write to journal [${this.path}]`);
      at += count;
    }
  }
}

const PAGE_BYTES = 4096;

/** Everything but the magic. */
function createHeader(segmentBytes: number, segmentCount: number): DataView<ArrayBuffer> {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  header.setUint32(HEADER.version, VERSION, true);
  header.setUint32(HEADER.headerBytes, HEADER_BYTES, true);
  header.setUint32(HEADER.segmentBytes, segmentBytes, true);
  header.setUint32(HEADER.segmentCount, segmentCount, true);
  header.setUint32(HEADER.pid, process.pid, true);
  header.setUint32(HEADER.transport, TRANSPORT.write, true);
  header.setBigUint64(HEADER.startTicks, readStartTicks(), true);
  header.setBigUint64(HEADER.wallUnixNano, BigInt(Date.now()) * 1_000_000n, true);
  return header;
}

/** Field 22 of /proc/self/stat, counted after the command's closing parenthesis, as the command may hold spaces. */
function readStartTicks(): bigint {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1');
    return BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 0);
  } catch {
    return 0n;
  }
}
