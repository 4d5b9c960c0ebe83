import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Logger } from '../../server/log.ts';
import {
  checksumOf,
  FRAME_HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
  readFrameHeader,
  type FrameKind,
} from './frame.ts';

/** A spool file is closed at this size, or at an eighth of the whole spool: what is dropped when full is one file. */
const FILE_BYTES = 16 * 1024 * 1024;
const MIN_FILE_BYTES = 64 * 1024;

/** Spans and log records, the two things that are counted everywhere. */
export interface Counts {
  spans: number;
  logs: number;
}

export interface Frame {
  readonly kind: FrameKind;
  readonly items: number;
  readonly payload: Buffer;
}

/** Frames read together, to be acknowledged together. */
export interface SpoolBatch {
  readonly frames: readonly Frame[];
  readonly file: number;
  /** Offsets in the file. */
  readonly start: number;
  readonly end: number;
}

/**
 * What waits for the collector: append-only files of frames (frame.ts) named by number, and a cursor, the place up to which all is
 * acknowledged. Nothing is synced: a killed agent loses nothing the kernel has, and the journals it comes from do not outlive the
 * kernel either.
 *
 * When it is full the oldest file is dropped, and its spans and logs are counted. The other choice, to stop draining, would move the
 * loss into the functions' journals, where the newest spans are lost, and keep dead instances' journals in memory for as long as
 * the collector is away.
 */
export class Spool {
  /** Appended in this life. */
  readonly appended: Counts = { spans: 0, logs: 0 };
  /** Given up because the spool was full. */
  readonly dropped: Counts = { spans: 0, logs: 0 };
  /** Not yet acknowledged. */
  readonly waiting: Counts = { spans: 0, logs: 0 };
  /** Files with a part that could not be read. */
  damagedFiles = 0;
  bytes = 0;

  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #fileBytes: number;
  readonly #log: Logger;
  readonly #cursorFd: number;
  /** Oldest first. */
  readonly #files: SpoolFile[] = [];
  #writing: SpoolFile | undefined;
  #lastNumber = 0;
  #readOffset = 0;
  /** Being shipped: if its file is dropped meanwhile, it is counted when we know how that went. */
  #inFlight: SpoolBatch | undefined;
  #isInFlightOrphaned = false;
  #held: Uint8Array[] = [];
  #buffer = Buffer.alloc(0);

  constructor(dir: string, maxBytes: number, log: Logger) {
    this.#dir = dir;
    this.#maxBytes = maxBytes;
    this.#fileBytes = Math.max(MIN_FILE_BYTES, Math.min(FILE_BYTES, Math.floor(maxBytes / 8)));
    this.#log = log;
    mkdirSync(dir, { recursive: true });
    const cursorPath = join(dir, 'cursor');
    const cursor = readCursor(cursorPath);
    this.#cursorFd = openSync(cursorPath, constants.O_RDWR | constants.O_CREAT);
    this.#recover(cursor);
  }

  get isEmpty(): boolean {
    return this.waiting.spans + this.waiting.logs === 0 && this.#held.length === 0;
  }

  /** The disk refuses: appended frames are in memory, and nothing more may be drained until `retryHeld` says so. */
  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** Of frames not yet read, at least; what stands in files that are partly acknowledged counts as a whole. */
  get waitingBytes(): number {
    return this.bytes - this.#readOffset;
  }

  append(frame: Uint8Array, kind: FrameKind, items: number): void {
    this.appended[kind === 'traces' ? 'spans' : 'logs'] += items;
    if (this.#held.length > 0 || !this.#tryAppend(frame, kind, items)) this.#held.push(frame.slice());
  }

  /** Tries again to write what the disk refused. True when nothing is held any more. */
  retryHeld(): boolean {
    while (this.#held.length > 0) {
      const frame = this.#held[0] as Uint8Array;
      const header = readFrameHeader(
        Buffer.from(frame.buffer, frame.byteOffset, frame.length),
        0,
        frame.length,
      );
      if (header !== undefined && !this.#tryAppend(frame, header.kind, header.items)) return false;
      this.#held.shift();
    }
    return true;
  }

  /** The oldest frames not acknowledged, about `maxBytes` of them; undefined when there are none. */
  read(maxBytes: number): SpoolBatch | undefined {
    for (;;) {
      const file = this.#files[0];
      if (file === undefined) return undefined;
      const batch = this.#readFrom(file, maxBytes);
      if (batch !== undefined) {
        this.#inFlight = batch;
        this.#isInFlightOrphaned = false;
        return batch;
      }
      if (file === this.#writing) return undefined;
      this.#dropFirst();
    }
  }

  /** The batch was taken (or given up by the shipper, who counts it): it will not be read again. */
  acknowledge(batch: SpoolBatch): void {
    if (this.#inFlight === batch) this.#inFlight = undefined;
    const file = this.#files[0];
    if (file === undefined || file.number !== batch.file) return; // dropped meanwhile
    for (const frame of batch.frames) this.#forget(file, frame);
    this.#readOffset = batch.end;
    this.#writeCursor();
    if (file !== this.#writing && this.#readOffset >= file.size) this.#dropFirst();
  }

  /**
   * These frames of the batch were not taken yet. False when they are gone, because the spool was full meanwhile: then they are
   * counted as dropped, and the batch is over.
   */
  giveBack(batch: SpoolBatch, left: readonly Frame[]): boolean {
    if (this.#inFlight !== batch || !this.#isInFlightOrphaned) return true;
    this.#inFlight = undefined;
    for (const frame of left) this.dropped[frame.kind === 'traces' ? 'spans' : 'logs'] += frame.items;
    return false;
  }

  close(): void {
    for (const file of this.#files) closeSync(file.fd);
    this.#files.length = 0;
    closeSync(this.#cursorFd);
  }

  #tryAppend(frame: Uint8Array, kind: FrameKind, items: number): boolean {
    try {
      while (this.bytes + frame.length > this.#maxBytes && this.#dropOldest());
      const file = this.#fileFor(frame.length);
      let written = 0;
      try {
        while (written < frame.length) {
          written += writeSync(file.fd, frame, written, frame.length - written, file.size + written);
        }
      } catch (error) {
        if (written > 0) ftruncateSync(file.fd, file.size);
        throw error;
      }
      file.size += frame.length;
      file[kind === 'traces' ? 'spans' : 'logs'] += items;
      this.waiting[kind === 'traces' ? 'spans' : 'logs'] += items;
      this.bytes += frame.length;
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EFBIG') throw error;
      this.#discardEmptyFile();
      if (this.#discardTakenFile()) return this.#tryAppend(frame, kind, items);
      if (this.#held.length === 0) this.#log.error({ code, dir: this.#dir }, 'the disk of the spool is full');
      return false;
    }
  }

  #fileFor(bytes: number): SpoolFile {
    if (this.#writing !== undefined && this.#writing.size + bytes <= this.#fileBytes) return this.#writing;
    if (this.#writing !== undefined && this.#writing.size === 0) return this.#writing;
    return this.#startFile();
  }

  /** A file that the disk would not take a byte of gives its inode back; the next try makes it anew. */
  #discardEmptyFile(): void {
    const file = this.#writing;
    if (file === undefined || file.size > 0 || this.#files.length < 2) return;
    this.#files.pop();
    this.#writing = undefined;
    closeSync(file.fd);
    rmSync(join(this.#dir, `${file.number}.spool`), { force: true });
  }

  /** What was delivered is room we have ourselves: on a small disk it may be all of it, and nobody else would ever free it. */
  #discardTakenFile(): boolean {
    const file = this.#writing;
    if (file === undefined || file !== this.#files[0]) return false;
    if (file.size === 0 || this.#readOffset < file.size) return false;
    this.#dropFirst();
    return true;
  }

  /** Room for new frames: the oldest file goes. False when there is none to give. */
  #dropOldest(): boolean {
    const file = this.#files[0];
    if (file === undefined || file.size === 0) return false;
    const lost: Counts = { spans: file.spans, logs: file.logs };
    if (this.#inFlight?.file === file.number) {
      this.#isInFlightOrphaned = true;
      for (const frame of this.#inFlight.frames) {
        lost[frame.kind === 'traces' ? 'spans' : 'logs'] -= frame.items;
      }
    }
    this.dropped.spans += lost.spans;
    this.dropped.logs += lost.logs;
    this.waiting.spans -= file.spans;
    this.waiting.logs -= file.logs;
    if (lost.spans + lost.logs > 0) this.#log.warn(lost, 'the spool is full: dropped its oldest file');
    this.#dropFirst();
    return true;
  }

  #dropFirst(): void {
    const file = this.#files.shift() as SpoolFile;
    if (file === this.#writing) this.#writing = undefined;
    closeSync(file.fd);
    this.bytes -= file.size;
    this.#readOffset = 0;
    if (this.#files.length === 0) this.#startFile();
    this.#writeCursor();
    rmSync(join(this.#dir, `${file.number}.spool`), { force: true });
  }

  #startFile(): SpoolFile {
    const number = this.#lastNumber + 1;
    const fd = openSync(join(this.#dir, `${number}.spool`), 'w+');
    const file: SpoolFile = { number, fd, isRecovered: false, size: 0, spans: 0, logs: 0 };
    this.#lastNumber = number;
    if (this.#files.length === 0) this.#readOffset = 0;
    this.#files.push(file);
    this.#writing = file;
    return file;
  }

  #forget(file: SpoolFile, frame: Frame): void {
    const what = frame.kind === 'traces' ? 'spans' : 'logs';
    file[what] -= frame.items;
    this.waiting[what] -= frame.items;
  }

  #readFrom(file: SpoolFile, maxBytes: number): SpoolBatch | undefined {
    const start = this.#readOffset;
    const available = file.size - start;
    if (available <= 0) return undefined;
    let wanted = Math.min(available, maxBytes);
    for (;;) {
      if (this.#buffer.length < wanted) this.#buffer = Buffer.allocUnsafeSlow(wanted);
      const got = readSync(file.fd, this.#buffer, 0, wanted, start);
      const first = readFrameHeader(this.#buffer, 0, got);
      if (first !== undefined && first.payloadBytes + FRAME_HEADER_BYTES > got && got < available) {
        wanted = Math.min(available, first.payloadBytes + FRAME_HEADER_BYTES);
        if (got < wanted) continue;
      }
      const frames: Frame[] = [];
      const at = this.#takeFrames(got, frames, file.isRecovered);
      if (frames.length > 0) return { frames, file: file.number, start, end: start + at };
      // Not one whole frame where one must be: the rest of this file is lost. Only a damaged disk does this.
      this.#skipRest(file);
      return undefined;
    }
  }

  /** What we wrote ourselves in this life is taken at its word: checking would be a tenth of what a span costs. */
  #takeFrames(got: number, frames: Frame[], isChecked: boolean): number {
    let at = 0;
    for (;;) {
      const header = readFrameHeader(this.#buffer, at, got);
      const payloadAt = at + FRAME_HEADER_BYTES;
      if (header === undefined || payloadAt + header.payloadBytes > got) break;
      const payload = this.#buffer.subarray(payloadAt, payloadAt + header.payloadBytes);
      if (isChecked && checksumOf(payload, 0) !== header.checksum) break;
      frames.push({ kind: header.kind, items: header.items, payload });
      at = payloadAt + header.payloadBytes;
    }
    return at;
  }

  #skipRest(file: SpoolFile): void {
    this.damagedFiles += 1;
    this.dropped.spans += file.spans;
    this.dropped.logs += file.logs;
    this.waiting.spans -= file.spans;
    this.waiting.logs -= file.logs;
    file.spans = 0;
    file.logs = 0;
    this.#readOffset = file.size;
    if (file === this.#writing) this.#startFile();
    this.#log.error({ file: `${file.number}.spool` }, 'a spool file is damaged: the rest of it is dropped');
  }

  /** Finds what an earlier life left. A file that broke off in the middle of a frame ends before it. */
  #recover(cursor: { file: number; offset: number }): void {
    const numbers = readdirSync(this.#dir)
      .map((name) => /^(\d{1,15})\.spool$/.exec(name))
      .flatMap((match) => (match === null ? [] : [Number(match[1])]))
      .sort((a, b) => a - b);
    for (const number of numbers) {
      const path = join(this.#dir, `${number}.spool`);
      if (number < cursor.file) {
        rmSync(path, { force: true });
        continue;
      }
      const file = recoverFile(path, number, number === cursor.file ? cursor.offset : 0);
      this.#files.push(file);
      this.bytes += file.size;
      this.waiting.spans += file.spans;
      this.waiting.logs += file.logs;
    }
    const first = this.#files[0];
    const readOffset =
      first !== undefined && first.number === cursor.file ? Math.min(cursor.offset, first.size) : 0;
    // Never a number the cursor may still name, and never behind a frame that broke off.
    this.#lastNumber = Math.max(cursor.file, this.#files.at(-1)?.number ?? 0);
    this.#startFile();
    this.#readOffset = readOffset;
  }

  #writeCursor(): void {
    const file = this.#files[0];
    if (file === undefined) return;
    const bytes = Buffer.alloc(CURSOR_BYTES);
    bytes.writeDoubleLE(file.number, 0);
    bytes.writeDoubleLE(this.#readOffset, 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 16)), 16);
    writeSync(this.#cursorFd, bytes, 0, CURSOR_BYTES, 0);
  }
}

interface SpoolFile {
  readonly number: number;
  readonly fd: number;
  /** Left by an earlier life of the agent. */
  readonly isRecovered: boolean;
  size: number;
  /** Not yet acknowledged. */
  spans: number;
  logs: number;
}

/** f64 file number · f64 offset · u32 crc32 of the two · u32 0 */
const CURSOR_BYTES = 24;

function readCursor(path: string): { file: number; offset: number } {
  try {
    const bytes = readFileSync(path);
    if (bytes.length >= 20 && crc32(bytes.subarray(0, 16)) === bytes.readUInt32LE(16)) {
      return { file: bytes.readDoubleLE(0), offset: bytes.readDoubleLE(8) };
    }
  } catch {
    // a new spool
  }
  return { file: 0, offset: 0 };
}

function recoverFile(path: string, number: number, from: number): SpoolFile {
  const fd = openSync(path, 'r+');
  const total = fstatSync(fd).size;
  const file: SpoolFile = { number, fd, isRecovered: true, size: 0, spans: 0, logs: 0 };
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES);
  while (file.size + FRAME_HEADER_BYTES <= total) {
    readSync(fd, bytes, 0, FRAME_HEADER_BYTES, file.size);
    const header = readFrameHeader(bytes, 0, FRAME_HEADER_BYTES);
    if (header === undefined || header.payloadBytes > MAX_PAYLOAD_BYTES) break;
    const next = file.size + FRAME_HEADER_BYTES + header.payloadBytes;
    if (next > total) break;
    if (file.size >= from) file[header.kind === 'traces' ? 'spans' : 'logs'] += header.items;
    file.size = next;
  }
  return file;
}
