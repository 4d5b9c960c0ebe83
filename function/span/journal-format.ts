/**
 * The numbers of the journal's format, docs/journal.md. Little-endian; offsets and sizes in bytes.
 */
import { endianness } from 'node:os';

export const MAGIC = 'SPOORJNL';
export const VERSION = 1;
export const HEADER_BYTES = 4096;

export const DEFAULT_SEGMENT_BYTES = 262_144;
export const MIN_SEGMENT_BYTES = 65_536;
export const MAX_SEGMENT_BYTES = 4_194_304;
export const DEFAULT_SEGMENT_COUNT = 64;
export const MAX_SEGMENT_COUNT = 256;

/** Offsets of the header's words. */
export const HEADER = {
  magic: 0,
  version: 8,
  headerBytes: 12,
  segmentBytes: 16,
  segmentCount: 20,
  pid: 24,
  transport: 28,
  startTicks: 32,
  wallUnixNano: 40,
  droppedSpans: 48,
  droppedLogs: 56,
  sequence: 1024,
  drained: 2048,
} as const;

export const TRANSPORT = { map: 1, write: 2 } as const;

export const RECORD = {
  string: 1,
  resource: 2,
  anchor: 3,
  start: 4,
  attributes: 5,
  event: 6,
  link: 7,
  end: 8,
  name: 9,
  log: 10,
  dropped: 11,
  next: 12,
  goodbye: 13,
} as const;

/** Bytes of each record before its text or attributes begin: the header word included, a multiple of 8. */
export const FIXED_BYTES = {
  string: 16,
  resource: 8,
  anchor: 24,
  start: 64,
  attributes: 16,
  event: 32,
  link: 48,
  end: 32,
  name: 16,
  log: 48,
  dropped: 24,
  next: 8,
  goodbye: 16,
} as const;

export const VALUE = {
  string: 0,
  bool: 1,
  int64: 2,
  double: 3,
  bytes: 4,
  array: 5,
  map: 6,
  interned: 7,
  empty: 8,
} as const;

/** Bytes of an attribute before its value. */
export const ATTRIBUTE_BYTES = 8;
/** Arrays and maps within each other, at most. */
export const MAX_DEPTH = 8;

export const LOG_SOURCE = {
  unknown: 0,
  console: 1,
  stdout: 2,
  stderr: 3,
  logging: 4,
  crash: 5,
} as const;
export type LogSource = keyof typeof LOG_SOURCE;

/** Up to the next multiple of 8. */
export function align(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** The writer stores through typed arrays, which have the machine's byte order. */
export function isLittleEndian(): boolean {
  return endianness() === 'LE';
}

export function journalBytes(segmentBytes: number, segmentCount: number): number {
  return HEADER_BYTES + segmentCount * segmentBytes;
}

/** Says what is wrong with a size, or undefined: the rule holds for who creates a journal and for who reads one. */
export function sizeFault(segmentBytes: number, segmentCount: number): string | undefined {
  const powerOfTwo = Number.isInteger(segmentBytes) && Number.isInteger(Math.log2(segmentBytes));
  if (!powerOfTwo || segmentBytes < MIN_SEGMENT_BYTES || segmentBytes > MAX_SEGMENT_BYTES)
    return `segmentBytes [${segmentBytes}] must be a power of two between ${MIN_SEGMENT_BYTES} and ${MAX_SEGMENT_BYTES}`;
  if (!Number.isInteger(segmentCount) || segmentCount < 1 || segmentCount > MAX_SEGMENT_COUNT)
    return `segmentCount [${segmentCount}] must be between 1 and ${MAX_SEGMENT_COUNT}`;
  return undefined;
}
