import { closeSync, constants, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { KeptSpan } from './kept-span.ts';
import type { OpenSpan } from './open-spans.ts';
import { pad, ProtoBuffer } from './proto-buffer.ts';
import type { Transcoder } from './transcoder.ts';

/**
 * What the agent must remember of an instance before it lets go of journal segments: the spans still open, the resource, and
 * where to go on. Two files per instance in the spool folder, written in turn and in place, each with its length and checksum:
 * a torn one is passed over for the other. Not one file replaced by rename, which took 5 ms at each segment: ext4 writes a file
 * that is renamed over another (or cut to nothing and rewritten) to disk at once (auto_da_alloc).
 *
 *     u32 bytes behind the next word · u32 their crc32 · u32 length of the JSON · JSON, SnapshotFile · open spans (putSpan)
 *
 * Not all of it JSON: a thousand open spans took 8 ms of CPU as base64, where they take 2, and a busy router fills forty segments a second.
 */
export interface Snapshot {
  /** Of the journal's header: a new journal of the same name is another instance. */
  readonly createdUnixNano: bigint;
  /** Every segment used before this one is drained. */
  readonly nextSequence: number;
  /** Which of the two files it is. */
  readonly turn: 0 | 1;
}

export function writeSnapshot(path: string, snapshot: Snapshot, transcoder: Transcoder): void {
  const file: SnapshotFile = {
    version: 2,
    createdUnixNano: String(snapshot.createdUnixNano),
    nextSequence: snapshot.nextSequence,
    resource: toBase64(transcoder.resource),
    last: [transcoder.lastLow, transcoder.lastHigh],
    dropped: [transcoder.droppedSpans, transcoder.droppedLogs],
    tail: transcoder.tail,
    goodbye:
      transcoder.goodbye && [...transcoder.goodbye].map(([key, value]) => [key, typeof value, String(value)]),
  };
  const json = Buffer.from(JSON.stringify(file));
  const out = new ProtoBuffer(SEAL_BYTES + 4 + json.length + transcoder.open.size * USUAL_SPAN_BYTES);
  out.position = SEAL_BYTES;
  out.fixed32(json.length);
  out.raw(json);
  for (const span of transcoder.open) if (span.kept) putSpan(out, span, span.kept);
  const end = out.position;
  out.position = 0;
  out.fixed32(end - SEAL_BYTES);
  out.fixed32(crc32(out.bytes.subarray(SEAL_BYTES, end)));
  const fd = openSync(`${path}.${snapshot.turn}`, constants.O_WRONLY | constants.O_CREAT);
  try {
    for (let at = 0; at < end;) at += writeSync(fd, out.bytes, at, end - at, at);
  } finally {
    closeSync(fd);
  }
}

/** u32 length and u32 crc32 of what is behind them; what follows that is of an older, longer snapshot. */
const SEAL_BYTES = 8;
const USUAL_SPAN_BYTES = 640;

interface Sealed {
  readonly turn: 0 | 1;
  readonly file: SnapshotFile;
  /** Open spans. */
  readonly spans: Buffer;
}

function readSealed(path: string, turn: 0 | 1): Sealed | undefined {
  try {
    const bytes = readFileSync(`${path}.${turn}`);
    const body = bytes.subarray(SEAL_BYTES, SEAL_BYTES + bytes.readUInt32LE(0));
    if (crc32(body) !== bytes.readUInt32LE(4)) return undefined;
    const jsonEnd = 4 + body.readUInt32LE(0);
    const file = JSON.parse(body.toString('utf8', 4, jsonEnd)) as SnapshotFile;
    return file.version === 2 ? { turn, file, spans: body.subarray(jsonEnd) } : undefined;
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
  const newest = [readSealed(path, 0), readSealed(path, 1)]
    .filter((found) => found?.file.createdUnixNano === String(createdUnixNano))
    .sort((a, b) => (b?.file.nextSequence ?? 0) - (a?.file.nextSequence ?? 0))[0];
  if (newest === undefined) return undefined;
  const { turn, file, spans } = newest;
  transcoder.resource = fromBase64(file.resource);
  [transcoder.lastLow, transcoder.lastHigh] = file.last;
  [transcoder.droppedSpans, transcoder.droppedLogs] = file.dropped;
  transcoder.tail = [...file.tail];
  transcoder.goodbye =
    file.goodbye &&
    new Map(file.goodbye.map(([key, type, value]) => [key, type === 'bigint' ? BigInt(value) : value]));
  for (let at = 0; at < spans.length;) at = takeSpan(spans, at, transcoder);
  return { createdUnixNano, nextSequence: file.nextSequence, turn };
}

export function removeSnapshot(path: string): void {
  for (const turn of [0, 1]) rmSync(`${path}.${turn}`, { force: true });
}

interface SnapshotFile {
  version: 2;
  createdUnixNano: string;
  nextSequence: number;
  resource: string;
  last: [number, number];
  dropped: [number, number];
  tail: string[];
  goodbye: [key: string, type: string, value: string][] | undefined;
}

/** Words before the bytes of an open span. */
const SPAN_WORDS = 12;

/**
 * u32: span id (low, high) · parent's id (low, high) · start, unix ns (low, high) · dropped attributes · dropped events · bytes of the
 * head · and of the name, the scope, and all fields, which follow in this order.
 */
function putSpan(out: ProtoBuffer, span: OpenSpan, kept: KeptSpan): void {
  const scope = Buffer.from(span.scope);
  const { bytes: name } = span.name;
  out.ensure(SPAN_WORDS * 4 + name.length + scope.length + kept.fields.position);
  for (const [low, high] of [
    [span.low, span.high],
    [kept.parentLow, kept.parentHigh],
    [kept.startLow, kept.startHigh],
    [kept.droppedAttributes, kept.droppedEvents],
    [kept.headBytes, name.length],
    [scope.length, kept.fields.position],
  ] as const)
    out.fixed64(low, high);
  out.raw(name);
  out.raw(scope);
  out.raw(kept.fields.view());
}

/** Returns where the next one begins. */
function takeSpan(bytes: Buffer, at: number, { open }: Transcoder): number {
  const word = (index: number) => bytes.readUInt32LE(at + index * 4);
  const nameAt = at + SPAN_WORDS * 4;
  const scopeAt = nameAt + word(9);
  const fieldsAt = scopeAt + word(10);
  const end = fieldsAt + word(11);
  const kept = new KeptSpan();
  kept.fields.raw(bytes.subarray(fieldsAt, end));
  kept.resume(word(8));
  kept.parentLow = word(2);
  kept.parentHigh = word(3);
  kept.startLow = word(4);
  kept.startHigh = word(5);
  kept.droppedAttributes = word(6);
  kept.droppedEvents = word(7);
  open.add({
    low: word(0),
    high: word(1),
    next: undefined,
    isOpen: true,
    start: -1,
    more: undefined,
    name: pad(bytes.subarray(nameAt, scopeAt)),
    scope: bytes.toString('utf8', scopeAt, fieldsAt),
    kept,
  });
  return end;
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}
