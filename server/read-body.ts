import type { IncomingMessage } from 'node:http';
import { Failure, type Component } from './failure.ts';

/** The whole body of a request, refused with `body_too_large` (413) as soon as it passes `limitBytes`. */
export async function readBody(
  request: IncomingMessage,
  limitBytes: number,
  component: Component,
): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limitBytes) throw tooLarge(declared, limitBytes, component);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limitBytes) throw tooLarge(size, limitBytes, component);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size);
}

function tooLarge(size: number, limitBytes: number, component: Component): Failure {
  return new Failure(
    component,
    'body_too_large',
    `cannot read a body of ${size} bytes or more: the limit is ${limitBytes} bytes`,
  );
}
