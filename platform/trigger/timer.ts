import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import * as names from '../../function/span/attributes.ts';
import type { Tracing } from '../../function/span/tracing.ts';
import type { Logger } from '../../server/log.ts';
import type { TimeTrigger } from '../spec/resources.ts';
import { attempt } from './attempt.ts';
import { SPOOR_TIMER_SCHEDULED } from '../../function/span/attributes.ts';
import { parseCron, type Schedule } from './cron.ts';
import type { Firings } from './firings.ts';
import { pickFunction, type FunctionInvoker } from './invoker.ts';

export interface TimerOptions {
  readonly firings: Firings;
  readonly invoker: FunctionInvoker;
  readonly tracing: Tracing;
  readonly log: Logger;
  /** Of cron expressions that name none; default UTC. */
  readonly timeZone?: string;
}

const TIMEOUT_MS = 900_000;
const STOP_GRACE_MS = 10_000;
/** setTimeout takes no more than 2³¹ ms; looking again each hour also follows a clock that was set. */
const MAX_SLEEP_MS = 3_600_000;
/** A timer faster than its function does not pile up calls without end. */
const MAX_IN_FLIGHT = 10;

/**
 * Fires by its cron. Times that passed while nothing ran are not made up for, as in Fission; no time fires twice
 * (at most once), and a firing that fails is not tried again, for the next one comes.
 */
export function startTimer(trigger: TimeTrigger, options: TimerOptions): AsyncDisposable {
  return new Timer(trigger, options);
}

class Timer implements AsyncDisposable {
  readonly #trigger: TimeTrigger;
  readonly #options: TimerOptions;
  readonly #schedule: Schedule;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #cut = new AbortController();
  #sleep: NodeJS.Timeout | undefined;

  constructor(trigger: TimeTrigger, options: TimerOptions) {
    this.#trigger = trigger;
    this.#options = options;
    this.#schedule = parseCron(trigger.spec.cron, options.timeZone);
    // Of an `@every` that has never fired, the interval begins now.
    this.#arm(Date.now());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#sleep);
    const timer = setTimeout(() => this.#cut.abort(), STOP_GRACE_MS);
    await Promise.all(this.#inFlight);
    clearTimeout(timer);
  }

  #arm(after: number): void {
    const last = this.#options.firings.last(this.#key);
    // After a clock was set back, what had fired already must not fire again.
    const next = this.#schedule.next(Math.max(after, last ?? 0), last);
    if (next !== undefined) this.#sleepUntil(next);
  }

  #sleepUntil(scheduled: number): void {
    const left = scheduled - Date.now();
    this.#sleep = setTimeout(
      () => {
        if (Date.now() < scheduled) this.#sleepUntil(scheduled);
        else {
          this.#fire(scheduled);
          this.#arm(Date.now());
        }
      },
      Math.max(0, Math.min(left, MAX_SLEEP_MS)),
    );
  }

  #fire(scheduled: number): void {
    const { firings, log } = this.#options;
    if (!firings.claim(this.#key, scheduled)) return;
    if (this.#inFlight.size >= MAX_IN_FLIGHT) {
      log.warn(
        { timer: this.#key, inFlight: this.#inFlight.size },
        'skipped a firing: earlier ones still run',
      );
      return;
    }
    const run = this.#invoke(scheduled).finally(() => this.#inFlight.delete(run));
    this.#inFlight.add(run);
  }

  async #invoke(scheduled: number): Promise<void> {
    const { metadata, spec } = this.#trigger;
    const { tracing, log } = this.#options;
    const span = tracing.tracer().startSpan(
      `timer ${metadata.name}`,
      {
        kind: SpanKind.INTERNAL,
        root: true,
        attributes: {
          [names.FAAS_TRIGGER]: 'timer',
          [names.FAAS_CRON]: spec.cron,
          [names.SPOOR_TRIGGER_NAME]: metadata.name,
          [SPOOR_TIMER_SCHEDULED]: new Date(scheduled).toISOString(),
        },
      },
      ROOT_CONTEXT,
    );
    const result = await attempt(trace.setSpan(ROOT_CONTEXT, span), {
      ...this.#options,
      fn: { name: pickFunction(spec.functionref), namespace: metadata.namespace },
      attempt: 1,
      trigger: 'timer',
      method: spec.method || 'POST',
      subpath: spec.subpath || undefined,
      headers: { 'X-Fission-Timer-Name': metadata.name },
      body: Buffer.alloc(0),
      signal: this.#cut.signal,
      timeoutMs: TIMEOUT_MS,
      outcome: (failure) => (failure ? 'dropped' : 'success'),
    });
    if (!result.ok) {
      const { reason, message } = result.failure;
      span.setAttributes({ [names.ERROR_TYPE]: reason, [names.SPOOR_REASON]: reason });
      span.setStatus({ code: SpanStatusCode.ERROR, message });
      log.warn({ timer: this.#key, reason, error: message }, 'a firing failed');
    }
    span.end();
  }

  /** A changed schedule is another timer: its times have not fired yet. */
  get #key(): string {
    const { namespace, name } = this.#trigger.metadata;
    return `${namespace}/${name} ${this.#trigger.spec.cron}`;
  }
}
