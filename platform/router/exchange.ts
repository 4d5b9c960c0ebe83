import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from '@opentelemetry/api';
import type { Dispatcher } from 'undici';
import { Failure, toFailure } from '../../server/failure.ts';
import type { InstanceEnd, Lease } from '../executor/client.ts';
import { identityHeaders, sendFailure } from './answer.ts';
import { corsHeaders } from './cors.ts';
import { functionHeaders } from './function-headers.ts';
import type { Invocation } from './invocation.ts';
import { bodyTooLarge, RequestBody } from './request-body.ts';
import type { RequestHead } from './request-head.ts';
import type { Road } from './road.ts';
import type { Target } from './target.ts';

/** Only a failed dial is tried again (fission.md, section 4): nothing of the request has been read by then. */
const MAX_ATTEMPTS = 10;
const FIRST_BACK_OFF_MS = 5;
const MAX_BACK_OFF_MS = 500;
/** A connection breaks a moment before its process is reaped and says what it died of. */
const DEATH_NOTICE_MS = 1_000;

/** An `error.code` of a dial that reached nobody. */
const DIAL_ERRORS = new Set(['ECONNREFUSED', 'ENOENT', 'EAGAIN', 'ECONNRESET', 'UND_ERR_CONNECT_TIMEOUT']);

/**
 * One request through the router: lease an instance, proxy both ways as the bytes come, and say how it ended. It is undici's handler
 * itself, so that a request costs one object.
 *
 *   run ── lease ── dispatch ── onResponseStart ── onResponseData… ── onResponseEnd ── (client has it all) #closed
 *             \_________\______________\________________\____________ #fail: an answer if none has begun, else a cut
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #road: Road;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #head: RequestHead;
  readonly #target: Target;
  readonly #invocation: Invocation;
  #attempt = 0;
  #lease: Lease | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #abort: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #maxDuration: NodeJS.Timeout | undefined;
  #isStreaming = false;
  #failure: Failure | undefined;
  #isClosed = false;

  constructor(
    road: Road,
    request: IncomingMessage,
    response: ServerResponse,
    head: RequestHead,
    target: Target,
    invocation: Invocation,
  ) {
    this.#road = road;
    this.#request = request;
    this.#response = response;
    this.#head = head;
    this.#target = target;
    this.#invocation = invocation;
  }

  async run(): Promise<void> {
    if (this.#attempt === 0) {
      this.#response.once('close', () => this.#closed());
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
      this.#dispatch(lease);
    } catch (error) {
      this.#fail(toFailure(error, 'router'));
    }
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

  #dispatch(lease: Lease): void {
    this.#lease = lease;
    this.#controller = undefined;
    this.#invocation.leased(lease);
    this.#startTimer(lease);
    this.#road.connections.to(lease).dispatch(
      {
        path: this.#target.path,
        method: this.#request.method as Dispatcher.HttpMethod,
        headers: functionHeaders(this.#request, this.#head, this.#target, this.#invocation, lease),
        body: this.#head.hasBody ? new RequestBody(this.#request, this.#road.bodyLimitBytes) : null,
      },
      this,
    );
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

  #stopTimers(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#maxDuration);
  }

  // undici's side.

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isClosed) controller.abort(disconnected());
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (status < 200) return;
    const response = this.#response;
    if (this.#failure || response.headersSent) return;
    // Head and a small body leave in one write; what comes later is never held back.
    response.cork();
    process.nextTick(uncork, response);
    response.writeHead(status, statusMessage || undefined, this.#answerHeaders(headers));
    if (this.#isStreaming) {
      response.flushHeaders();
      this.#timer?.refresh();
    }
    if (response.writableNeedDrain) this.#pause(controller);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#failure) return;
    if (this.#isStreaming) this.#timer?.refresh();
    if (!this.#response.write(chunk) && this.#response.writableNeedDrain) this.#pause(controller);
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#stopTimers();
    this.#release();
    if (this.#failure) return;
    this.#invocation.endAttempt(this.#response.statusCode);
    if (!isEmpty(trailers)) this.#response.addTrailers(trailers);
    this.#response.end();
    // What the function did not read of the body must not stand in the way of the connection's next request.
    if (!this.#request.complete) this.#request.resume();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#stopTimers();
    if (this.#failure || this.#isClosed) {
      this.#release();
    } else if (error instanceof Failure) {
      this.#release();
      this.#fail(error);
    } else if (this.#controller === undefined) {
      this.#dialFailed(error);
    } else {
      void this.#broken(error);
    }
  }

  // How it can end badly.

  #dialFailed(error: NodeJS.ErrnoException): void {
    this.#release();
    const isDial = error.code !== undefined && DIAL_ERRORS.has(error.code);
    const failure = isDial
      ? new Failure(
          'router',
          error.code === 'ECONNREFUSED' ? 'connection_refused' : 'dial_error',
          `cannot reach an instance of function [${this.#target.fn.name}]: ${error.message}`,
          { cause: error },
        )
      : new Failure('router', 'bad_request', `cannot pass the request on: ${error.message}`, {
          cause: error,
        });
    if (!isDial || this.#attempt >= MAX_ATTEMPTS) {
      this.#fail(failure);
      return;
    }
    this.#invocation.failAttempt(failure);
    const backOffMs = Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (this.#attempt - 1));
    setTimeout(() => void this.run(), backOffMs * (1 + Math.random() * 0.2));
  }

  /** The connection broke in the middle: most likely the instance is dying, and its end says more than the socket's error. */
  async #broken(error: Error): Promise<void> {
    const { name } = this.#target.fn;
    const end = this.#lease && (await Promise.race([this.#lease.died, deathNotice()]));
    this.#release();
    const failure = end
      ? new Failure(
          'function',
          'instance_died',
          `cannot finish the request: the instance of function [${name}] died: ${end.message}`,
          { cause: error },
        )
      : new Failure(
          'function',
          'function_error',
          `cannot read the answer of function [${name}]: ${error.message}`,
          {
            cause: error,
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

  #cut(reason: 'function_timeout' | 'stream_idle' | 'stream_max_duration', message: string): void {
    this.#fail(new Failure('timeout', reason, message));
    this.#controller?.abort(this.#failure as Failure);
    this.#release();
  }

  /** An error that the client can still be told of is an answer; else all that is left is to cut it off. */
  #fail(failure: Failure, end?: InstanceEnd): void {
    if (this.#failure) return;
    this.#failure = failure;
    this.#stopTimers();
    this.#invocation.failAttempt(failure, end);
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
      this.#controller?.abort(this.#failure);
      this.#release();
    }
    const isGone = this.#failure?.reason === 'client_disconnect';
    this.#invocation.end(isGone ? 499 : response.statusCode, this.#failure);
  }

  #release(): void {
    this.#lease?.release();
    this.#lease = undefined;
  }

  #pause(controller: Dispatcher.DispatchController): void {
    controller.pause();
    this.#response.once('drain', () => controller.resume());
  }

  #corsHeaders(): string[] {
    return corsHeaders(this.#target.trigger?.spec.corsConfig, this.#head.origin);
  }

  #answerHeaders(headers: IncomingHttpHeaders): string[] {
    const cors = this.#corsHeaders();
    const answer = identityHeaders(this.#invocation);
    for (const name in headers) {
      if (DROPPED.has(name)) continue;
      // The trigger's word on CORS is the one that counts.
      if (cors.length > 0 && name.startsWith('access-control-')) continue;
      const value = headers[name];
      if (typeof value === 'string') answer.push(name, value);
      else if (value) for (const each of value) answer.push(name, each);
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

function uncork(response: ServerResponse): void {
  response.uncork();
}

function isEmpty(record: object | null | undefined): boolean {
  for (const _name in record) return false;
  return true;
}

function disconnected(): Failure {
  return new Failure('router', 'client_disconnect', 'cannot finish the request: the client has gone');
}

function deathNotice(): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, DEATH_NOTICE_MS, undefined).unref();
  });
}
