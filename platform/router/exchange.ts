import type { IncomingMessage } from 'node:http';
import type { Context } from '@opentelemetry/api';
import { Failure, toFailure } from '../../server/failure.ts';
import type { InstanceEnd, Lease } from '../executor/client.ts';
import { identityHeaders, sendFailure } from './answer.ts';
import { bodyTooLarge } from './body-limit.ts';
import type { ClientRequest, ClientResponse } from './client-side.ts';
import { corsHeaders } from './cors.ts';
import { functionHeaders } from './function-headers.ts';
import type { InstanceCaller, InstanceConnection } from './instance-connection.ts';
import type { Invocation } from './invocation.ts';
import { RequestBody } from './request-body.ts';
import type { RequestHead } from './request-head.ts';
import type { Road } from './road.ts';
import type { Target } from './target.ts';
import { backOffMs, deathNotice, dialFailure, MAX_ATTEMPTS, saysDraining } from './try-again.ts';

/** An instance that ends says no at once. One that had begun would have this much and more to finish (docs/instance.md, 30 s). */
const REFUSAL_MS = 5_000;

/** A body up to this is joined to its head. */
const ONE_WRITE_BYTES = 8 * 1024;

/**
 * One request through the router: lease an instance, proxy both ways as the bytes come, and say how it ended. It is the
 * connection's caller itself, so that a request costs one object.
 *
 *   run ── lease ── send ── onHead ── onData… ── onEnd ── (client has it all) #closed
 *             \________\________\_________\______ #fail: an answer if none has begun, else a cut
 */
export class Exchange implements InstanceCaller {
  readonly #road: Road;
  readonly #request: ClientRequest;
  readonly #response: ClientResponse;
  readonly #body: RequestBody | Buffer | undefined;
  readonly #head: RequestHead;
  readonly #target: Target;
  readonly #invocation: Invocation;
  #attempt = 0;
  #lease: Lease | undefined;
  #connection: InstanceConnection | undefined;
  /** ms of performance.now() */
  #sentMs = 0;
  #abort: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #maxDuration: NodeJS.Timeout | undefined;
  #isStreaming = false;
  #failure: Failure | undefined;
  #isClosed = false;

  constructor(
    road: Road,
    request: ClientRequest,
    response: ClientResponse,
    head: RequestHead,
    target: Target,
    invocation: Invocation,
    body: IncomingMessage | Buffer | undefined,
  ) {
    this.#road = road;
    this.#request = request;
    this.#response = response;
    this.#head = head;
    this.#target = target;
    this.#invocation = invocation;
    this.#body =
      body === undefined || Buffer.isBuffer(body)
        ? body
        : new RequestBody(body, head.contentLength !== undefined, road);
  }

  async run(): Promise<void> {
    if (this.#attempt === 0) {
      this.#response.on('close', () => this.#closed());
      if ((this.#head.contentLength ?? 0) > this.#road.bodyLimitBytes) {
        this.#fail(bodyTooLarge(this.#road.bodyLimitBytes));
        return;
      }
    }
    this.#attempt += 1;
    this.#invocation.startAttempt(this.#target, this.#attempt);
    try {
      const lease = await this.#road.executor.acquire(this.#target.fn, this);
      if (this.#isClosed) {
        lease.release();
        return;
      }
      this.#send(lease);
    } catch (error) {
      this.#fail(toFailure(error, 'router'));
    }
  }

  /** Why the client has no whole answer. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  // What the executor asks of whoever waits for an instance.

  get context(): Context {
    return this.#invocation.context;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#isClosed) this.#abort.abort();
    return this.#abort.signal;
  }

  #send(lease: Lease): void {
    this.#lease = lease;
    this.#invocation.leased(lease);
    if (this.#body !== undefined) this.#sentMs = performance.now();
    this.#startTimer(lease);
    const request = {
      path: this.#target.path,
      method: this.#request.method as string,
      headers: functionHeaders(this.#request, this.#head, this.#target, this.#invocation, lease),
      body: this.#body,
    };
    this.#connection = this.#road.connections.to(lease);
    this.#connection.send(request, this);
  }

  /** A streaming function is bounded by silence and not by time (fission.md, section 4, "Streaming"). */
  #startTimer(lease: Lease): void {
    const streaming = this.#road.catalog.get('Function', this.#target.fn)?.spec.streaming;
    this.#isStreaming = streaming !== undefined;
    const timeoutMs = streaming ? streaming.idleTimeout * 1_000 : lease.functionTimeoutMs;
    this.#timer = setTimeout(onTimeout, timeoutMs, this);
    if (streaming?.maxDuration)
      this.#maxDuration = setTimeout(onMaxDuration, streaming.maxDuration * 1_000, this);
  }

  get #canRepeat(): boolean {
    return !(this.#body instanceof RequestBody) || this.#body.canBeRepeated;
  }

  #endBody(): void {
    if (this.#body instanceof RequestBody) this.#body.end();
  }

  #stopTimers(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#maxDuration);
  }

  // The connection's side.

  onHead(status: number, statusMessage: string, headers: string[], isAlone: boolean): void {
    const response = this.#response;
    if (this.#failure || response.headersSent) return;
    response.writeHead(status, statusMessage || undefined, this.#answerHeaders(headers));
    // Who sends a head and then thinks wants it to arrive; else it leaves with the first of the body.
    if (isAlone) response.flushHeaders();
    if (this.#isStreaming) this.#timer?.refresh();
  }

  onText(body: string): void {
    // As one string with the head it is one plain write, where a Buffer is a vector of two: a tenth of a request's CPU.
    if (!this.#failure) this.#response.end(body, 'latin1');
  }

  onData(chunk: Buffer, isLast: boolean): void {
    if (this.#failure) return;
    const response = this.#response;
    if (isLast) {
      if (chunk.length <= ONE_WRITE_BYTES) response.end(chunk.toString('latin1'), 'latin1');
      else response.end(Buffer.from(chunk));
      return;
    }
    if (this.#isStreaming) this.#timer?.refresh();
    if (!response.write(Buffer.from(chunk)) && response.writableNeedDrain) this.#pause();
  }

  onEnd(trailers: readonly string[]): void {
    this.#connection = undefined;
    this.#stopTimers();
    this.#release();
    if (this.#failure) return;
    const response = this.#response;
    this.#invocation.endAttempt(response.statusCode);
    if (trailers.length > 0) response.addTrailers(pairsOf(trailers));
    if (!response.writableEnded) response.end();
    this.#endBody();
  }

  onDialError(error: NodeJS.ErrnoException): void {
    this.#stopTimers();
    this.#dialFailed(error);
  }

  onUnanswered(error: NodeJS.ErrnoException): void {
    this.#stopTimers();
    if (this.#failure || this.#isClosed) this.#release();
    else void this.#unanswered(error);
  }

  onBroken(error: Error): void {
    this.#stopTimers();
    if (this.#failure || this.#isClosed) {
      this.#release();
    } else if (error instanceof Failure) {
      this.#release();
      this.#fail(error);
    } else {
      void this.#broken(error);
    }
  }

  // How it can end badly.

  #dialFailed(error: NodeJS.ErrnoException): void {
    this.#release();
    const failure = dialFailure(this.#target.fn.name, error);
    if (this.#attempt >= MAX_ATTEMPTS || !this.#canRepeat) {
      this.#fail(failure);
      return;
    }
    this.#invocation.failAttempt(failure);
    setTimeout(() => void this.run(), backOffMs(this.#attempt));
  }

  async #unanswered(error: NodeJS.ErrnoException): Promise<void> {
    const isYoung = performance.now() - this.#sentMs < REFUSAL_MS;
    if (isYoung && (await saysDraining(this.#lease as Lease))) this.#dialFailed(error);
    else await this.#broken(error);
  }

  /** The connection broke in the middle: most likely the instance is dying, and its end says more than the socket's error. */
  async #broken(cause: Error): Promise<void> {
    const { name } = this.#target.fn;
    const end = this.#lease && (await Promise.race([this.#lease.died, deathNotice()]));
    this.#release();
    const failure = end
      ? new Failure(
          'function',
          'instance_died',
          `cannot finish the request: the instance of function [${name}] died: ${end.message}`,
          { cause },
        )
      : new Failure(
          'function',
          'function_error',
          `cannot read the answer of function [${name}]: ${cause.message}`,
          {
            cause,
          },
        );
    this.#fail(failure, end);
  }

  /** Called by the timer. */
  timedOut(): void {
    const name = this.#target.fn.name;
    if (this.#isStreaming) {
      this.#cut('stream_idle', `cannot go on with function [${name}]: its stream was silent for too long`);
      return;
    }
    const ms = this.#lease?.functionTimeoutMs ?? 0;
    // Who is slow is the client; an instance that waits for it is not killed for that, for it may serve others.
    if (this.#head.hasBody && !this.#request.complete && !this.#request.isPaused()) {
      this.#cut('request_timeout', `cannot wait longer for the body: not complete after ${ms} ms`);
      return;
    }
    if (this.#response.headersSent && this.#response.writableNeedDrain) {
      this.#cut(
        'request_timeout',
        `cannot wait longer for the client: it has not read its answer after ${ms} ms`,
      );
      return;
    }
    this.#lease?.timeout();
    this.#cut('function_timeout', `cannot wait longer for function [${name}]: not done after ${ms} ms`);
  }

  /** Called by the timer. */
  ranTooLong(): void {
    this.#cut(
      'stream_max_duration',
      `cannot go on with function [${this.#target.fn.name}]: maxDuration is over`,
    );
  }

  #cut(
    reason: 'request_timeout' | 'function_timeout' | 'stream_idle' | 'stream_max_duration',
    message: string,
  ): void {
    this.#fail(new Failure(reason === 'request_timeout' ? 'router' : 'timeout', reason, message));
    this.#drop();
    this.#release();
  }

  /** An error that the client can still be told of is an answer; else all that is left is to cut it off. */
  #fail(failure: Failure, end?: InstanceEnd): void {
    if (this.#failure) return;
    this.#failure = failure;
    this.#stopTimers();
    this.#invocation.failAttempt(failure, end);
    this.#endBody();
    if (this.#isClosed) return;
    if (this.#response.headersSent) this.#response.destroy();
    else sendFailure(this.#response, failure, this.#invocation, this.#corsHeaders());
  }

  /** The client has the whole answer, or is gone. */
  #closed(): void {
    this.#isClosed = true;
    const response = this.#response;
    if (!response.writableFinished && !this.#failure) {
      this.#failure = disconnected();
      this.#stopTimers();
      this.#invocation.failAttempt(this.#failure);
      this.#abort?.abort();
      this.#drop();
      this.#release();
    }
    const isGone = this.#failure?.reason === 'client_disconnect';
    this.#invocation.end(isGone ? 499 : response.statusCode, this.#failure);
  }

  #release(): void {
    this.#lease?.release();
    this.#lease = undefined;
  }

  #drop(): void {
    this.#connection?.abort();
    this.#connection = undefined;
  }

  #pause(): void {
    const connection = this.#connection;
    connection?.pause();
    this.#response.once('drain', () => connection?.resume());
  }

  #corsHeaders(): string[] {
    return corsHeaders(this.#target.trigger?.spec.corsConfig, this.#head.origin);
  }

  #answerHeaders(headers: readonly string[]): string[] {
    const cors = this.#corsHeaders();
    const answer = identityHeaders(this.#invocation);
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string;
      if (DROPPED.has(name)) continue;
      // The trigger's word on CORS is the one that counts.
      if (cors.length > 0 && name.startsWith('access-control-')) continue;
      answer.push(name, headers[i + 1] as string);
    }
    answer.push(...cors);
    if (this.#invocation.isCallersAttempt && this.#lease) {
      answer.push('x-spoor-coldstart', String(this.#lease.coldStart));
      answer.push('x-spoor-instance', this.#lease.instanceId);
    }
    return answer;
  }
}

/** Of an answer: hop-by-hop, and what only the router says. */
const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'transfer-encoding',
  'upgrade',
  'x-fission-request-id',
  'x-fission-route-miss',
  'traceresponse',
  'x-spoor-coldstart',
  'x-spoor-instance',
]);

function onTimeout(exchange: Exchange): void {
  exchange.timedOut();
}

function onMaxDuration(exchange: Exchange): void {
  exchange.ranTooLong();
}

function pairsOf(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i] as string, flat[i + 1] as string]);
  return pairs;
}

function disconnected(): Failure {
  return new Failure('router', 'client_disconnect', 'cannot finish the request: the client has gone');
}
