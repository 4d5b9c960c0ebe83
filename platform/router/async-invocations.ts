import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { trace } from '@opentelemetry/api';
import { SPOOR_REASON } from '../../function/span/attributes.ts';
import { Failure, toFailure } from '../../server/failure.ts';
import { readBody } from '../../server/read-body.ts';
import { keyOf } from '../spec/resources.ts';
import { identityHeaders, sendFailure } from './answer.ts';
import { AsyncDeliveries, DEFAULT_POLICY, type DeliveryPolicy } from './async-deliveries.ts';
import { publishOver } from './async-destination.ts';
import { AsyncStore, TOPIC, type AsyncInvocation } from './async-store.ts';
import { createRouterClient, type RouterClient } from './client.ts';
import { paramHeaders } from './function-headers.ts';
import type { Invocation } from './invocation.ts';
import type { RequestHead } from './request-head.ts';
import type { Road } from './road.ts';
import type { Target } from './target.ts';

/** Of an asynchronous request's body (Fission's, and Lambda's). */
const BODY_LIMIT_BYTES = 256 * 1024;
const LIST_LIMIT = 1_000;
/** What is under way when the platform stops is given this long. */
const STOP_GRACE_MS = 3_000;

export const ASYNC_PREFIX = '/async';

export interface AsyncOptions {
  /** Of the SQLite file that keeps them. */
  readonly path: string;
  readonly policy?: Partial<DeliveryPolicy>;
}

/**
 * Fission's asynchronous invocations (RFC-0024): a request with `X-Fission-Invoke-Mode: async`, or to a trigger whose
 * invocationMode is async, is kept on disk and answered 202 with an id; its delivery, retries and dead letter are ours.
 */
export class AsyncInvocations implements AsyncDisposable {
  readonly #road: Road;
  readonly #store: AsyncStore;
  readonly #client: RouterClient;
  readonly #deliveries: AsyncDeliveries;

  constructor(road: Road, internalUrl: string, options: AsyncOptions) {
    this.#road = road;
    this.#store = new AsyncStore(options.path);
    this.#client = createRouterClient({ internalUrl });
    this.#deliveries = new AsyncDeliveries({
      store: this.#store,
      client: this.#client,
      publish: (topic, message) => publishOver(internalUrl, topic, message),
      catalog: road.catalog,
      tracer: road.tracer,
      propagator: road.propagator,
      policy: { ...DEFAULT_POLICY, ...options.policy },
      log: road.log,
    });
  }

  /** Keeps the request, then answers: 202 is a promise. */
  async accept(
    request: IncomingMessage,
    response: ServerResponse,
    head: RequestHead,
    target: Target,
    invocation: Invocation,
  ): Promise<void> {
    let failure: Failure | undefined;
    response.once('close', () => invocation.end(response.statusCode, failure));
    try {
      if (!this.#road.catalog.get('Function', target.fn))
        throw new Failure(
          'router',
          'not_found',
          `cannot find function [${keyOf(target.fn)}]: no such function`,
        );
      const body = head.hasBody ? await readBody(request, BODY_LIMIT_BYTES, 'router') : Buffer.alloc(0);
      const id = this.#store.add({
        id: randomUUID(),
        fn: target.fn,
        depth: 0,
        method: request.method ?? 'POST',
        path: target.path,
        headers: { ...replayed(head.passed), ...paramHeaders(target.params) },
        body,
        carrier: this.#carrierOf(invocation),
        requestId: invocation.requestId,
        dedupKey: head.dedupKey,
        acceptedMs: Date.now(),
      });
      const { traceId } = invocation.spanContext;
      const answer = JSON.stringify({ invocationId: id, requestId: invocation.requestId, traceId });
      response.writeHead(202, [
        'content-type',
        'application/json',
        'content-length',
        String(Buffer.byteLength(answer)),
        'x-fission-invocation-id',
        id,
        ...identityHeaders(invocation),
      ]);
      response.end(answer);
      this.#deliveries.pump();
    } catch (error) {
      failure = toFailure(error, 'router');
      trace.getSpan(invocation.context)?.setAttribute(SPOOR_REASON, failure.reason);
      if (response.headersSent) response.destroy();
      else sendFailure(response, failure, invocation);
    }
  }

  /**
   * On the internal listener:
   *
   *     GET    /async?state=&function=&limit=     {items: […]}, the latest first
   *     GET    /async/ID                          state, attempts, condition, and the last answer
   *     POST   /async/ID/redrive                  a dead letter is delivered again: 202
   *     DELETE /async/ID                          a settled one: 204
   */
  handle(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://internal');
    const [id = '', verb] = url.pathname.slice(ASYNC_PREFIX.length + 1).split('/');
    const { method } = request;
    if (id === '' && method === 'GET') {
      const limit = Math.min(LIST_LIMIT, Number(url.searchParams.get('limit') ?? 100) || 100);
      const state = url.searchParams.get('state') ?? '';
      const fn = url.searchParams.get('function') ?? '';
      send(response, 200, { items: this.#store.list({ state, fn, limit }).map(summaryOf) });
    } else if (verb === undefined && method === 'GET') {
      const found = this.#store.get(id);
      if (!found) throw unknown(id);
      send(response, 200, { ...summaryOf(found), answer: Buffer.from(found.answer).toString('base64') });
    } else if (verb === 'redrive' && method === 'POST') {
      if (!this.#store.redrive(id, Date.now()))
        throw new Failure(
          'router',
          'not_found',
          `cannot redrive [${id}]: there is no dead letter by that id`,
        );
      this.#deliveries.pump();
      send(response, 202, { invocationId: id });
    } else if (verb === undefined && method === 'DELETE') {
      if (!this.#store.delete(id)) throw unknown(id);
      response.writeHead(204).end();
    } else {
      throw new Failure('router', 'method_not_allowed', `cannot ${method} [${url.pathname}]`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#deliveries.stop(STOP_GRACE_MS);
    await this.#client[Symbol.asyncDispose]();
    this.#store[Symbol.dispose]();
  }

  #carrierOf(invocation: Invocation): Record<string, string> {
    const flat: string[] = [];
    invocation.injectInto(flat);
    return record(flat);
  }
}

/** What of a request's headers is said again to the function: Fission's list. The caller's session is not part of it. */
function replayed(passed: readonly string[]): Record<string, string> {
  const kept: string[] = [];
  for (let i = 0; i < passed.length; i += 2) {
    const name = passed[i] as string;
    if (
      name === 'content-type' ||
      name === 'accept' ||
      (name.startsWith('x-') && !name.startsWith('x-fission-'))
    )
      kept.push(name, passed[i + 1] as string);
  }
  return record(kept);
}

function record(flat: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    const value = flat[i + 1] as string;
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return headers;
}

function summaryOf(invocation: AsyncInvocation) {
  const { id, fn, state, attempts, condition, status, message, requestId, carrier, depth } = invocation;
  return {
    invocationId: id,
    ...(fn.namespace === TOPIC ? { topic: fn.name } : { function: keyOf(fn) }),
    depth,
    state,
    attempts,
    condition,
    status,
    message,
    requestId,
    traceId: carrier['traceparent']?.split('-')[1] ?? '',
    acceptedAt: timeOf(invocation.acceptedMs),
    nextAttemptAt: state === 'waiting' ? timeOf(invocation.dueMs) : undefined,
    settledAt: invocation.settledMs === 0 ? undefined : timeOf(invocation.settledMs),
  };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function unknown(id: string): Failure {
  return new Failure('router', 'not_found', `cannot find asynchronous invocation [${id}]`);
}
