import type { Context, SpanContext, Tracer } from '@opentelemetry/api';
import { FAAS_NAME } from '../../function/span/attributes.ts';
import { NOWHERE, type Placed } from '../../function/span/under-way.ts';
import { Failure, toFailure } from '../../server/failure.ts';
import type { FunctionResource } from '../spec/resources.ts';
import type { InstanceEnd, Lease } from './client.ts';
import type { Specialized } from './cold-start.ts';
import { ASKED_TO_END, type Instance } from './instance.ts';
import { nowMs, recordSpan } from './phase.ts';

/** A wait shorter than this is the time it takes to call a few functions, and not worth a span. */
const WORTH_A_SPAN_MS = 0.5;

export interface FunctionPoolOptions {
  readonly fn: FunctionResource;
  readonly version: string;
  readonly tracer: Tracer;
  /** May one more instance be specialized now? If not, `pump` is called again when that may have changed. */
  readonly canStart: (fn: FunctionResource) => boolean;
  readonly coldStart: (fn: FunctionResource, context: Context) => Promise<Specialized>;
}

/**
 * The specialized instances of one function and those who wait for one. Admission is Fission's (fission.md, section 4): an
 * instance with room; else one more while there are fewer than `concurrency`; else wait; at most concurrency × requestsPerPod
 * requests in flight, the waiting included, then `capacity_exceeded`.
 */
export class FunctionPool {
  #fn: FunctionResource;
  #version: string;
  readonly #options: FunctionPoolOptions;
  readonly #members = new Set<Member>();
  /** Members with room for a request; the one used last stands last, so that the surplus grows idle and is reaped. */
  readonly #free: Member[] = [];
  readonly #waiters: Waiter[] = [];
  #active = 0;
  #starting = 0;

  constructor(options: FunctionPoolOptions) {
    this.#options = options;
    this.#fn = options.fn;
    this.#version = options.version;
  }

  get fn(): FunctionResource {
    return this.#fn;
  }

  get members(): Iterable<{ readonly instance: Instance; readonly active: number }> {
    return this.#members;
  }

  get isIdle(): boolean {
    return this.#members.size === 0 && this.#starting === 0 && this.#waiters.length === 0;
  }

  get hasWaiters(): boolean {
    return this.#waiters.length > 0;
  }

  /** Requests that hold a lease. */
  get active(): number {
    return this.#active;
  }

  acquire(options: { readonly context: Context; readonly signal: AbortSignal }): Promise<Lease> {
    const member = this.#waiters.length === 0 ? this.#mostFree() : undefined;
    if (member) return Promise.resolve(this.#lease(member, options.context));
    return this.#wait(options.context, options.signal);
  }

  /** Starts what the waiting ask for, as far as there is room. */
  pump(): void {
    while (
      this.#waiters.length > this.#starting * this.#requestsPerInstance &&
      this.#members.size + this.#starting < this.#fn.spec.concurrency
    ) {
      const waiter = this.#waiters.find((waiter) => waiter.startedMs === undefined);
      if (!waiter || !this.#options.canStart(this.#fn)) return;
      void this.#startFor(waiter);
    }
  }

  /** Another generation of the function, its package or its environment: instances of an older one serve no new request. */
  change(fn: FunctionResource, version: string): void {
    this.#fn = fn;
    if (version === this.#version) return;
    this.#version = version;
    for (const member of this.#members) this.#retireWhenIdle(member, 'its function has changed');
    this.pump();
  }

  /** The function is gone, or the platform stops: who waits is told so. */
  close(failure: Failure, why: string): void {
    for (const waiter of this.#waiters.splice(0)) this.#reject(waiter, failure);
    for (const member of this.#members) this.#retireWhenIdle(member, why);
  }

  /** Ends instances that were idle for longer than the function's idletimeout, down to retainPods. */
  reap(now: number): void {
    const idleMs = this.#fn.spec.idletimeout * 1_000;
    const idle = this.#free.filter((member) => member.active === 0 && now - member.lastUsedMs >= idleMs);
    const surplus = Math.min(idle.length, this.#members.size - this.#fn.spec.retainPods);
    for (const member of idle.slice(0, Math.max(0, surplus)))
      this.#retireWhenIdle(member, `idle for ${this.#fn.spec.idletimeout} s`);
  }

  /** The instance that has been idle longest, if any: what to end when another function needs its place. */
  oldestIdle(): { readonly lastUsedMs: number; readonly retire: () => void } | undefined {
    if (this.#members.size <= this.#fn.spec.retainPods) return undefined;
    const member = this.#free.find((member) => member.active === 0);
    return (
      member && {
        lastUsedMs: member.lastUsedMs,
        retire: () => this.#retireWhenIdle(member, 'its place was needed'),
      }
    );
  }

  /** Called by a lease, once. */
  released(member: Member): void {
    this.#active -= 1;
    member.active -= 1;
    member.lastUsedMs = Date.now();
    if (!this.#members.has(member)) return;
    if (this.#fn.spec.onceOnly) member.isDoomed ||= 'onceOnly: it has served its request';
    if (member.isDoomed) {
      this.#retireWhenIdle(member, member.isDoomed);
      this.pump();
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter) this.#resolve(waiter, member);
    this.#keepFree(member);
  }

  get #requestsPerInstance(): number {
    return this.#fn.spec.onceOnly ? 1 : this.#fn.spec.requestsPerPod;
  }

  #wait(context: Context, signal: AbortSignal): Promise<Lease> {
    const { concurrency, specializationTimeout } = this.#fn.spec;
    if (signal.aborted) return Promise.reject(disconnected());
    const most = concurrency * this.#requestsPerInstance;
    if (this.#active + this.#waiters.length >= most) {
      return Promise.reject(
        new Failure(
          'executor',
          'capacity_exceeded',
          `cannot take one more request for function [${this.#fn.metadata.name}]: ${most} are in flight (concurrency ${concurrency} × requestsPerPod ${this.#requestsPerInstance})`,
        ),
      );
    }
    return new Promise((resolve, reject) => {
      const waitMs = specializationTimeout * 1_000;
      const waiter: Waiter = {
        context,
        sinceMs: nowMs(),
        startedMs: undefined,
        resolve,
        reject,
        stop: () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', onAbort);
        },
      };
      const onAbort = () => this.#giveUp(waiter, disconnected());
      // The one for whom an instance is started hears of its time-out from the start itself.
      const timer = setTimeout(() => {
        if (waiter.startedMs === undefined) this.#giveUp(waiter, this.#tooLong(waitMs));
      }, waitMs);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
      this.pump();
      // Begun in the same tick: it has not waited, however long the first call of these functions took.
      if (waiter.startedMs !== undefined) waiter.startedMs = waiter.sinceMs;
    });
  }

  async #startFor(waiter: Waiter): Promise<void> {
    const version = this.#version;
    const fn = this.#fn;
    waiter.startedMs = nowMs();
    this.#starting += 1;
    try {
      const { instance, span } = await this.#options.coldStart(fn, waiter.context);
      this.#starting -= 1;
      if (version !== this.#version) {
        waiter.startedMs = undefined;
        void instance.terminate('its function has changed');
        this.pump();
        return;
      }
      this.#join(new Member(instance, fn, span), waiter);
    } catch (error) {
      this.#starting -= 1;
      this.#startFailed(waiter, toFailure(error, 'executor'));
    }
  }

  #join(member: Member, starter: Waiter): void {
    this.#members.add(member);
    void member.instance.ended.then(() => this.#died(member));
    void member.instance.draining.then(() => this.#drain(member));
    // Who asked for it goes first, if still here.
    const position = this.#waiters.indexOf(starter);
    if (position > 0) this.#waiters.unshift(...this.#waiters.splice(position, 1));
    while (member.active < this.#requestsPerInstance) {
      const waiter = this.#waiters.shift();
      if (!waiter) break;
      this.#resolve(waiter, member, waiter === starter);
    }
    this.#keepFree(member);
    this.pump();
  }

  /**
   * A function that cannot be loaded fails for everyone who counted on this start, not one after the other; those for whom
   * another instance works or starts go on waiting.
   */
  #startFailed(starter: Waiter, failure: Failure): void {
    const position = this.#waiters.indexOf(starter);
    if (position >= 0) this.#giveUp(starter, failure);
    if (this.#starting === 0 && this.#members.size === 0)
      for (const waiter of this.#waiters.splice(0)) this.#reject(waiter, failure);
    this.pump();
  }

  #died(member: Member): void {
    this.#members.delete(member);
    this.#dropFree(member);
    this.pump();
  }

  /** Somebody else asked it to end: it finishes what it has, and who waits gets another one. */
  #drain(member: Member): void {
    if (!this.#members.has(member)) return;
    this.#retireWhenIdle(member, ASKED_TO_END);
    this.pump();
  }

  #retireWhenIdle(member: Member, why: string): void {
    member.isDoomed = why;
    this.#dropFree(member);
    if (member.active > 0) return;
    this.#members.delete(member);
    void member.instance.terminate(why);
  }

  #mostFree(): Member | undefined {
    let best: Member | undefined;
    for (let i = this.#free.length - 1; i >= 0; i--) {
      const member = this.#free[i] as Member;
      if (!best || member.active < best.active) best = member;
      if (best.active === 0) break;
    }
    return best;
  }

  #lease(member: Member, context: Context): Lease {
    const coldStart = !member.hasServed;
    member.hasServed = true;
    member.active += 1;
    this.#active += 1;
    if (member.active >= this.#requestsPerInstance) this.#dropFree(member);
    const lease = new InstanceLease(this, member, coldStart, context);
    member.instance.underWay.add(lease);
    return lease;
  }

  #keepFree(member: Member): void {
    if (member.active < this.#requestsPerInstance && !this.#free.includes(member)) this.#free.push(member);
  }

  #dropFree(member: Member): void {
    // Nearly always the last one.
    const index = this.#free.lastIndexOf(member);
    if (index >= 0) this.#free.splice(index, 1);
  }

  #resolve(waiter: Waiter, member: Member, isItsOwn = false): void {
    waiter.stop();
    const lease = this.#lease(member, waiter.context);
    this.#recordWait(waiter, {
      until: isItsOwn ? waiter.startedMs : undefined,
      link: isItsOwn ? undefined : member.linkFor(waiter),
    });
    waiter.resolve(lease);
  }

  #giveUp(waiter: Waiter, failure: Failure): void {
    const position = this.#waiters.indexOf(waiter);
    if (position < 0) return;
    this.#waiters.splice(position, 1);
    this.#reject(waiter, failure);
  }

  #reject(waiter: Waiter, failure: Failure): void {
    waiter.stop();
    this.#recordWait(waiter, { until: waiter.startedMs, failure });
    waiter.reject(failure);
  }

  /** `until` is when the waiter's own cold start began, which has spans of its own. */
  #recordWait(
    waiter: Waiter,
    wait: { until: number | undefined; link?: SpanContext | undefined; failure?: Failure },
  ): void {
    const endMs = wait.until ?? nowMs();
    if (endMs - waiter.sinceMs < WORTH_A_SPAN_MS) return;
    recordSpan(this.#options.tracer, 'wait for capacity', {
      context: waiter.context,
      startMs: waiter.sinceMs,
      endMs,
      attributes: { [FAAS_NAME]: this.#fn.metadata.name },
      link: wait.link,
      // Once its own start had begun, that start says what failed.
      ...(wait.failure && wait.until === undefined ? { failure: wait.failure } : {}),
    });
  }

  #tooLong(waitMs: number): Failure {
    return new Failure(
      'executor',
      'capacity_exceeded',
      `cannot find an instance for function [${this.#fn.metadata.name}]: none came free within ${waitMs} ms`,
    );
  }
}

interface Waiter {
  readonly context: Context;
  readonly sinceMs: number;
  /** When a cold start was begun for this one. */
  startedMs: number | undefined;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (failure: Failure) => void;
  readonly stop: () => void;
}

/** A specialized instance in its pool. */
class Member {
  readonly instance: Instance;
  readonly fn: FunctionResource;
  readonly #loadSpan: SpanContext;
  readonly #readyMs = nowMs();
  active = 0;
  hasServed = false;
  lastUsedMs = Date.now();
  /** Why it serves no further request; '' while it does. */
  isDoomed = '';

  constructor(instance: Instance, fn: FunctionResource, loadSpan: SpanContext) {
    this.instance = instance;
    this.fn = fn;
    this.#loadSpan = loadSpan;
  }

  /** The cold start someone waited for, if this instance became ready while they did and it was not theirs. */
  linkFor(waiter: Waiter): SpanContext | undefined {
    return this.#readyMs > waiter.sinceMs ? this.#loadSpan : undefined;
  }
}

class InstanceLease implements Lease, Placed {
  place = NOWHERE;
  readonly context: Context;
  readonly coldStart: boolean;
  readonly #pool: FunctionPool;
  readonly #member: Member;
  #isOver = false;

  constructor(pool: FunctionPool, member: Member, coldStart: boolean, context: Context) {
    this.#pool = pool;
    this.#member = member;
    this.coldStart = coldStart;
    this.context = context;
  }

  get instanceId(): string {
    return this.#member.instance.id;
  }

  get socketPath(): string {
    return this.#member.instance.socketPath;
  }

  get functionUid(): string {
    return this.#member.fn.metadata.uid;
  }

  get functionResourceVersion(): string {
    return this.#member.fn.metadata.resourceVersion;
  }

  get functionTimeoutMs(): number {
    return this.#member.fn.spec.functionTimeout * 1_000;
  }

  get died(): Promise<InstanceEnd> {
    return this.#member.instance.ended;
  }

  get draining(): Promise<void> {
    return this.#member.instance.draining;
  }

  get isDraining(): boolean {
    return this.#member.instance.isDraining;
  }

  release(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#member.instance.underWay.delete(this);
    this.#pool.released(this.#member);
  }

  timeout(): void {
    if (this.#isOver) return;
    this.#member.isDoomed = 'function timeout';
    this.#member.instance.kill({
      reason: 'timeout',
      message: `killed after ${this.functionTimeoutMs} ms: function timeout`,
    });
    this.release();
  }
}

function disconnected(): Failure {
  return new Failure('executor', 'client_disconnect', 'cannot go on: the client has gone');
}
