import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import type { Chunk } from './attribute-writer.ts';
import {
  HEADER,
  HEADER_BYTES,
  MAGIC,
  MAX_SEGMENT_BYTES,
  MAX_SEGMENT_COUNT,
  MIN_SEGMENT_BYTES,
  RECORD,
  TRANSPORT,
  VERSION,
} from '../span/journal-format.ts';

/**
 * The first read takes a quarter more than the last one found, and no less than this, so that looking at an idle journal costs a
 * microsecond. Where that was not enough, the next one takes so many times as much.
 */
const LEAST_READ_BYTES = 4096;
const READ_GROWTH = 4;

/** Header word of the agent's own: u32 sequence, u32 offset in that segment; docs/journal.md. */
const POSITION = 3072;

export interface JournalHeader {
  readonly segmentBytes: number;
  readonly segmentCount: number;
  /** 0 when unknown. */
  readonly pid: number;
  /** 0n when unknown. */
  readonly startTicks: bigint;
  readonly createdUnixNano: bigint;
}

/** What one read found: so many bytes of whole records, the last of them at `lastAt`. */
export interface Found {
  readonly bytes: number;
  readonly lastAt: number;
  /** The header word behind them cannot be true. */
  readonly isDamaged: boolean;
}

export type Opened =
  | { readonly kind: 'journal'; readonly reader: JournalReader }
  /** No magic yet: its writer is still at it. */
  | { readonly kind: 'unborn' }
  | { readonly kind: 'unreadable'; readonly why: string };

/**
 * The journal file, read with `pread` only: a mapped file that its owner truncates would end the agent with SIGBUS.
 * The header and every length in it is a stranger's word.
 */
export class JournalReader {
  readonly header: JournalHeader;
  readonly #fd: number;
  readonly #headerBytes = Buffer.alloc(HEADER_BYTES);
  readonly #word = Buffer.alloc(8);
  #isMapped = false;
  #firstReadBytes = LEAST_READ_BYTES;

  private constructor(fd: number, header: JournalHeader) {
    this.#fd = fd;
    this.header = header;
  }

  static open(path: string): Opened {
    // Not through a link, and not waiting for the other end of a FIFO: functions may be able to write to this folder.
    const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const result = readHeader(fd);
    if (result.kind !== 'header') {
      closeSync(fd);
      return result;
    }
    return { kind: 'journal', reader: new JournalReader(fd, result.header) };
  }

  /** Whether the writer stores into mapped memory; once it does, it goes on so. */
  get isMapped(): boolean {
    if (this.#isMapped) return true;
    const got = readSync(this.#fd, this.#word, 0, 4, HEADER.transport);
    this.#isMapped = got === 4 && this.#word.readUInt32LE(0) === TRANSPORT.map;
    return this.#isMapped;
  }

  /** Totals of what the journal had no room for. */
  readDropped(): { readonly spans: number; readonly logs: number } {
    const bytes = this.#readHeaderBytes();
    return {
      spans: Number(bytes.readBigUInt64LE(HEADER.droppedSpans)),
      logs: Number(bytes.readBigUInt64LE(HEADER.droppedLogs)),
    };
  }

  /** Up to where an earlier life of the agent had everything in the spool. */
  readPosition(): { readonly sequence: number; readonly offset: number } {
    const bytes = this.#readHeaderBytes();
    return {
      sequence: bytes.readUInt32LE(POSITION),
      offset: bytes.readUInt32LE(POSITION + 4),
    };
  }

  writePosition(sequence: number, offset: number): void {
    this.#word.writeUInt32LE(sequence, 0);
    this.#word.writeUInt32LE(offset, 4);
    writeSync(this.#fd, this.#word, 0, 8, POSITION);
  }

  /**
   * The segment in use with the lowest sequence number of at least `sequence`, and how many are in use behind it; undefined when none
   * is there yet.
   */
  findSegment(
    sequence: number,
  ): { readonly index: number; readonly sequence: number; readonly waiting: number } | undefined {
    const bytes = this.#readHeaderBytes();
    let found: { index: number; sequence: number } | undefined;
    let count = 0;
    for (let index = 0; index < this.header.segmentCount; index++) {
      const used = bytes.readUInt32LE(HEADER.sequence + index * 4);
      const drained = bytes.readUInt32LE(HEADER.drained + index * 4);
      if (used < sequence || used === 0 || used === drained) continue;
      count += 1;
      if (found === undefined || used < found.sequence) found = { index, sequence: used };
    }
    return found && { ...found, waiting: count - 1 };
  }

  /** Gives every segment back to the writer that was used before `sequence`. */
  freeBefore(sequence: number): void {
    const bytes = this.#readHeaderBytes();
    for (let index = 0; index < this.header.segmentCount; index++) {
      const used = bytes.readUInt32LE(HEADER.sequence + index * 4);
      if (used === 0 || used >= sequence || bytes.readUInt32LE(HEADER.drained + index * 4) === used) continue;
      this.#word.writeUInt32LE(used, 0);
      writeSync(this.#fd, this.#word, 0, 4, HEADER.drained + index * 4);
    }
  }

  /**
   * Reads whole records from `offset` of a segment into the chunk; their bytes are 0 when there is nothing new.
   *
   * The writer stores a record's header word last, but one copy of a page may see the word and an older body: so what one read
   * found complete is read once more, and that copy is used.
   */
  read(chunk: Chunk, index: number, offset: number): Found {
    const { segmentBytes } = this.header;
    const start = HEADER_BYTES + index * segmentBytes + offset;
    const room = segmentBytes - offset;
    if (room < 8) return NOTHING;
    for (let most = this.#firstReadBytes; ; most *= READ_GROWTH) {
      const wanted = Math.min(most, room);
      const got = readSync(this.#fd, chunk.u8, 0, wanted, start) & ~7;
      const seen = scan(chunk.u32, got, room);
      if (seen.isCut && got === wanted && wanted < room) continue;
      this.#firstReadBytes = Math.max(LEAST_READ_BYTES, (seen.bytes + (seen.bytes >>> 2)) & ~7);
      if (seen.bytes > 0) readSync(this.#fd, chunk.u8, 0, seen.bytes, start);
      return seen;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** A file cut short reads as zeros, which stand for nothing written. */
  #readHeaderBytes(): Buffer {
    const got = readSync(this.#fd, this.#headerBytes, 0, HEADER_BYTES, 0);
    this.#headerBytes.fill(0, got);
    return this.#headerBytes;
  }
}

/** How many bytes of whole records there are; `isCut` when they go on past what was read. */
function scan(u32: Uint32Array, length: number, room: number): Found & { readonly isCut: boolean } {
  let at = 0;
  let lastAt = 0;
  while (at < length) {
    const word = u32[at >>> 2] as number;
    if (word === 0) return { bytes: at, lastAt, isCut: false, isDamaged: false };
    const size = word >>> 8;
    if (size < 8 || (size & 7) !== 0 || at + size > room)
      return { bytes: at, lastAt, isCut: false, isDamaged: true };
    if (at + size > length) break;
    lastAt = at;
    at += size;
    if ((word & 0xff) === RECORD.next) return { bytes: at, lastAt, isCut: false, isDamaged: false };
  }
  return { bytes: at, lastAt, isCut: true, isDamaged: false };
}

const NOTHING: Found = { bytes: 0, lastAt: 0, isDamaged: false };

function readHeader(
  fd: number,
):
  | { readonly kind: 'header'; readonly header: JournalHeader }
  | { readonly kind: 'unborn' }
  | { readonly kind: 'unreadable'; readonly why: string } {
  if (!fstatSync(fd).isFile()) return { kind: 'unreadable', why: 'not a file' };
  const bytes = Buffer.alloc(64);
  const got = readSync(fd, bytes, 0, 64, 0);
  if (got < 64 || bytes.subarray(0, 8).equals(NO_MAGIC)) return { kind: 'unborn' };
  if (!bytes.subarray(0, 8).equals(Buffer.from(MAGIC)))
    return { kind: 'unreadable', why: 'no SPOORJNL at its start' };
  const version = bytes.readUInt32LE(HEADER.version);
  if (version !== VERSION) return { kind: 'unreadable', why: `version ${version}, not ${VERSION}` };
  const headerBytes = bytes.readUInt32LE(HEADER.headerBytes);
  if (headerBytes !== HEADER_BYTES) return { kind: 'unreadable', why: `a header of ${headerBytes} bytes` };
  const segmentBytes = bytes.readUInt32LE(HEADER.segmentBytes);
  const isPowerOfTwo = (segmentBytes & (segmentBytes - 1)) === 0;
  if (segmentBytes < MIN_SEGMENT_BYTES || segmentBytes > MAX_SEGMENT_BYTES || !isPowerOfTwo) {
    return { kind: 'unreadable', why: `segments of ${segmentBytes} bytes` };
  }
  const segmentCount = bytes.readUInt32LE(HEADER.segmentCount);
  if (segmentCount < 1 || segmentCount > MAX_SEGMENT_COUNT) {
    return { kind: 'unreadable', why: `${segmentCount} segments` };
  }
  return {
    kind: 'header',
    header: {
      segmentBytes,
      segmentCount,
      pid: bytes.readUInt32LE(HEADER.pid),
      startTicks: bytes.readBigUInt64LE(HEADER.startTicks),
      createdUnixNano: bytes.readBigUInt64LE(HEADER.wallUnixNano),
    },
  };
}

const NO_MAGIC = Buffer.alloc(8);
