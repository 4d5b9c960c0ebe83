import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Failure } from '../../server/failure.ts';
import { LOOPBACK } from '../../server/listen.ts';
import type { Logger } from '../../server/log.ts';
import { readOtlpBody } from './body.ts';
import type { Ingest } from './ingest.ts';
import { decodeBatch } from './jaeger-thrift.ts';
import { answerPlainly } from './plain-http.ts';
import { BinaryReader, COMPACT_PROTOCOL, CompactReader, type ThriftMessage } from './thrift.ts';
import type { TokenGate } from './token.ts';

const THRIFT_TYPES: ReadonlySet<string> = new Set([
  'application/x-thrift',
  'application/vnd.apache.thrift.binary',
]);

/** Jaeger's Thrift over HTTP: `POST /api/traces`, one Batch in the binary protocol; 202 when it is stored. */
export class JaegerHttpReceiver {
  readonly #ingest: Ingest;
  readonly #gate: TokenGate;
  readonly #log: Logger;

  constructor(ingest: Ingest, gate: TokenGate, log: Logger) {
    this.#ingest = ingest;
    this.#gate = gate;
    this.#log = log;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await answerPlainly(request, response, this.#log, async () => {
      const path = (request.url ?? '').split('?', 1)[0] as string;
      if (path !== '/api/traces')
        throw new Failure(
          'collector',
          'not_found',
          `cannot find [${path.slice(0, 200)}]: Jaeger's spans go to /api/traces`,
        );
      if (request.method !== 'POST')
        throw new Failure('collector', 'method_not_allowed', `cannot ${request.method} ${path}: use POST`);
      const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
      if (!THRIFT_TYPES.has(type))
        throw new Failure(
          'collector',
          'unsupported_media_type',
          `cannot read content-type [${type.slice(0, 64)}]: send application/vnd.apache.thrift.binary`,
        );
      this.#gate.check(request.headers.authorization);
      using held = this.#ingest.budget.reserve();
      const body = await readOtlpBody(request, this.#ingest.limits, held);
      const decoded = await this.#ingest.spans((columns) =>
        decodeBatch(new BinaryReader(body).struct(), columns),
      );
      if (decoded.accepted === 0 && decoded.rejected > 0)
        throw new Failure('collector', 'bad_request', `cannot store any of the spans: ${decoded.reason}`);
      return { status: 202 };
    });
  }
}

export interface JaegerUdpOptions {
  readonly ingest: Ingest;
  readonly log: Logger;
  readonly host: string | undefined;
  readonly port: number;
}

/** The largest UDP packet there can be, and a socket buffer for bursts of them. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * Jaeger's agent protocol: a packet is one call of `emitBatch(1: Batch batch)`, in the compact protocol as clients send it to
 * 6831, or in the binary one as they send it to 6832. UDP has no answer: what cannot be stored is dropped, and logged.
 */
export async function startJaegerUdp(
  options: JaegerUdpOptions,
): Promise<{ readonly port: number } & AsyncDisposable> {
  const { ingest, log, host = LOOPBACK, port } = options;
  const socket = createSocket({
    type: host.includes(':') ? 'udp6' : 'udp4',
    recvBufferSize: RECEIVE_BUFFER_BYTES,
  });
  socket.bind({ port, address: host, exclusive: true });
  try {
    await once(socket, 'listening');
  } catch (error) {
    socket.close();
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new Failure(
      'collector',
      taken ? 'conflict' : 'internal',
      `cannot listen on UDP ${host}:${port}: ${taken ? 'another program has that port' : (error as Error).message}`,
      { cause: error },
    );
  }
  socket.on('error', (error) => log.warn({ error }, 'the socket for Jaeger over UDP failed'));
  socket.on('message', (packet) => {
    receive(packet, ingest).catch((error: unknown) => log.warn({ error }, 'a packet of spans was dropped'));
  });
  const bound = socket.address().port;
  log.info({ port: bound }, 'receiving Jaeger over UDP');
  return {
    port: bound,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => socket.close(() => resolve()));
      await ingest.drain();
    },
  };
}

async function receive(packet: Buffer, ingest: Ingest): Promise<void> {
  using held = ingest.budget.reserve();
  held.grow(packet.length);
  const { name, arguments: args } = readMessage(packet);
  const batch = args.get(1);
  if (name !== 'emitBatch' || !(batch instanceof Map))
    throw new Failure(
      'collector',
      'bad_request',
      `cannot take the call [${name.slice(0, 64)}]: only emitBatch`,
    );
  const { rejected, reason } = await ingest.spans((columns) => decodeBatch(batch, columns));
  if (rejected > 0)
    throw new Failure('collector', 'bad_request', `cannot store ${rejected} spans: ${reason}`);
}

function readMessage(packet: Buffer): ThriftMessage {
  const reader = packet[0] === COMPACT_PROTOCOL ? new CompactReader(packet) : new BinaryReader(packet);
  return reader.message();
}
