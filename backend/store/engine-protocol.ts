import type { Duplex } from 'node:stream';

/**
 * What the store and the engine's process say to each other over a socket pair:
 *
 *   u32 payload length (LE), u32 id, u8 kind, payload
 *
 * Every request is answered once, by its id, in any order. Both ends are ours, of one version, on one machine.
 */
export const FRAME = {
  /** JSON EngineOptions; answered when the sessions are open. */
  open: 1,
  /** SQL, answered with JSONCompactEachRow. */
  query: 2,
  /** SQL of an insert or DDL, answered with nothing. */
  write: 3,
  /** Answered from a session of its own: is the engine alive? */
  ping: 4,
  /** The query with this id is not wanted any more; not answered. */
  cancel: 5,
  ok: 6,
  /** JSON EngineError. */
  error: 7,
} as const;
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

export interface EngineOptions {
  readonly path: string;
  readonly maxServerMemoryBytes: number;
  readonly querySessions: number;
  readonly insertSessions: number;
}

export interface EngineError {
  readonly message: string;
  /** 'missing': chdb is not installed. */
  readonly reason: 'missing' | 'failed';
}

export function writeFrame(stream: Duplex, id: number, kind: FrameKind, payload: Uint8Array | string): void {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'utf8') : payload;
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt32LE(body.length, 0);
  head.writeUInt32LE(id, 4);
  head[8] = kind;
  stream.write(head);
  if (body.length > 0) stream.write(body);
}

/** Calls back with each whole frame; the payload is the caller's to keep. */
export function readFrames(
  stream: Duplex,
  onFrame: (id: number, kind: FrameKind, payload: Buffer) => void,
): void {
  let chunks: Buffer[] = [];
  let held = 0;
  let wanted = HEAD_BYTES;
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    held += chunk.length;
    while (held >= wanted) {
      const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, held);
      const end = HEAD_BYTES + bytes.readUInt32LE(0);
      if (held < end) {
        wanted = end;
        chunks = [bytes];
        return;
      }
      onFrame(bytes.readUInt32LE(4), bytes[8] as FrameKind, Buffer.from(bytes.subarray(HEAD_BYTES, end)));
      chunks = [bytes.subarray(end)];
      held -= end;
      wanted = HEAD_BYTES;
    }
  });
}

const HEAD_BYTES = 9;
