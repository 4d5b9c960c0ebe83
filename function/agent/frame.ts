/**
 * One frame of the spool, little-endian:
 * u32 length of the payload · u32 crc32 of the payload · u32 kind (1 traces, 2 logs) · u32 spans or log records in it · payload.
 */
export const FRAME_HEADER_BYTES = 16;

export type FrameKind = 'traces' | 'logs';

/** A payload longer than this is not one of ours. */
export const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024;

export function writeFrameHeader(frame: Uint8Array, kind: FrameKind, items: number, crc: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, FRAME_HEADER_BYTES);
  view.setUint32(0, frame.length - FRAME_HEADER_BYTES, true);
  view.setUint32(4, crc, true);
  view.setUint32(8, kind === 'traces' ? 1 : 2, true);
  view.setUint32(12, items, true);
}

export interface FrameHeader {
  readonly payloadBytes: number;
  readonly crc: number;
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
    crc: bytes.readUInt32LE(offset + 4),
    kind: kind === 1 ? 'traces' : 'logs',
    items: bytes.readUInt32LE(offset + 12),
  };
}
