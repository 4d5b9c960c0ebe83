import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Chunk } from './attribute-writer.ts';
import type { Found, JournalReader } from './journal-reader.ts';
import type { OtlpBatch } from './otlp-batch.ts';
import { isAlive } from './process-state.ts';
import { readSnapshot, removeSnapshot, writeSnapshot } from './snapshot.ts';
import { endingOf, readEndFile } from './span-ending.ts';
import { Transcoder } from './transcoder.ts';

/** How long the end file of a dead process is waited for. */
const END_FILE_WAIT_MS = 1_000;
/** An end file beside a process that still seems to live is believed after this long. */
const END_FILE_BELIEVED_MS = 5_000;
/** Looking at /proc costs some 40 microseconds, so not at every poll; a death with an end file is looked at at once. */
const CHECK_ALIVE_MS = 1_000;
/** A journal that has been quiet for so long is looked at so often: a hundred of them must not cost what they do not give. */
const QUIET: readonly { readonly afterMs: number; readonly everyMs: number }[] = [
  { afterMs: 60_000, everyMs: 200 },
  { afterMs: 10_000, everyMs: 100 },
  { afterMs: 1_000, everyMs: 40 },
];
/**
 * With more spans open than this a segment is not given back by itself, for which all of them would have to be written down, but
 * together with those after it: up to this share of the journal's segments.
 */
const MANY_OPEN_SPANS = 64;
const HELD_SHARE = 8;
/** Every so many idle polls the header is looked at for a segment that begins without a NEXT before it. */
const HEADER_EVERY_POLLS = 16;

export interface InstanceOptions {
  readonly id: string;
  /** The journal; the end file stands beside it. */
  readonly path: string;
  readonly spoolDir: string;
  readonly reader: JournalReader;
  /** Whether pids in journals mean the same to us. */
  readonly sharesPids: boolean;
  /** Of an instance whose pid says nothing and who left no end file: silence this long is death. */
  readonly abandonedAfterMs: number;
}

/**
 * One instance as the agent sees it, from its journal's first byte to its removal:
 *
 *   drain ─▶ (frames in the spool) ─▶ commit ─▶ drain ─▶ …  process dead, all read, end file there or waited for
 *                                                     └─▶ finish ─▶ (frames in the spool) ─▶ remove
 *
 * `commit` and `remove` come only after the spool has what `drain` and `finish` made, so that a kill between any two steps
 * repeats work and loses none.
 */
export class Instance {
  readonly id: string;
  readonly path: string;
  readonly transcoder: Transcoder;
  readonly #options: InstanceOptions;
  readonly #reader: JournalReader;
  readonly #snapshotPath: string;
  /** Where an earlier life of the agent had come to: what lies before it is not handed on again. */
  readonly #silentUntil: { readonly sequence: number; readonly offset: number };

  #sequence = 1;
  /** Segment being read, -1 while the next one is awaited. */
  #index = -1;
  #offset = 0;
  #isSegmentDone = false;
  #hasNews = false;
  /** Segments that are read to their end and not given back. */
  #heldSegments = 0;
  /** Segments in use that were not begun yet, when this one was. */
  #waitingSegments = 0;
  /** Of the two snapshots, the one that may be written over. */
  #turn: 0 | 1 = 0;
  #idlePolls = 0;
  /** Segments that never appeared, or broke off with a header word that cannot be true. */
  damagedSegments = 0;
  bytesRead = 0;

  /** The last record of a journal that is written by calls, until it has been seen the same twice. */
  #unsettled: { readonly sequence: number; readonly at: number; readonly crc: number } | undefined;

  #lastNewsAt = Date.now();
  #lookedAt = 0;
  #checkedAt = 0;
  #wasSeenAlive = false;
  #endFileSeenAt: number | undefined;
  #deadSince: number | undefined;
  #diedUnixNano: bigint | undefined;

  constructor(options: InstanceOptions) {
    this.id = options.id;
    this.path = options.path;
    this.#options = options;
    this.#reader = options.reader;
    this.#snapshotPath = join(options.spoolDir, `${options.id}.state`);
    const { createdUnixNano } = options.reader.header;
    this.transcoder = new Transcoder(options.id, `${options.id}-${createdUnixNano.toString(36)}`);
    const snapshot = readSnapshot(this.#snapshotPath, createdUnixNano, this.transcoder);
    if (snapshot !== undefined) {
      this.#sequence = snapshot.nextSequence;
      this.#turn = snapshot.turn === 0 ? 1 : 0;
      this.#reader.freeBefore(this.#sequence);
    }
    this.#silentUntil = this.#reader.readPosition();
  }

  get isDead(): boolean {
    return this.#deadSince !== undefined;
  }

  /** How much of the journal the writer cannot use, 0 to 1, as of the beginning of the segment that is being read. */
  get fullness(): number {
    return (this.#waitingSegments + this.#heldSegments) / this.#reader.header.segmentCount;
  }

  /** Whether a look is worth its cost by now. */
  isDue(now: number): boolean {
    const quietMs = now - this.#lastNewsAt;
    for (const { afterMs, everyMs } of QUIET) if (quietMs > afterMs) return now - this.#lookedAt >= everyMs;
    return true;
  }

  /** Its last record was held back, to be looked at once more. */
  get isUnsettled(): boolean {
    return this.#unsettled !== undefined;
  }

  /** Reads what is new, at most to the end of a segment, into the batch. Returns the bytes read. */
  drain(chunk: Chunk, batch: OtlpBatch): number {
    this.#lookedAt = Date.now();
    if (this.#index < 0 && !this.#beginSegment()) return 0;
    let found = this.#reader.read(chunk, this.#index, this.#offset);
    if (found.bytes === 0) {
      if (!this.#hasWriterMovedOn(found.isDamaged)) return 0;
      // It may have written here between our look at this segment and our look at the header.
      found = this.#reader.read(chunk, this.#index, this.#offset);
      if (found.bytes === 0) {
        if (found.isDamaged) this.damagedSegments += 1;
        this.#isSegmentDone = true;
        this.#hasNews = true;
        return 8;
      }
    }
    this.#idlePolls = 0;
    const bytes = this.#settled(chunk, found);
    if (bytes === 0) return 0;
    const silentBytes =
      this.#sequence < this.#silentUntil.sequence
        ? bytes
        : this.#sequence === this.#silentUntil.sequence
          ? this.#silentUntil.offset - this.#offset
          : 0;
    const consumed = this.transcoder.consume(chunk, bytes, this.#offset, silentBytes, batch);
    this.#offset += consumed.bytes;
    this.bytesRead += consumed.bytes;
    this.#isSegmentDone = consumed.isLast;
    this.#hasNews = consumed.bytes > 0;
    if (this.#hasNews) this.#lastNewsAt = Date.now();
    return consumed.bytes;
  }

  /** What was drained is in the spool: never hand it on again, and give finished segments back to the writer, at once or soon. */
  commit(): void {
    if (!this.#hasNews) return;
    this.#hasNews = false;
    if (!this.#isSegmentDone) {
      this.#reader.writePosition(this.#sequence, this.#offset);
      return;
    }
    const nextSequence = this.#sequence + 1;
    const { createdUnixNano, segmentCount } = this.#reader.header;
    const canHold = this.#heldSegments + 1 < Math.floor(segmentCount / HELD_SHARE);
    if (canHold && this.transcoder.open.size > MANY_OPEN_SPANS) {
      this.#reader.writePosition(this.#sequence, this.#offset);
      this.#heldSegments += 1;
      this.#awaitSegment(nextSequence);
      return;
    }
    try {
      const snapshot = { createdUnixNano, nextSequence, turn: this.#turn };
      writeSnapshot(this.#snapshotPath, snapshot, this.transcoder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
      return; // not given back while the disk is full; `drain` comes to the segment's end again and tries anew
    }
    this.#reader.freeBefore(nextSequence);
    this.#turn = this.#turn === 0 ? 1 : 0;
    this.#heldSegments = 0;
    this.#awaitSegment(nextSequence);
  }

  #awaitSegment(sequence: number): void {
    this.#sequence = sequence;
    this.#index = -1;
    this.#isSegmentDone = false;
  }

  /** Looks whether the process is dead. `hasEndFile`: an end file was seen beside the journal. */
  checkAlive(hasEndFile: boolean): void {
    const now = Date.now();
    if (hasEndFile && this.#endFileSeenAt === undefined) {
      this.#endFileSeenAt = now;
      // A thread is over, whatever its process does: who saw it says so.
      if (readEndFile(endFileOf(this.path))?.isThread === true) this.#deadSince ??= now;
    }
    if (this.#deadSince !== undefined) return;
    const { pid, startTicks } = this.#reader.header;
    if (pid === 0 || !this.#options.sharesPids) {
      if (hasEndFile || now - this.#lastNewsAt > this.#options.abandonedAfterMs) this.#deadSince = now;
      return;
    }
    if (!hasEndFile && now - this.#checkedAt < CHECK_ALIVE_MS) return;
    this.#checkedAt = now;
    if (!isAlive(pid, startTicks)) {
      this.#deadSince = now;
      if (this.#wasSeenAlive) this.#diedUnixNano = BigInt(now) * 1_000_000n;
    } else if (this.#endFileSeenAt !== undefined && now - this.#endFileSeenAt > END_FILE_BELIEVED_MS) {
      this.#deadSince = now;
    } else this.#wasSeenAlive = true;
  }

  /** Dead, and there is nothing more to wait for; ask after a drain that brought nothing. */
  get isReadyToFinish(): boolean {
    if (this.#deadSince === undefined) return false;
    return this.#endFileSeenAt !== undefined || Date.now() - this.#deadSince >= END_FILE_WAIT_MS;
  }

  /** Ends what the process left open. Returns how many spans that were. */
  finish(batch: OtlpBatch): number {
    batch.begin(this.transcoder.resource);
    const dropped = this.#reader.readDropped();
    this.transcoder.noteDropped(dropped.spans, dropped.logs, false, batch);
    const ending = endingOf({
      end: endFilesOf(this.path)
        .map(readEndFile)
        .find((end) => end !== undefined),
      goodbye: this.transcoder.goodbye,
      tail: this.transcoder.tail,
      lastRecordUnixNano: (BigInt(this.transcoder.lastHigh) << 32n) | BigInt(this.transcoder.lastLow),
      diedUnixNano: this.#diedUnixNano,
    });
    return this.transcoder.endOpen(ending, batch);
  }

  /** Everything is in the spool: the journal goes. */
  remove(): void {
    this.#reader.close();
    rmSync(this.path, { force: true });
    // The threads of a process die with it, and for the same reason; an end file that is left is removed after a while (agent.ts).
    if (!hasThreads(this.path, this.id)) rmSync(endFileOf(this.path), { force: true });
    removeSnapshot(this.#snapshotPath);
  }

  close(): void {
    this.#reader.close();
  }

  /**
   * A write call is not atomic for who reads at that very moment: the last record may still be zeros behind its header word. It is
   * taken when it was the same at the look before, or its writer is dead, or stores into memory, where the header word comes last.
   */
  #settled(chunk: Chunk, { bytes, lastAt }: Found): number {
    const before = this.#unsettled;
    this.#unsettled = undefined;
    if (this.isDead || this.#reader.isMapped) return bytes;
    const at = this.#offset + lastAt;
    const crc = crc32(chunk.u8.subarray(lastAt, bytes));
    if (before?.sequence === this.#sequence && before.at === at && before.crc === crc) return bytes;
    this.#unsettled = { sequence: this.#sequence, at, crc };
    return lastAt;
  }

  #beginSegment(): boolean {
    const found = this.#reader.findSegment(this.#sequence);
    if (found === undefined) return false;
    if (found.sequence > this.#sequence) this.damagedSegments += this.#sequence > 1 ? 1 : 0;
    this.#sequence = found.sequence;
    this.#index = found.index;
    this.#waitingSegments = found.waiting;
    this.#offset = 0;
    this.transcoder.beginSegment(found.sequence);
    return true;
  }

  /** A segment that is full to the last byte, or broken, or whose writer died, ends without a NEXT. */
  #hasWriterMovedOn(isDamaged: boolean): boolean {
    this.#idlePolls += 1;
    const isFull = this.#offset + 8 > this.#reader.header.segmentBytes;
    if (!isDamaged && !isFull && !this.isDead && this.#idlePolls % HEADER_EVERY_POLLS !== 0) return false;
    return this.#reader.findSegment(this.#sequence + 1) !== undefined;
  }
}

export function endFileOf(journalPath: string): string {
  return `${journalPath.slice(0, -'.journal'.length)}.end`;
}

/** Where the end of this journal's writer may be told: its own end file and, for a thread, that of its process. */
export function endFilesOf(journalPath: string): readonly string[] {
  const own = endFileOf(journalPath);
  const ofProcess = /^(.+)\.thread-\d+\.end$/.exec(own)?.[1];
  return ofProcess === undefined ? [own] : [own, `${ofProcess}.end`];
}

/** A thread's journal is named after its process': `<instance id>.thread-<number>.journal`. */
function hasThreads(journalPath: string, id: string): boolean {
  try {
    return readdirSync(dirname(journalPath)).some((name) => name.startsWith(`${id}.thread-`));
  } catch {
    return false; // the folder is gone, and all in it
  }
}
