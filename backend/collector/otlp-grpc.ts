import {
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
  type Http2Session,
} from 'node:http2';
import { Failure, toFailure } from '../../server/failure.ts';
import { listen, type Listening } from '../../server/listen.ts';
import type { Logger } from '../../server/log.ts';
import { unpack } from './body.ts';
import type { Ingest } from './ingest.ts';
import { encodeAnswer, GRPC_CODE, GRPC_INTERNAL } from './otlp-answer.ts';
import { decodeLogs } from './otlp-logs.ts';
import { decodeTraces, type Decoded } from './otlp-traces.ts';
import type { TokenGate } from './token.ts';

export interface OtlpGrpcOptions {
  readonly ingest: Ingest;
  readonly gate: TokenGate;
  readonly log: Logger;
  readonly host: string | undefined;
  readonly port: number;
}

const SERVICES: Readonly<Record<string, 'traces' | 'logs'>> = {
  '/opentelemetry.proto.collector.trace.v1.TraceService/Export': 'traces',
  '/opentelemetry.proto.collector.logs.v1.LogsService/Export': 'logs',
};
/** Room for a request in flight per stream and per connection: the 64 KiB of HTTP/2's default would make large batches wait. */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
const MAX_STREAMS = 256;
const CLOSE_GRACE_MS = 5_000;
const PREFIX_BYTES = 5;

/**
 * OTLP over gRPC: two unary methods on node:http2 (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md). A message is
 *
 *   u8 compressed, u32 length (BE), bytes
 *
 * and the outcome stands in trailers, `grpc-status` and `grpc-message`.
 */
export async function startOtlpGrpc(options: OtlpGrpcOptions): Promise<Listening & AsyncDisposable> {
  const sessions = new Set<Http2Session>();
  const server = createServer({
    settings: { initialWindowSize: STREAM_WINDOW_BYTES, maxConcurrentStreams: MAX_STREAMS },
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.once('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server.on('sessionError', () => {});
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    void serve(stream, headers, options);
  });
  const listening = await listen(server, options, 'collector');
  options.log.info({ url: listening.url }, 'receiving OTLP over gRPC');
  return {
    ...listening,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      await options.ingest.drain();
      const cut = setTimeout(() => {
        for (const session of sessions) session.destroy();
      }, CLOSE_GRACE_MS);
      await closed;
      clearTimeout(cut);
    },
  };
}

async function serve(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  options: OtlpGrpcOptions,
): Promise<void> {
  try {
    const signal = SERVICES[headers[':path'] ?? ''];
    const type = headers['content-type'] ?? '';
    if (!type.startsWith('application/grpc')) {
      // Not gRPC at all: an HTTP status is what the caller understands (doc/PROTOCOL-HTTP2.md, "Responses").
      stream.respond({ ':status': 415 }, { endStream: true });
      return;
    }
    if (signal === undefined)
      throw new Failure(
        'collector',
        'method_not_allowed',
        `cannot call [${headers[':path']?.slice(0, 200)}]: this server has Export of TraceService and LogsService`,
      );
    options.gate.check(headers.authorization);
    const decoded = await receive(stream, headers, signal, options.ingest);
    const field = signal === 'traces' ? 'rejectedSpans' : 'rejectedLogRecords';
    respond(stream, frame(encodeAnswer('protobuf', field, decoded)));
  } catch (error) {
    if (stream.destroyed) return;
    const failure = toFailure(error, 'collector');
    if (failure.status >= 500)
      options.log.warn({ error: failure, reason: failure.reason }, 'cannot store what was sent');
    stream.respond(
      {
        ':status': 200,
        'content-type': 'application/grpc',
        'grpc-status': GRPC_CODE[failure.status] ?? GRPC_INTERNAL,
        'grpc-message': percentEncode(failure.message),
      },
      { endStream: true },
    );
    // The rest of the request is not wanted (RFC 9113, 8.1).
    if (!stream.readableEnded) stream.close(0);
  }
}

async function receive(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  signal: 'traces' | 'logs',
  ingest: Ingest,
): Promise<Decoded> {
  using held = ingest.budget.reserve();
  const { limits } = ingest;
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop must not destroy the stream: it still has to carry the status.
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limits.maxBodyBytes)
      throw new Failure(
        'collector',
        'body_too_large',
        `cannot read a message of more than ${limits.maxBodyBytes} bytes`,
      );
    held.grow(chunk.length);
    chunks.push(chunk);
  }
  const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size);
  if (bytes.length < PREFIX_BYTES || bytes.readUInt32BE(1) !== bytes.length - PREFIX_BYTES)
    throw new Failure(
      'collector',
      'bad_request',
      'cannot read the request: it is not one whole gRPC message',
    );
  const message = bytes.subarray(PREFIX_BYTES);
  const encoding = bytes[0] === 0 ? 'identity' : String(headers['grpc-encoding'] ?? 'identity');
  const body = await unpack(message, encoding, limits, held);
  if (signal === 'logs') return await ingest.logs(decodeLogs(body));
  return await ingest.spans((columns) => decodeTraces(body, columns));
}

function respond(stream: ServerHttp2Stream, body: Buffer): void {
  if (stream.destroyed) return;
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-accept-encoding': 'identity,gzip,deflate,zstd',
    },
    { waitForTrailers: true },
  );
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(body);
}

function frame(message: Buffer): Buffer {
  const bytes = Buffer.alloc(PREFIX_BYTES + message.length);
  bytes.writeUInt32BE(message.length, 1);
  message.copy(bytes, PREFIX_BYTES);
  return bytes;
}

/** Bytes outside printable ASCII, and %, as %HH. */
function percentEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8'))
    encoded +=
      byte >= 0x20 && byte < 0x7f && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return encoded;
}
