import type { IncomingMessage, ServerResponse } from 'node:http';
import { Failure, toFailure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import { readOtlpBody } from './body.ts';
import type { Ingest } from './ingest.ts';
import { CONTENT_TYPE, encodeAnswer, encodeStatus, type Encoding } from './otlp-answer.ts';
import { decodeLogsJson, decodeTracesJson } from './otlp-json.ts';
import { decodeLogs } from './otlp-logs.ts';
import { decodeTraces, type Decoded } from './otlp-traces.ts';
import type { TokenGate } from './token.ts';

export const RETRY_AFTER_SECONDS = 1;

/** OTLP over HTTP (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP"): `/v1/traces` and `/v1/logs`. */
export class OtlpHttpReceiver {
  readonly #ingest: Ingest;
  readonly #gate: TokenGate;
  readonly #log: Logger;

  constructor(ingest: Ingest, gate: TokenGate, log: Logger) {
    this.#ingest = ingest;
    this.#gate = gate;
    this.#log = log;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let encoding: Encoding = 'json';
    try {
      const signal = signalOf(request);
      encoding = encodingOf(request);
      this.#gate.check(request.headers.authorization);
      const decoded =
        signal === 'traces' ? await this.#traces(request, encoding) : await this.#logs(request, encoding);
      const field = signal === 'traces' ? 'rejectedSpans' : 'rejectedLogRecords';
      answer(response, 200, encoding, encodeAnswer(encoding, field, decoded));
    } catch (error) {
      if (request.destroyed && !request.complete) return void response.destroy();
      const failure = toFailure(error, 'collector');
      const retry = failure.status === 503;
      if (failure.status >= 500)
        this.#log.warn({ error: failure, reason: failure.reason }, 'cannot store what was sent');
      answer(response, failure.status, encoding, encodeStatus(encoding, failure), retry);
      // What is left of a refused body is not worth reading.
      if (!request.complete) request.resume();
    }
  }

  async #traces(request: IncomingMessage, encoding: Encoding): Promise<Decoded> {
    using held = this.#ingest.budget.reserve();
    const body = await readOtlpBody(request, this.#ingest.limits, held);
    const decode = encoding === 'json' ? decodeTracesJson : decodeTraces;
    return await this.#ingest.spans((columns) => decode(body, columns));
  }

  async #logs(request: IncomingMessage, encoding: Encoding): Promise<Decoded> {
    using held = this.#ingest.budget.reserve();
    const body = await readOtlpBody(request, this.#ingest.limits, held);
    return await this.#ingest.logs(encoding === 'json' ? decodeLogsJson(body) : decodeLogs(body));
  }
}

function signalOf(request: IncomingMessage): 'traces' | 'logs' {
  const path = (request.url ?? '').split('?', 1)[0];
  if (path !== '/v1/traces' && path !== '/v1/logs')
    throw new Failure(
      'collector',
      'not_found',
      path === '/v1/metrics'
        ? 'cannot take metrics [/v1/metrics]: traces and logs are kept here; OTEL_METRICS_EXPORTER=none tells an SDK not to send them'
        : `cannot find [${path?.slice(0, 200)}]: OTLP goes to /v1/traces and /v1/logs`,
    );
  if (request.method !== 'POST')
    throw new Failure('collector', 'method_not_allowed', `cannot ${request.method} ${path}: use POST`);
  return path === '/v1/traces' ? 'traces' : 'logs';
}

function encodingOf(request: IncomingMessage): Encoding {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/x-protobuf' || type === 'application/protobuf') return 'protobuf';
  if (type === 'application/json') return 'json';
  throw new Failure(
    'collector',
    'unsupported_media_type',
    `cannot read content-type [${type?.slice(0, 64)}]: send application/x-protobuf or application/json`,
  );
}

function answer(
  response: ServerResponse,
  status: number,
  encoding: Encoding,
  body: Buffer,
  retry = false,
): void {
  response.writeHead(status, {
    'content-type': CONTENT_TYPE[encoding],
    'content-length': body.length,
    ...(status === 405 ? { allow: 'POST' } : {}),
    ...(retry ? { 'retry-after': String(RETRY_AFTER_SECONDS) } : {}),
  });
  response.end(body);
}
