import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { decodeHeader, SegmentDecoder, type JournalHeader, type JournalRecord } from './journal-decoder.ts';
import { HEADER_BYTES } from './journal-format.ts';
import type { Attributes, LogData, SpanData } from './span-data.ts';
import { SpanTable } from './span-table.ts';

/** All that one journal holds now. */
export interface JournalContents {
  readonly header: JournalHeader;
  /** Ended, in the order of their ends. */
  readonly spans: readonly SpanData[];
  /** Started and never ended; their end time is their start time. */
  readonly open: readonly SpanData[];
  readonly logs: readonly LogData[];
  readonly goodbyes: readonly Attributes[];
  readonly resource: Attributes;
  /** Records of spans whose start is not here: drained, or lost. */
  readonly orphans: number;
  readonly droppedSpans: number;
  readonly droppedLogs: number;
  /** What was wrong with the bytes, one sentence each. */
  readonly problems: readonly string[];
}

/** Reads a whole journal at one go, for tests and tools; the agent reads as it grows. Throws when it is no journal. */
export function readJournal(path: string): JournalContents {
  const fd = openSync(path, 'r');
  try {
    return readContents(path, fd);
  } finally {
    closeSync(fd);
  }
}

function readContents(path: string, fd: number): JournalContents {
  const header = decodeHeader(readAt(fd, 0, HEADER_BYTES), fstatSync(fd).size);
  if (typeof header === 'string')
    throw new Error(
      `cannot read journal [${path}]: ${header === '' ? 'its header is not complete' : header}`,
    );
  const table = new SpanTable();
  const spans: SpanData[] = [];
  const logs: LogData[] = [];
  const goodbyes: Attributes[] = [];
  const problems: string[] = [];
  const visit = (record: JournalRecord) => {
    if (record.type === 'goodbye') goodbyes.push(record.attributes);
    const finished = table.apply(record);
    if (finished?.span) spans.push(finished.span);
    if (finished?.log) logs.push(finished.log);
  };
  for (const index of inOrderOfUse(header)) {
    const segment = readAt(fd, HEADER_BYTES + index * header.segmentBytes, header.segmentBytes);
    const decoded = new SegmentDecoder().decode(segment, 0, visit);
    if (decoded.problem !== undefined) problems.push(`segment ${index}: ${decoded.problem}`);
  }
  return {
    header,
    spans,
    open: table.openSpans(),
    logs,
    goodbyes,
    resource: table.resource,
    orphans: table.orphans,
    droppedSpans: Number(header.droppedSpans),
    droppedLogs: Number(header.droppedLogs),
    problems,
  };
}

/** Never mapped: a file that is cut short under a mapping kills its reader. */
function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
}

function inOrderOfUse(header: JournalHeader): number[] {
  const sequence = (index: number) => header.sequences[index] as number;
  return [...header.sequences.keys()]
    .filter((index) => sequence(index) !== 0)
    .sort((a, b) => sequence(a) - sequence(b));
}
