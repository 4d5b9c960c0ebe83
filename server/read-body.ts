import type { IncomingMessage } from 'node:http';
import { Failure, type Component } from './failure.ts';

/**
 * What is read past the limit and thrown away: a client that is still sending when the connection closes gets a broken pipe
 * and never sees the 413 (RFC 9112 9.6, "lingering close"). Past this the connection is cut.
 */
const LINGER_BYTES = 64 * 1024 * 1024;
const LINGER_MS = 5_000;

/** The whole body of a request, refused with `body_too_large` (413) when it passes `limitBytes`; no more than that is kept. */
export async function readBody(
  request: IncomingMessage,
  limitBytes: number,
  component: Component,
): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limitBytes + LINGER_BYTES) throw tooLarge(declared, limitBytes, component);
  const chunks: Buffer[] = [];
  let size = 0;
  let refusedAt = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= limitBytes && declared <= limitBytes) {
      chunks.push(chunk);
      continue;
    }
    chunks.length = 0;
    refusedAt ||= Date.now();
    if (size > limitBytes + LINGER_BYTES || Date.now() - refusedAt > LINGER_MS) break;
  }
  if (refusedAt > 0) throw tooLarge(Math.max(size, declared), limitBytes, component);
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size);
}

function tooLarge(size: number, limitBytes: number, component: Component): Failure {
  return new Failure(
    component,
    'body_too_large',
    `cannot read a body of ${size} bytes or more: the limit is ${limitBytes} bytes`,
  );
}
