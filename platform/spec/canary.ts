import { ROOT_CONTEXT, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import type { Logger } from '../../server/log.ts';
import type { Registry } from './registry.ts';
import { keyOf, type CanaryConfig, type HTTPTrigger, type Reference } from './resources.ts';

export interface CanaryOptions {
  readonly registry: Registry;
  /**
   * Calls of a function in the last `sinceMs`, and how many of them failed. `undefined`, or a rejection, when nobody can
   * tell now: the canary waits.
   */
  readonly failureRate: (fn: Reference, sinceMs: number) => Promise<FailureRate | undefined>;
  /** Each step is a root span `canary NAME`. */
  readonly tracing?: { tracer(): Tracer };
  readonly log: Logger;
}

export interface FailureRate {
  readonly calls: number;
  readonly failures: number;
}

/** Node's timers cannot be longer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Moves the weights of routes to their new functions, as Fission's canary controller does: at each interval one increment;
 * above the failure threshold everything back to the old function, for good; without calls, or when nobody can tell how they
 * went, it waits. What is left to do is in the registry, so a restart goes on where it stood, an interval later.
 *
 *     pending ── +increment ──▶ pending ── 100 % ──▶ succeeded
 *        ├── failures > threshold ──▶ failed (old function: 100 %)
 *        └── its route is gone, or knows one function only ──▶ aborted
 */
export function startCanaries(options: CanaryOptions): AsyncDisposable {
  return new Canaries(options);
}

class Canaries implements AsyncDisposable {
  readonly #options: CanaryOptions;
  readonly #timers = new Map<string, { readonly timer: NodeJS.Timeout; readonly intervalMs: number }>();
  readonly #changes: Disposable;
  readonly #steps = new Set<Promise<void>>();

  constructor(options: CanaryOptions) {
    this.#options = options;
    this.#changes = options.registry.onChange(({ type, resource }) => {
      if (resource.kind !== 'CanaryConfig') return;
      if (type === 'put') this.#schedule(resource);
      else this.#stop(keyOf(resource.metadata));
    });
    for (const config of options.registry.list('CanaryConfig')) this.#schedule(config);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#changes[Symbol.dispose]();
    for (const key of this.#timers.keys()) this.#stop(key);
    await Promise.all(this.#steps);
  }

  #schedule(config: CanaryConfig): void {
    const key = keyOf(config.metadata);
    const intervalMs = config.spec.weightincrementduration;
    const running = this.#timers.get(key);
    if (config.status.status === 'pending' && running?.intervalMs === intervalMs) return;
    this.#stop(key);
    if (config.status.status !== 'pending') return;
    let isStepping = false;
    const timer = setInterval(
      () => {
        // A slow answer must not be overtaken by the next step.
        if (isStepping) return;
        isStepping = true;
        const step = this.#step(config.metadata).finally(() => {
          isStepping = false;
          this.#steps.delete(step);
        });
        this.#steps.add(step);
      },
      Math.min(intervalMs, LONGEST_TIMER_MS),
    ).unref();
    this.#timers.set(key, { timer, intervalMs });
  }

  #stop(key: string): void {
    clearInterval(this.#timers.get(key)?.timer);
    this.#timers.delete(key);
  }

  async #step(reference: Reference): Promise<void> {
    const { registry, log } = this.#options;
    const config = registry.get('CanaryConfig', reference);
    if (config?.status.status !== 'pending') return;
    const { name, namespace } = config.metadata;
    const span = this.#options.tracing?.tracer().startSpan(`canary ${name}`, { root: true }, ROOT_CONTEXT);
    try {
      const rate = await this.#rateOf(config);
      // Both may have changed while we asked.
      const current = registry.get('CanaryConfig', reference);
      if (current?.status.status !== 'pending') return;
      const route = registry.get('HTTPTrigger', { name: current.spec.trigger, namespace });
      const verdict = judge(current, route, rate);
      span?.setAttributes({
        'spoor.canary.outcome': verdict.outcome,
        'spoor.canary.new_function': current.spec.newfunction,
        ...(verdict.weight === undefined ? {} : { 'spoor.canary.weight': verdict.weight }),
        ...(rate ? { 'spoor.canary.calls': rate.calls, 'spoor.canary.failures': rate.failures } : {}),
      });
      if (verdict.outcome === 'rolled back' || verdict.outcome === 'aborted')
        span?.setStatus({ code: SpanStatusCode.ERROR, message: verdict.why });
      log.info({ canary: name, outcome: verdict.outcome, weight: verdict.weight, ...rate }, 'canary step');
      await this.#apply(current, route, verdict);
    } catch (error) {
      span?.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
      log.error({ err: error, canary: name }, 'a canary step failed');
    } finally {
      span?.end();
    }
  }

  async #rateOf({ metadata, spec }: CanaryConfig): Promise<FailureRate | undefined> {
    try {
      const fn = { name: spec.newfunction, namespace: metadata.namespace };
      return await this.#options.failureRate(fn, spec.weightincrementduration);
    } catch (error) {
      this.#options.log.warn(
        { canary: metadata.name, why: (error as Error).message },
        'cannot tell how a canary does',
      );
      return undefined;
    }
  }

  async #apply(config: CanaryConfig, route: HTTPTrigger | undefined, verdict: Verdict): Promise<void> {
    const { registry } = this.#options;
    const { newfunction, oldfunction } = config.spec;
    if (verdict.weight !== undefined && route) {
      const functionweights = { [newfunction]: verdict.weight, [oldfunction]: 100 - verdict.weight };
      await registry.commit([
        {
          type: 'put',
          resource: {
            ...route,
            spec: { ...route.spec, functionref: { type: 'function-weights', functionweights } },
          },
        },
        { type: 'put', resource: { ...config, status: { status: verdict.status } } },
      ]);
    } else if (verdict.status !== 'pending')
      await registry.put({ ...config, status: { status: verdict.status } });
  }
}

export interface Verdict {
  readonly outcome: 'advanced' | 'done' | 'rolled back' | 'waiting' | 'aborted';
  readonly status: CanaryConfig['status']['status'];
  /** Of the new function, from now on; undefined to leave the route as it is. */
  readonly weight?: number;
  readonly why: string;
}

/** What one step does, given how the new function did since the last one. */
export function judge(
  { spec }: CanaryConfig,
  route: HTTPTrigger | undefined,
  rate: FailureRate | undefined,
): Verdict {
  const reference = route?.spec.functionref;
  const weight =
    reference?.type === 'function-weights' ? reference.functionweights[spec.newfunction] : undefined;
  if (weight === undefined)
    return {
      outcome: 'aborted',
      status: 'aborted',
      why: `route '${spec.trigger}' does not share its calls with '${spec.newfunction}'`,
    };
  // Nobody has called it yet, so there is nothing to look at.
  if (weight > 0) {
    if (!rate || rate.calls === 0)
      return {
        outcome: 'waiting',
        status: 'pending',
        why: rate ? 'it was not called' : 'nobody can tell how it did',
      };
    const percent = (100 * rate.failures) / rate.calls;
    if (percent > spec.failurethreshold)
      return {
        outcome: 'rolled back',
        status: 'failed',
        weight: 0,
        why: `${percent.toFixed(1)} % of ${rate.calls} calls failed, more than ${spec.failurethreshold} %`,
      };
  }
  const next = Math.min(100, weight + spec.weightincrement);
  return next === 100
    ? { outcome: 'done', status: 'succeeded', weight: 100, why: 'every call goes to the new function' }
    : {
        outcome: 'advanced',
        status: 'pending',
        weight: next,
        why: `${next} % of the calls go to the new function`,
      };
}
