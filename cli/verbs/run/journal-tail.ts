import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { SPOOR_END_REASON, SPOOR_UNFINISHED } from '../../../function/span/attributes.ts';
import { decodeHeader, SegmentDecoder, type JournalRecord } from '../../../function/span/journal-decoder.ts';
import { HEADER, HEADER_BYTES } from '../../../function/span/journal-format.ts';
import { STATUS_CODE, type LogData, type SpanData } from '../../../function/span/span-data.ts';
import { SpanTable } from '../../../function/span/span-table.ts';

export interface TailHandlers {
  readonly onSpan: (span: SpanData) => void;
  readonly onLog: (log: LogData) => void;
}

/**
 * Follows every journal of a folder (docs/journal.md) within this process: what the agent does for a store, here for a
 * terminal. `poll` tells what is new; nothing is kept, and what was read is given back to its writer.
 */
export class JournalTail implements Disposable {
  readonly #directory: string;
  readonly #handlers: TailHandlers;
  readonly #journals = new Map<string, Journal>();

  constructor(directory: string, handlers: TailHandlers) {
    this.#directory = directory;
    this.#handlers = handlers;
  }

  poll(): void {
    for (const name of readdirSync(this.#directory)) {
      if (!name.endsWith('.journal') || this.#journals.has(name)) continue;
      this.#journals.set(name, new Journal(join(this.#directory, name), this.#handlers));
    }
    for (const [name, journal] of this.#journals) {
      journal.poll();
      const end = join(this.#directory, name.replace(/\.journal$/, '.end'));
      if (!existsSync(end)) continue;
      // Its process is dead: what it wrote last is there now.
      journal.poll();
      journal.close(end);
      this.#journals.delete(name);
    }
  }

  [Symbol.dispose](): void {
    for (const journal of this.#journals.values()) journal.close();
    this.#journals.clear();
  }
}

class Journal {
  readonly #path: string;
  readonly #fd: number;
  readonly #handlers: TailHandlers;
  readonly #table = new SpanTable();
  #decoder = new SegmentDecoder();
  #segment = Buffer.alloc(0);
  #sequence = 1;
  #offset = 0;

  constructor(path: string, handlers: TailHandlers) {
    this.#path = path;
    this.#fd = openSync(path, 'r+');
    this.#handlers = handlers;
  }

  poll(): void {
    for (;;) {
      const page = Buffer.alloc(HEADER_BYTES);
      readSync(this.#fd, page, 0, HEADER_BYTES, 0);
      const header = decodeHeader(page, fstatSync(this.#fd).size);
      if (typeof header === 'string') return;
      const index = header.sequences.indexOf(this.#sequence);
      if (index < 0) return;
      const start = HEADER_BYTES + index * header.segmentBytes;
      if (this.#segment.length !== header.segmentBytes) this.#segment = Buffer.alloc(header.segmentBytes);
      this.#read(start);
      // A write call is not atomic for who reads the same page: of such a journal, what reads the same twice is true.
      if (header.transport === 'write') {
        const first = Buffer.from(this.#segment.subarray(this.#offset));
        this.#read(start);
        if (!first.equals(this.#segment.subarray(this.#offset))) return;
      }
      const { offset, state } = this.#decoder.decode(this.#segment, this.#offset, (record) =>
        this.#take(record),
      );
      this.#offset = offset;
      if (state === 'tail') return;
      const word = Buffer.alloc(4);
      word.writeUInt32LE(this.#sequence);
      writeSync(this.#fd, word, 0, 4, HEADER.drained + 4 * index);
      this.#sequence += 1;
      this.#offset = 0;
      this.#decoder = new SegmentDecoder();
    }
  }

  /** With the file that says how its process ended, the spans it left open are told with that reason. */
  close(endFile?: string): void {
    closeSync(this.#fd);
    if (endFile === undefined) return;
    const end = readEnd(endFile);
    for (const span of this.#table.openSpans())
      this.#handlers.onSpan({
        ...span,
        endTimeUnixNano:
          end.timeUnixNano > span.startTimeUnixNano ? end.timeUnixNano : span.startTimeUnixNano,
        status: { code: STATUS_CODE.error, message: end.message },
        attributes: { ...span.attributes, [SPOOR_UNFINISHED]: true, [SPOOR_END_REASON]: end.reason },
      });
    rmSync(endFile, { force: true });
    rmSync(this.#path, { force: true });
  }

  #read(start: number): void {
    readSync(
      this.#fd,
      this.#segment,
      this.#offset,
      this.#segment.length - this.#offset,
      start + this.#offset,
    );
  }

  #take(record: JournalRecord): void {
    const finished = this.#table.apply(record);
    if (finished?.span) this.#handlers.onSpan(finished.span);
    if (finished?.log) this.#handlers.onLog(finished.log);
  }
}

function readEnd(path: string): { reason: string; message: string; timeUnixNano: bigint } {
  try {
    const end = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
    return {
      reason: end['reason'] ?? 'lost',
      message: end['message'] ?? '',
      timeUnixNano: BigInt(end['timeUnixNano'] ?? 0),
    };
  } catch {
    return { reason: 'lost', message: 'the process is gone', timeUnixNano: 0n };
  }
}
