import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { FastifyInstance } from 'fastify';

const gzipAsync = promisify(gzip);
/** Smaller than this, a packet is a packet. */
const LEAST_BYTES = 1_400;

/** JSON that is large goes out as gzip to who takes it: a trace shrinks to about a tenth. */
export function addCompression(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const type = String(reply.getHeader('content-type') ?? '');
    if (typeof payload !== 'string' || !type.startsWith('application/json')) return payload;
    reply.header('Vary', 'Accept-Encoding');
    if (payload.length < LEAST_BYTES || !takesGzip(request.headers['accept-encoding'])) return payload;
    reply.header('Content-Encoding', 'gzip');
    reply.removeHeader('Content-Length');
    return gzipAsync(payload, { level: constants.Z_BEST_SPEED });
  });
}

/** `gzip`, `*`, with no `q=0` (RFC 9110, 12.5.3). */
function takesGzip(accepted: string | string[] | undefined): boolean {
  const codings = String(accepted ?? '')
    .split(',')
    .map((part) =>
      part
        .trim()
        .toLowerCase()
        .split(/\s*;\s*q=/),
    );
  const weight = codings.find(([name]) => name === 'gzip') ?? codings.find(([name]) => name === '*');
  return weight !== undefined && Number(weight[1] ?? 1) > 0;
}
