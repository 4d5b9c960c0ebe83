import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Failure, toFailure } from '../../server/failure.ts';
import { listen } from '../../server/listen.ts';
import type { Logger } from '../../server/log.ts';
import { closeHttpServer } from '../../server/stop.ts';
import type { TraceWriter } from '../store/store.ts';
import { readOtlpBody } from './body.ts';
import { GroupCommit } from './group-commit.ts';
import { MemoryBudget } from './memory-budget.ts';
import { CONTENT_TYPE, encodeAnswer, encodeStatus, type Encoding } from './otlp-answer.ts';
import { decodeLogsJson, decodeTracesJson } from './otlp-json.ts';
import { decodeLogs } from './otlp-logs.ts';
import { decodeTraces, type Decoded } from './otlp-traces.ts';

export interface CollectorOptions {
  readonly store: TraceWriter;
  readonly host?: string;
  /** 0 picks a free port. */
  readonly httpPort: number;
  readonly log: Logger;
  /** When set, senders need `Authorization: Bearer TOKEN`. */
  readonly token?: string;
  readonly limits?: Partial<CollectorLimits>;
}

export interface CollectorLimits {
  readonly maxBodyBytes: number;
  readonly maxDecompressedBytes: number;
  /** Bodies and batches held at once; past it senders get 503 and Retry-After. */
  readonly maxHeldBytes: number;
  readonly batchRows: number;
  readonly batchBytes: number;
  readonly batchWaitMs: number;
}

export interface Collector extends AsyncDisposable {
  /** Base URL of OTLP over HTTP: `/v1/traces` and `/v1/logs` stand below it. */
  readonly url: string;
  readonly port: number;
}

export const DEFAULT_LIMITS: CollectorLimits = {
  maxBodyBytes: 32 * 1024 * 1024,
  maxDecompressedBytes: 64 * 1024 * 1024,
  maxHeldBytes: 256 * 1024 * 1024,
  batchRows: 20_000,
  batchBytes: 32 * 1024 * 1024,
  batchWaitMs: 100,
};

const MAX_WRITES = 2;
const RETRY_AFTER_SECONDS = 1;

/** Receives OTLP over HTTP. A sender is told "stored" only when it is (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP"). */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const receiver = new OtlpReceiver(options, limits);
  const server = createServer({ requestTimeout: 60_000 }, (request, response) => {
    void receiver.handle(request, response);
  });
  const { url, port } = await listen(server, { host: options.host, port: options.httpPort }, 'collector');
  options.log.info({ url }, 'receiving OTLP over HTTP');
  return {
    url,
    port,
    async [Symbol.asyncDispose]() {
      const closed = closeHttpServer(server);
      await receiver.drain();
      await closed;
    },
  };
}

class OtlpReceiver {
  readonly #options: CollectorOptions;
  readonly #limits: CollectorLimits;
  readonly #budget: MemoryBudget;
  readonly #spans: GroupCommit;
  readonly #token: Buffer | undefined;

  constructor(options: CollectorOptions, limits: CollectorLimits) {
    this.#options = options;
    this.#limits = limits;
    this.#budget = new MemoryBudget(limits.maxHeldBytes);
    this.#token = options.token === undefined ? undefined : Buffer.from(`Bearer ${options.token}`);
    this.#spans = new GroupCommit({
      write: (columns) => options.store.writeSpanColumns(columns),
      maxRows: limits.batchRows,
      maxBytes: limits.batchBytes,
      maxWaitMs: limits.batchWaitMs,
      maxWrites: MAX_WRITES,
    });
  }

  drain(): Promise<void> {
    return this.#spans.drain();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let encoding: Encoding = 'json';
    try {
      const signal = signalOf(request);
      encoding = encodingOf(request);
      this.#authorize(request);
      const decoded =
        signal === 'traces' ? await this.#traces(request, encoding) : await this.#logs(request, encoding);
      const field = signal === 'traces' ? 'rejectedSpans' : 'rejectedLogRecords';
      answer(response, 200, encoding, encodeAnswer(encoding, field, decoded));
    } catch (error) {
      if (request.destroyed && !request.complete) return void response.destroy();
      const failure = toFailure(error, 'collector');
      const retry = failure.status === 503;
      if (failure.status >= 500)
        this.#options.log.warn({ error: failure, reason: failure.reason }, 'cannot store what was sent');
      answer(response, failure.status, encoding, encodeStatus(encoding, failure), retry);
      // What is left of a refused body is not worth reading.
      if (!request.complete) request.resume();
    }
  }

  async #traces(request: IncomingMessage, encoding: Encoding): Promise<Decoded> {
    using held = this.#budget.reserve();
    const body = await readOtlpBody(request, this.#limits, held);
    const decode = encoding === 'json' ? decodeTracesJson : decodeTraces;
    const { result, stored } = this.#spans.add((columns) => decode(body, columns));
    await stored.catch((error: unknown) => {
      throw notStored(error);
    });
    return result;
  }

  async #logs(request: IncomingMessage, encoding: Encoding): Promise<Decoded> {
    using held = this.#budget.reserve();
    const body = await readOtlpBody(request, this.#limits, held);
    const logs = encoding === 'json' ? decodeLogsJson(body) : decodeLogs(body);
    try {
      await this.#options.store.writeLogs(logs);
    } catch (error) {
      throw notStored(error);
    }
    return { accepted: logs.length, rejected: 0, reason: '' };
  }

  #authorize(request: IncomingMessage): void {
    if (!this.#token) return;
    const given = Buffer.from(request.headers.authorization ?? '');
    if (given.length === this.#token.length && timingSafeEqual(given, this.#token)) return;
    throw new Failure('collector', 'unauthorized', 'cannot take spans without the token of this collector');
  }
}

/** Whatever kept it from the store, the sender must keep it and come again: 503 is what OTLP retries. */
function notStored(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  return new Failure('collector', 'unavailable', `cannot store it now: ${message}`, { cause: error });
}

function signalOf(request: IncomingMessage): 'traces' | 'logs' {
  const path = (request.url ?? '').split('?', 1)[0];
  if (path !== '/v1/traces' && path !== '/v1/logs')
    throw new Failure(
      'collector',
      'not_found',
      `cannot find [${path?.slice(0, 200)}]: OTLP goes to /v1/traces and /v1/logs`,
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
