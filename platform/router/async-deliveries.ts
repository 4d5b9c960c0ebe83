import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type TextMapPropagator,
  type Tracer,
} from '@opentelemetry/api';
import {
  ERROR_TYPE,
  FAAS_INVOKED_NAME,
  FAAS_INVOKED_PROVIDER,
  HTTP_RESPONSE_STATUS_CODE,
  SPOOR_ATTEMPT,
  SPOOR_OUTCOME,
  SPOOR_QUEUE_WAIT,
  SPOOR_REASON,
  SPOOR_REQUEST_ID,
} from '../../function/span/attributes.ts';
import { toFailure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import type { Catalog } from '../spec/catalog.ts';
import type { Reference } from '../spec/resources.ts';
import { MAX_DEPTH, tell } from './async-destination.ts';
import {
  TOPIC,
  type AsyncInvocation,
  type AsyncRequest,
  type AsyncStore,
  type Condition,
  type Settlement,
} from './async-store.ts';
import type { Answer, RouterClient } from './client.ts';
import { carrierGetter } from './request-head.ts';

export interface DeliveryPolicy {
  /** Deliveries that fail before it is a dead letter. */
  readonly maxAttempts: number;
  readonly firstBackOffMs: number;
  readonly maxBackOffMs: number;
  /** From acceptance; past it it is a dead letter without one more try. */
  readonly maxAgeMs: number;
}

/** Attempts and age are RFC-0024's, the waits between are ours. */
export const DEFAULT_POLICY: DeliveryPolicy = {
  maxAttempts: 3,
  firstBackOffMs: 500,
  maxBackOffMs: 60_000,
  maxAgeMs: 6 * 3600 * 1000,
};

const CONCURRENT = 64;
const KEPT_ANSWER_BYTES = 64 * 1024;
/** What a call may take beyond the function's own time-outs, before this side gives it up too. */
const MARGIN_MS = 10_000;
const DEFAULT_TIMEOUT_MS = 180_000;
const HOUSEKEEPING_MS = 10 * 60_000;

export interface DeliveriesOptions {
  readonly store: AsyncStore;
  readonly client: RouterClient;
  /** To a topic; throws an Error when it was not taken. */
  readonly publish: (
    topic: string,
    message: { readonly body: Uint8Array; readonly headers: Readonly<Record<string, string>> },
  ) => Promise<void>;
  readonly catalog: Catalog;
  readonly tracer: Tracer;
  readonly propagator: TextMapPropagator;
  readonly policy: DeliveryPolicy;
  readonly log: Logger;
}

/**
 * Delivers what was accepted, at least once: each delivery is a CLIENT span `invoke NAME` below the span that accepted it, and
 * linked to it. One that was under way when the platform died is delivered again by the next.
 */
export class AsyncDeliveries implements AsyncDisposable {
  readonly #options: DeliveriesOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #housekeeping: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
    this.#housekeeping = setInterval(() => options.store.forgetOld(Date.now()), HOUSEKEEPING_MS).unref();
    this.pump();
  }

  /** Begins whatever is due, as far as there is room. */
  pump(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    const { store } = this.#options;
    while (this.#running.size < CONCURRENT) {
      const invocation = store.takeDue(Date.now());
      if (!invocation) break;
      const deliver =
        invocation.fn.namespace === TOPIC ? this.#publish(invocation) : this.#deliver(invocation);
      const running = deliver.finally(() => {
        this.#running.delete(running);
        this.pump();
      });
      this.#running.add(running);
    }
    const dueMs = this.#running.size < CONCURRENT ? store.nextDueMs() : undefined;
    if (dueMs !== undefined)
      this.#timer = setTimeout(() => this.pump(), Math.max(1, dueMs - Date.now())).unref();
  }

  /** Nothing new is begun; what is under way is given `graceMs`, and what is not done then is left to the next platform. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearInterval(this.#housekeeping);
    const late = setTimeout(() => this.#stopping.abort(), graceMs);
    await Promise.all(this.#running);
    clearTimeout(late);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop(0);
  }

  async #deliver(invocation: AsyncInvocation): Promise<void> {
    const { store, tracer, propagator, log } = this.#options;
    const { id, fn, attempts } = invocation;
    const accepted = propagator.extract(ROOT_CONTEXT, invocation.carrier, carrierGetter);
    const acceptedBy = trace.getSpanContext(accepted);
    const now = Date.now();
    const span = tracer.startSpan(
      `invoke ${fn.name}`,
      {
        kind: SpanKind.CLIENT,
        attributes: {
          [FAAS_INVOKED_NAME]: fn.name,
          [FAAS_INVOKED_PROVIDER]: 'spoor',
          [SPOOR_ATTEMPT]: attempts,
          [SPOOR_REQUEST_ID]: invocation.requestId,
          // Later deliveries have waited on purpose.
          ...(attempts === 1 && { [SPOOR_QUEUE_WAIT]: Math.max(0, now - invocation.acceptedMs) }),
        },
        links: acceptedBy ? [{ context: acceptedBy }] : [],
      },
      accepted,
    );
    const headers: Record<string, string> = {
      ...invocation.headers,
      'x-fission-request-id': invocation.requestId,
      'x-fission-invocation-id': id,
      'x-fission-invocation-attempt': String(attempts),
      'x-fission-invocation-depth': String(invocation.depth),
      'x-spoor-attempt': String(attempts),
      'x-spoor-invocation-id': id,
      'x-spoor-trigger': 'http',
    };
    const carrier: Record<string, string> = {};
    propagator.inject(trace.setSpan(accepted, span), carrier, {
      set: (to, key, value) => void (to[key] = value),
    });
    Object.assign(headers, carrier);
    const result = await this.#call(invocation, headers);
    if (this.#stopping.signal.aborted && result.reason === 'client_disconnect') {
      // Still `running` on disk: the next platform delivers it again.
      span.setAttribute(SPOOR_REASON, 'shutdown');
      span.setStatus({ code: SpanStatusCode.ERROR, message: 'the platform stopped before the answer' });
      span.end();
      return;
    }
    const settlement = settlementOf(invocation, result, this.#policyOf(fn), Date.now());
    // First the disk: a span that says `success` of something delivered again would be a lie.
    store.settle(id, settlement, this.#tell(invocation, settlement, carrier));
    if (result.status > 0) span.setAttribute(HTTP_RESPONSE_STATUS_CODE, result.status);
    span.setAttribute(SPOOR_OUTCOME, OUTCOMES[settlement.state]);
    if (result.reason !== '') {
      span.setAttribute(ERROR_TYPE, result.status > 0 ? String(result.status) : result.reason);
      span.setAttribute(SPOOR_REASON, result.reason);
      span.setStatus({ code: SpanStatusCode.ERROR, message: result.message });
    }
    span.end();
    if (settlement.state === 'dead')
      log.warn(
        {
          invocationId: id,
          functionName: fn.name,
          attempts,
          condition: settlement.condition,
          why: result.message,
        },
        'an asynchronous invocation was given up',
      );
  }

  /** What the function's own spec says, over the platform's. */
  #policyOf(fn: Reference): DeliveryPolicy {
    const { policy, catalog } = this.#options;
    const own = catalog.get('Function', fn)?.spec.invocation;
    if (!own) return policy;
    const firstBackOffMs = own.backoffBaseMs ?? policy.firstBackOffMs;
    return {
      maxAttempts: own.maxAttempts ?? policy.maxAttempts,
      firstBackOffMs,
      maxBackOffMs: Math.max(firstBackOffMs, own.backoffCapMs ?? policy.maxBackOffMs),
      maxAgeMs: own.maxAgeMs ?? policy.maxAgeMs,
    };
  }

  /** The one who is to be told of this outcome, if there is any. */
  #tell(
    invocation: AsyncInvocation,
    settlement: Settlement,
    carrier: Readonly<Record<string, string>>,
  ): AsyncRequest | undefined {
    if (settlement.state === 'waiting') return undefined;
    const { catalog, log } = this.#options;
    const config = catalog.get('Function', invocation.fn)?.spec.invocation;
    const to = settlement.state === 'succeeded' ? config?.onSuccess : config?.onFailure;
    if (!to) return undefined;
    if (invocation.depth >= MAX_DEPTH) {
      log.warn(
        { invocationId: invocation.id, destination: to.name, depth: invocation.depth },
        'a destination is not told: too many destinations led here',
      );
      return undefined;
    }
    return tell(to, invocation, settlement, carrier);
  }

  /** To a topic: its PRODUCER span is the queue's. */
  async #publish(invocation: AsyncInvocation): Promise<void> {
    const { store, policy, publish, log } = this.#options;
    const { id, fn, carrier, headers, body } = invocation;
    let result: Result = { status: 200, reason: '', message: '', body: EMPTY };
    try {
      await publish(fn.name, { body, headers: { ...headers, ...carrier } });
    } catch (error) {
      result = { status: 0, reason: 'publish_failed', message: (error as Error).message, body: EMPTY };
    }
    // A broker that is away comes back: only age ends it.
    const patient = { ...policy, maxAttempts: Infinity };
    const settlement = settlementOf(invocation, result, patient, Date.now());
    store.settle(id, settlement);
    if (result.reason !== '')
      log.warn({ invocationId: id, topic: fn.name, why: result.message }, 'a destination could not be told');
  }

  async #call(invocation: AsyncInvocation, headers: Record<string, string>): Promise<Result> {
    const { catalog, client } = this.#options;
    const spec = catalog.get('Function', invocation.fn)?.spec;
    const timeoutMs = spec
      ? (spec.functionTimeout + spec.specializationTimeout) * 1_000 + MARGIN_MS
      : DEFAULT_TIMEOUT_MS;
    try {
      const answer = await client.invoke(invocation.fn, {
        method: invocation.method,
        subpath: invocation.path,
        headers,
        body: invocation.body,
        signal: this.#stopping.signal,
        timeoutMs,
      });
      return resultOf(answer);
    } catch (error) {
      const { reason, message } = toFailure(error, 'router');
      return { status: 0, reason, message, body: EMPTY };
    }
  }
}

interface Result {
  /** 0: no answer. */
  readonly status: number;
  /** '' for a success. */
  readonly reason: string;
  readonly message: string;
  readonly body: Buffer;
}

const EMPTY = Buffer.alloc(0);

const OUTCOMES = { succeeded: 'success', waiting: 'retry', dead: 'dead_letter' } as const;

function resultOf({ status, headers, body }: Answer): Result {
  if (status < 400) return { status, reason: '', message: '', body };
  const component = headers['x-fission-component'];
  if (component === undefined)
    return { status, reason: 'function_error', message: `the function answered ${status}`, body };
  const said = failureIn(body);
  return { status, reason: said.reason, message: said.message, body };
}

function failureIn(body: Buffer): { reason: string; message: string } {
  try {
    const { reason, message } = JSON.parse(body.toString()) as Record<string, unknown>;
    if (typeof reason === 'string' && typeof message === 'string') return { reason, message };
  } catch {
    // Then it is the function's own words.
  }
  return { reason: 'function_error', message: body.toString('utf8', 0, 500) };
}

/** No room, or the platform itself away: nobody's fault that the invocation could be blamed for. */
const NOT_ITS_FAULT = new Set([
  'capacity_exceeded',
  'executor_unavailable',
  'unavailable',
  'client_disconnect',
]);
/** What a client may try again all the same (RFC 9110, section 15.5.9; RFC 6585, section 4). */
const TRY_AGAIN = new Set([408, 425, 429]);

export function settlementOf(
  invocation: Pick<AsyncInvocation, 'failures' | 'acceptedMs'>,
  result: Result,
  policy: DeliveryPolicy,
  nowMs: number,
): Settlement {
  const said = {
    status: result.status,
    message: result.message,
    answer: result.body.subarray(0, KEPT_ANSWER_BYTES),
  };
  if (result.reason === '')
    return {
      ...said,
      state: 'succeeded',
      failures: invocation.failures,
      dueMs: 0,
      settledMs: nowMs,
      condition: 'Success',
    };
  const counts = !NOT_ITS_FAULT.has(result.reason);
  const failures = invocation.failures + (counts ? 1 : 0);
  const dueMs = nowMs + backOffMs(Math.max(1, failures), policy);
  let condition: Condition | '' = '';
  if (result.status >= 400 && result.status < 500 && counts && !TRY_AGAIN.has(result.status))
    condition = 'Http4xx';
  else if (failures >= policy.maxAttempts) condition = 'RetriesExhausted';
  else if (dueMs - invocation.acceptedMs > policy.maxAgeMs) condition = 'EventAgeExceeded';
  if (condition === '') return { ...said, state: 'waiting', failures, dueMs, settledMs: 0, condition };
  return { ...said, state: 'dead', failures, dueMs: 0, settledMs: nowMs, condition };
}

/** Doubling, with a fifth of chance on top, so that what failed together does not come back together. */
function backOffMs(failures: number, { firstBackOffMs, maxBackOffMs }: DeliveryPolicy): number {
  return Math.round(Math.min(maxBackOffMs, firstBackOffMs * 2 ** (failures - 1)) * (1 + Math.random() * 0.2));
}
