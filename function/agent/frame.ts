/**
 * One frame of the spool, little-endian:
 * u32 length of the payload · u32 checksum of the payload · u32 kind (1 traces, 2 logs) · u32 spans or log records in it · payload.
 */
export const FRAME_HEADER_BYTES = 16;

export type FrameKind = 'traces' | 'logs';

/** A payload longer than this is not one of ours. */
export const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024;

/** Fills in the header of a frame whose payload is there. */
export function writeFrameHeader(frame: Uint8Array, kind: FrameKind, items: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, FRAME_HEADER_BYTES);
  view.setUint32(0, frame.length - FRAME_HEADER_BYTES, true);
  view.setUint32(4, checksumOf(frame, FRAME_HEADER_BYTES), true);
  view.setUint32(8, kind === 'traces' ? 1 : 2, true);
  view.setUint32(12, items, true);
}

export interface FrameHeader {
  readonly payloadBytes: number;
  readonly checksum: number;
  readonly kind: FrameKind;
  /** Spans or log records in the frame. */
  readonly items: number;
}

/** The header at `offset`, or undefined where there is none: end of file, a torn write, damage. */
export function readFrameHeader(bytes: Buffer, offset: number, end: number): FrameHeader | undefined {
  if (offset + FRAME_HEADER_BYTES > end) return undefined;
  const payloadBytes = bytes.readUInt32LE(offset);
  const kind = bytes.readUInt32LE(offset + 8);
  if (payloadBytes === 0 || payloadBytes > MAX_PAYLOAD_BYTES || (kind !== 1 && kind !== 2)) return undefined;
  return {
    payloadBytes,
    checksum: bytes.readUInt32LE(offset + 4),
    kind: kind === 1 ? 'traces' : 'logs',
    items: bytes.readUInt32LE(offset + 12),
  };
}

/** A prime, so that it walks through every place of whatever repeats in the payload. */
const STRIDE = 61;

/**
 * Of every 61st byte from `from` on (FNV-1a). What it must find is a block of a file that never reached the disk and reads as zeros,
 * or a cursor that points into the middle of a frame; a checksum of every byte was a tenth of what a span costs here.
 */
export function checksumOf(bytes: Uint8Array, from: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < bytes.length; at += STRIDE)
    hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return hash >>> 0;
}
