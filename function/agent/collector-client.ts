import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { suppressTracing } from '../span/suppress.ts';
import { isLoopback } from '../../server/listen.ts';
import { Failure } from '../../server/failure.ts';
import type { FrameKind } from './frame.ts';
import { readVarint } from './read-varint.ts';

/** A collector that says nothing for this long is taken to be away. */
const REQUEST_TIMEOUT_MS = 15_000;
/** The longest answer that is read. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** The longest a collector can make us wait with Retry-After. */
const MAX_RETRY_AFTER_MS = 60_000;

export interface CollectorOptions {
  /** Base URL; `/v1/traces` and `/v1/logs` are added. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Default: gzip, but not on loopback, where bytes cost nothing and gzip does. */
  readonly gzip: boolean | undefined;
}

/** What became of a request, as OTLP/HTTP has it (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP Response"). */
export type Answer =
  /** Taken. `rejected` spans or logs of it were not, and never will be. */
  | { readonly kind: 'taken'; readonly rejected: number; readonly message: string }
  /** Try again, not before `afterMs` when that is known. */
  | { readonly kind: 'later'; readonly afterMs: number | undefined; readonly why: string }
  /** The collector refuses us, not these bytes: wrong token, wrong URL. */
  | { readonly kind: 'refused'; readonly why: string }
  /** It refuses these bytes for good. */
  | { readonly kind: 'poison'; readonly why: string };

/** The connection to the collector: one, kept alive, for each of the two signals. */
export class CollectorClient {
  readonly #options: CollectorOptions;
  readonly #agent: HttpAgent;
  readonly #urls: Readonly<Record<FrameKind, URL>>;
  readonly #usesGzip: boolean;

  constructor(options: CollectorOptions) {
    this.#options = options;
    const base = parseUrl(options.url);
    this.#agent =
      base.protocol === 'https:'
        ? new HttpsAgent({ keepAlive: true, maxSockets: 2 })
        : new HttpAgent({ keepAlive: true, maxSockets: 2 });
    const path = base.pathname.replace(/\/$/, '');
    this.#urls = {
      traces: new URL(`${path}/v1/traces`, base),
      logs: new URL(`${path}/v1/logs`, base),
    };
    this.#usesGzip = options.gzip ?? !isLoopback(base.hostname);
  }

  /** Sends one request. Never rejects: whatever goes wrong on the way is `later`. */
  async send(kind: FrameKind, body: Buffer, signal: AbortSignal): Promise<Answer> {
    try {
      const bytes = this.#usesGzip ? await compress(body, { level: 1 }) : body;
      // The way out is never traced: each batch would make a span for the next one.
      const received = context.with(suppressTracing(ROOT_CONTEXT), () =>
        this.#post(this.#urls[kind], bytes, signal),
      );
      return toAnswer(await received);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return { kind: 'later', afterMs: undefined, why: code ?? message };
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #post(url: URL, body: Buffer, signal: AbortSignal): Promise<Received> {
    const { promise, resolve, reject } = Promise.withResolvers<Received>();
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const headers: Record<string, string | number> = {
      ...this.#options.headers,
      'content-type': 'application/x-protobuf',
      'content-length': body.length,
    };
    if (this.#usesGzip) headers['content-encoding'] = 'gzip';
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const request = send(url, {
      method: 'POST',
      agent: this.#agent,
      headers,
      signal: AbortSignal.any([signal, timeout]),
    });
    request.on('response', (response) => {
      readAnswer(response).then(
        (answer) =>
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: response.headers['retry-after'],
            body: answer,
          }),
        reject,
      );
    });
    request.on('error', reject);
    request.end(body);
    return promise;
  }
}

interface Received {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: Buffer;
}

const compress = promisify(gzip) as (bytes: Buffer, options: { level: number }) => Promise<Buffer>;

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Failure(
      'agent',
      'bad_request',
      `cannot ship to collectorUrl [${text}]: it must be an http or https URL such as http://127.0.0.1:4318`,
    );
  }
  return url;
}

async function readAnswer(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_ANSWER_BYTES) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function toAnswer(received: Received): Answer {
  const { status } = received;
  if (status >= 200 && status < 300) return { kind: 'taken', ...readPartialSuccess(received.body) };
  const why = `${status} ${received.body.toString('utf8', 0, 200).replaceAll(/[^\x20-\x7e]+/g, ' ')}`.trim();
  // 404 and the like are about us and our settings, not about these bytes: a wrong token must not throw a day of spans away.
  if ([401, 403, 404, 405, 407].includes(status)) return { kind: 'refused', why };
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) return { kind: 'poison', why };
  return { kind: 'later', afterMs: readRetryAfter(received.retryAfter), why };
}

/** Retry-After: seconds or a date (RFC 9110, 10.2.3). */
function readRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : undefined;
}

/**
 * ExportTraceServiceResponse, ExportLogsServiceResponse: partial_success = 1 message
 * ExportTracePartialSuccess, ExportLogsPartialSuccess: rejected = 1 int64 · error_message = 2 string
 * An answer that is not protobuf (some collectors answer `{}`) is a full success.
 */
function readPartialSuccess(body: Buffer): { rejected: number; message: string } {
  const nothing = { rejected: 0, message: '' };
  if (body.length < 2 || body[0] !== 0x0a) return nothing;
  const [length, from] = readVarint(body, 1);
  const end = from + length;
  if (end > body.length) return nothing;
  let { rejected, message } = nothing;
  for (let at = from; at < end;) {
    const tag = body[at] as number;
    const [value, next] = readVarint(body, at + 1);
    at = next;
    if (tag === 0x08) rejected = value;
    else if (tag === 0x12) {
      message = body.toString('utf8', at, Math.min(at + value, end));
      at += value;
    } else break;
  }
  return { rejected, message };
}
