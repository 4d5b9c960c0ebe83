import { closeSync, constants, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { KeptSpan, OpenSpan } from './open-spans.ts';
import { pad, ProtoBuffer } from './proto-buffer.ts';
import type { Transcoder } from './transcoder.ts';

/**
 * What the agent must remember of an instance before it lets go of a journal segment: the spans still open, the resource, and
 * where to go on. Two JSON files per instance in the spool folder, written in turn and in place, each with its length and checksum:
 * a torn one is passed over for the other. Not one file replaced by rename, which took 5 ms at each segment: ext4 writes a file
 * that is renamed over another (or cut to nothing and rewritten) to disk at once (auto_da_alloc).
 */
export interface Snapshot {
  /** Of the journal's header: a new journal of the same name is another instance. */
  readonly createdUnixNano: bigint;
  /** Every segment used before this one is drained. */
  readonly nextSequence: number;
}

export function writeSnapshot(path: string, snapshot: Snapshot, transcoder: Transcoder): void {
  const file: SnapshotFile = {
    version: 1,
    createdUnixNano: String(snapshot.createdUnixNano),
    nextSequence: snapshot.nextSequence,
    resource: toBase64(transcoder.resource),
    last: [transcoder.lastLow, transcoder.lastHigh],
    dropped: [transcoder.droppedSpans, transcoder.droppedLogs],
    tail: transcoder.tail,
    goodbye:
      transcoder.goodbye && [...transcoder.goodbye].map(([key, value]) => [key, typeof value, String(value)]),
    open: [...transcoder.open].flatMap((span) => (span.kept ? [toFile(span, span.kept)] : [])),
  };
  const json = Buffer.from(JSON.stringify(file));
  const bytes = Buffer.alloc(SEAL_BYTES + json.length);
  bytes.writeUInt32LE(json.length, 0);
  bytes.writeUInt32LE(crc32(json), 4);
  json.copy(bytes, SEAL_BYTES);
  const fd = openSync(`${path}.${snapshot.nextSequence & 1}`, constants.O_WRONLY | constants.O_CREAT);
  try {
    writeSync(fd, bytes, 0, bytes.length, 0);
  } finally {
    closeSync(fd);
  }
}

/** u32 length and u32 crc32 of the JSON behind them; what follows the JSON is of an older, longer one. */
const SEAL_BYTES = 8;

function readSealed(path: string): SnapshotFile | undefined {
  try {
    const bytes = readFileSync(path);
    const json = bytes.subarray(SEAL_BYTES, SEAL_BYTES + bytes.readUInt32LE(0));
    if (crc32(json) !== bytes.readUInt32LE(4)) return undefined;
    const file = JSON.parse(json.toString()) as SnapshotFile;
    return file.version === 1 ? file : undefined;
  } catch {
    return undefined; // not there, or torn
  }
}

/** Puts a snapshot back into a fresh transcoder; undefined when there is none, or it is of another journal. */
export function readSnapshot(
  path: string,
  createdUnixNano: bigint,
  transcoder: Transcoder,
): Snapshot | undefined {
  const file = [readSealed(`${path}.0`), readSealed(`${path}.1`)]
    .filter((found) => found !== undefined && found.createdUnixNano === String(createdUnixNano))
    .sort((a, b) => (b?.nextSequence ?? 0) - (a?.nextSequence ?? 0))[0];
  if (file === undefined) return undefined;
  transcoder.resource = fromBase64(file.resource);
  [transcoder.lastLow, transcoder.lastHigh] = file.last;
  [transcoder.droppedSpans, transcoder.droppedLogs] = file.dropped;
  transcoder.tail = [...file.tail];
  transcoder.goodbye =
    file.goodbye &&
    new Map(file.goodbye.map(([key, type, value]) => [key, type === 'bigint' ? BigInt(value) : value]));
  for (const span of file.open) transcoder.open.add(fromFile(span));
  return { createdUnixNano, nextSequence: file.nextSequence };
}

export function removeSnapshot(path: string): void {
  for (const turn of [0, 1]) rmSync(`${path}.${turn}`, { force: true });
}

interface SnapshotFile {
  version: 1;
  createdUnixNano: string;
  nextSequence: number;
  resource: string;
  last: [number, number];
  dropped: [number, number];
  tail: string[];
  goodbye: [key: string, type: string, value: string][] | undefined;
  open: OpenSpanFile[];
}

interface OpenSpanFile {
  id: [low: number, high: number];
  parent: [low: number, high: number];
  start: [low: number, high: number];
  name: string;
  scope: string;
  head: string;
  attributes: [key: string, field: string][];
  extra: string;
  dropped: [attributes: number, events: number];
}

function toFile(span: OpenSpan, kept: KeptSpan): OpenSpanFile {
  return {
    id: [span.low, span.high],
    parent: [kept.parentLow, kept.parentHigh],
    start: [kept.startLow, kept.startHigh],
    name: toBase64(span.name.bytes),
    scope: span.scope,
    head: toBase64(kept.head),
    attributes: [...kept.attributes].map(([key, field]) => [key, toBase64(field)]),
    extra: toBase64(kept.extra.view()),
    dropped: [kept.droppedAttributes, kept.droppedEvents],
  };
}

function fromFile(file: OpenSpanFile): OpenSpan {
  const extra = new ProtoBuffer(0);
  extra.raw(fromBase64(file.extra));
  return {
    low: file.id[0],
    high: file.id[1],
    next: undefined,
    isOpen: true,
    start: -1,
    more: undefined,
    name: pad(fromBase64(file.name)),
    scope: file.scope,
    kept: {
      head: fromBase64(file.head),
      attributes: new Map(file.attributes.map(([key, field]) => [key, fromBase64(field)])),
      extra,
      parentLow: file.parent[0],
      parentHigh: file.parent[1],
      startLow: file.start[0],
      startHigh: file.start[1],
      droppedAttributes: file.dropped[0],
      droppedEvents: file.dropped[1],
    },
  };
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}
