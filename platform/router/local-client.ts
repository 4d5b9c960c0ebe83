import type { Context } from '@opentelemetry/api';
import { NOWHERE, UnderWay, type Placed } from '../../function/span/under-way.ts';
import { Failure } from '../../server/failure.ts';
import type { Call, Answer, RouterClient } from './client.ts';
import type { ClientRequest, ClientResponse } from './client-side.ts';
import { BODY_LIMIT_BYTES, DEFAULT_TIMEOUT_MS, pathOf } from './client.ts';

/** Takes one request into the router, as its internal listener would. */
export type Enter = (call: LocalCall, rawHeaders: string[], body: Buffer | undefined) => void;

/**
 * The router's client for whoever lives in the same process: the same road (lease, retries of the dial, time-outs, deaths) and
 * the same answers, without a connection to ourselves. Two parsers, two streams, two system calls and a general client were two
 * thirds of a message's CPU in the platform (docs/performance.md, "Queue").
 */
export function createLocalClient(enter: Enter): RouterClient {
  return {
    takesContext: true,
    invoke: async (fn, call = {}) => {
      const name = typeof fn === 'string' ? fn : fn.name;
      const body = typeof call.body === 'string' ? Buffer.from(call.body) : bufferOf(call.body);
      const headers = rawHeadersOf(name, call, body?.length ?? 0);
      return new Promise((resolve, reject) => {
        const local = new LocalCall(name, pathOf(fn, call.subpath), call, resolve, reject);
        if (!local.isOver) enter(local, headers, body);
      });
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** One call: request and response in one, for nothing of it is a stream. */
export class LocalCall implements ClientRequest, ClientResponse, Placed {
  /** Among those that its signal would stop. */
  place = NOWHERE;
  readonly method: string;
  readonly url: string;
  readonly context: Context | undefined;
  readonly complete = true;
  readonly socket = LOOPBACK;
  readonly req = this;
  readonly writableNeedDrain = false;
  statusCode = 0;
  headersSent = false;
  writableEnded = false;
  writableFinished = false;
  /** Why the router gave up in the middle of an answer; asked for when it destroys this. */
  failure: (() => Failure | undefined) | undefined;
  readonly #name: string;
  readonly #call: Call;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (failure: Failure) => void;
  readonly #timer: NodeJS.Timeout;
  #headers: readonly string[] = [];
  #chunks: Buffer[] = [];
  #size = 0;
  #onClose: (() => void) | undefined;
  #isOver = false;

  constructor(
    name: string,
    path: string,
    call: Call,
    resolve: (answer: Answer) => void,
    reject: (failure: Failure) => void,
  ) {
    this.#name = name;
    this.#call = call;
    this.#resolve = resolve;
    this.#reject = reject;
    this.method = call.method ?? 'POST';
    this.url = path;
    this.context = call.context;
    this.#timer = setTimeout(onTimeout, call.timeoutMs ?? DEFAULT_TIMEOUT_MS, this);
    if (call.signal?.aborted) this.stopped();
    else if (call.signal) stoppedBy(call.signal).add(this);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  isPaused(): boolean {
    return false;
  }

  resume(): void {}

  flushHeaders(): void {}

  /** There is one listener. */
  on(_event: 'close', listener: () => void): void {
    this.#onClose = listener;
  }

  /** Nothing ever drains here. */
  once(): void {}

  writeHead(status: number, _statusMessage: string | undefined, headers: string[]): void {
    this.statusCode = status;
    this.headersSent = true;
    this.#headers = headers;
  }

  addTrailers(trailers: readonly [string, string][]): void {
    this.#headers = [...this.#headers, ...trailers.flat()];
  }

  write(chunk: Buffer): boolean {
    this.#size += chunk.length;
    if (this.#size > BODY_LIMIT_BYTES)
      this.#fail(
        new Failure(
          'router',
          'body_too_large',
          `cannot read the answer: it is larger than ${BODY_LIMIT_BYTES} bytes`,
        ),
      );
    else this.#chunks.push(chunk);
    return true;
  }

  end(chunk?: Buffer | string, encoding?: BufferEncoding): void {
    if (chunk !== undefined) this.write(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
    if (this.#isOver) return;
    this.writableEnded = true;
    this.writableFinished = true;
    this.#over();
    this.#resolve({
      status: this.statusCode,
      headers: recordOf(this.#headers),
      body: this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#size),
    });
    // As a socket's: after what the router has to say of the answer's end.
    queueMicrotask(() => this.#onClose?.());
  }

  destroy(): void {
    this.#fail(
      this.failure?.() ??
        new Failure('router', 'unavailable', `cannot call function [${this.#name}]: the answer was cut off`),
    );
  }

  timedOut(): void {
    this.#fail(
      new Failure(
        'timeout',
        'function_timeout',
        `cannot call function [${this.#name}]: no answer after ${this.#call.timeoutMs ?? DEFAULT_TIMEOUT_MS} ms`,
      ),
    );
  }

  stopped(): void {
    this.#fail(
      new Failure('router', 'client_disconnect', `cannot call function [${this.#name}]: stopped`, {
        cause: this.#call.signal?.reason,
      }),
    );
  }

  #fail(failure: Failure): void {
    if (this.#isOver) return;
    this.#over();
    this.#reject(failure);
    this.#onClose?.();
  }

  #over(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (this.#call.signal) stoppedBy(this.#call.signal).delete(this);
  }
}

const callsOf = new WeakMap<AbortSignal, UnderWay<LocalCall>>();

/**
 * The calls that a signal stops. It has one listener for all of them: a trigger's signal lives as long as the trigger, each listener
 * that was ever removed from it refers to the one after, and once one of them has grown old, every message behind it outlives the young
 * generation with all that hangs on it. (And adding and removing one costs more than what is done here.)
 */
function stoppedBy(signal: AbortSignal): UnderWay<LocalCall> {
  const known = callsOf.get(signal);
  if (known) return known;
  const calls = new UnderWay<LocalCall>();
  callsOf.set(signal, calls);
  signal.addEventListener(
    'abort',
    () => {
      for (const call of Array.from(calls)) call.stopped();
    },
    { once: true },
  );
  return calls;
}

const LOOPBACK = { remoteAddress: '127.0.0.1' };

function onTimeout(call: LocalCall): void {
  call.timedOut();
}

/** RFC 9110, sections 5.5 and 5.6.2: what a connection would refuse is refused here too, for the instance's connection does not look. */
const NAME = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/;
const VALUE_FAULT = /[^\t\x20-\x7e\x80-\xff]/;

function rawHeadersOf(fn: string, call: Call, bodyLength: number): string[] {
  const raw: string[] = [];
  const { headers = {} } = call;
  for (const name in headers) {
    const value = headers[name] as string | string[];
    if (!NAME.test(name)) throw badHeader(fn, name);
    for (const each of typeof value === 'string' ? [value] : value) {
      if (VALUE_FAULT.test(each)) throw badHeader(fn, name);
      raw.push(name, each);
    }
  }
  if (bodyLength > 0) raw.push('content-length', String(bodyLength));
  return raw;
}

function badHeader(fn: string, name: string): Failure {
  return new Failure(
    'router',
    'bad_request',
    `cannot call function [${fn}]: header [${name.slice(0, 100)}] has a name or value that HTTP cannot carry`,
  );
}

function bufferOf(body: Uint8Array | undefined): Buffer | undefined {
  if (body === undefined || body.length === 0) return undefined;
  return Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

/** As node:http's and undici's: a name that repeats has a list. */
function recordOf(flat: readonly string[]): Record<string, string | string[]> {
  const record: Record<string, string | string[]> = {};
  for (let i = 0; i < flat.length; i += 2) {
    const name = (flat[i] as string).toLowerCase();
    const value = flat[i + 1] as string;
    const before = record[name];
    if (before === undefined) record[name] = value;
    else record[name] = typeof before === 'string' ? [before, value] : [...before, value];
  }
  return record;
}
