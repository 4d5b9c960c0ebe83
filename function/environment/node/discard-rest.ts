import type { IncomingMessage } from 'node:http';

/** What is read away of a refused body before its client is cut off: a number of bytes, and a time. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_MS = 30_000;

/**
 * Reads what is left of a refused body and throws it away: who is still sending when we close would never see the answer.
 * RFC 9112 9.6.
 */
export function discardRest(request: IncomingMessage): void {
  let left = MAX_BYTES;
  const late = setTimeout(() => request.destroy(), MAX_MS).unref();
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
  request.once('close', () => clearTimeout(late));
}
