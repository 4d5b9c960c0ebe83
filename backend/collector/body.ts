import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip, inflate, zstdDecompress } from 'node:zlib';
import { Failure } from '../../server/failure.ts';
import type { Reservation } from './memory-budget.ts';

export interface BodyLimits {
  /** As it comes over the wire. */
  readonly maxBodyBytes: number;
  /** After decompression, so that a small body cannot unfold without end. */
  readonly maxDecompressedBytes: number;
}

/** The body of a request, unpacked; what it holds in memory is taken from the budget until `reservation` is released. */
export async function readOtlpBody(
  request: IncomingMessage,
  limits: BodyLimits,
  reservation: Reservation,
): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limits.maxBodyBytes) throw tooLarge(`${declared} bytes`, limits.maxBodyBytes);
  reservation.grow(declared);
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop must not destroy the request: it still has to be answered.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limits.maxBodyBytes)
      throw tooLarge(`more than ${limits.maxBodyBytes} bytes`, limits.maxBodyBytes);
    if (size > declared) reservation.grow(chunk.length);
    chunks.push(chunk);
  }
  const packed = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size);
  return await unpack(packed, request.headers['content-encoding'], limits, reservation);
}

export async function unpack(
  packed: Buffer,
  encoding: string | undefined,
  limits: BodyLimits,
  reservation: Reservation,
): Promise<Buffer> {
  const name = (encoding ?? 'identity').trim().toLowerCase();
  if (name === 'identity' || name === '') return packed;
  const decompress = DECOMPRESS[name];
  if (!decompress)
    throw new Failure(
      'collector',
      'unsupported_media_type',
      `cannot read content-encoding [${name.slice(0, 64)}]: send gzip, zstd, deflate or none`,
    );
  try {
    const body = await decompress(packed, { maxOutputLength: limits.maxDecompressedBytes });
    reservation.grow(body.length);
    return body;
  } catch (error) {
    if (error instanceof Failure) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw tooLarge(`more than ${limits.maxDecompressedBytes} bytes unpacked`, limits.maxDecompressedBytes);
    throw new Failure(
      'collector',
      'bad_request',
      `cannot unpack the body as ${name}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

const DECOMPRESS: Readonly<
  Record<string, (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>
> = {
  gzip: promisify(gunzip) as (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>,
  deflate: promisify(inflate) as (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>,
  zstd: promisify(zstdDecompress) as (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>,
};

function tooLarge(what: string, limit: number): Failure {
  return new Failure(
    'collector',
    'body_too_large',
    `cannot read a body of ${what}: the limit is ${limit} bytes`,
  );
}
