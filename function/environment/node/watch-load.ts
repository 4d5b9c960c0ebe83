import type { Span } from '@opentelemetry/api';
import { SPOOR_CPU_MS, SPOOR_CPU_WAIT_MS, SPOOR_LOOP_BLOCKED_MS } from '../../span/attributes.ts';
import { monotonicMs } from '../../span/clock.ts';
import type { Open } from '../../span/under-way.ts';
import { openCpuWait } from './cpu-wait.ts';

/** Shorter invocations do not say what they used. */
const LEAST_MS = 5;
/** How old a reading may be that an invocation begins with: thousands that come at once share one. */
const FRESH_MS = 1;
/** The loop is looked at this often while an invocation is open, and less often once that has lasted for a second. */
const BEAT_MS = 10;
const SLOW_BEAT_MS = 50;
const BEATS_UNTIL_SLOW = 100;

/** What an invocation is watched by. */
export interface Watched {
  startMs: number;
  /** CPU of the process when it began. */
  cpuMs: number;
  /** For how long its main thread had waited for a CPU by then. */
  cpuWaitMs: number | undefined;
  /** The longest stall so far. */
  blockedMs: number;
}

/**
 * What longer invocations cost: the CPU the process used meanwhile, for how long it waited for one, and for how long at a time its event
 * loop stood still.
 *
 *     begin ── beat ── beat ────────────────── end          a beat is a timer; one that comes late, or not at all,
 *     turn     turn    turn      (stalled)                  shows that the loop did not turn
 *
 * A stall is the time since the last turn we know of, less what the loop spent waiting for something to do. A process that was
 * stopped or starved of CPU stalls as well, with little CPU used; the wait for a CPU tells the two apart. Short invocations pay for two comparisons.
 */
export class LoadWatch {
  readonly #open: Open<Watched>;
  #turnMs = Number.NEGATIVE_INFINITY;
  #idleMs = 0;
  #cpuMs = 0;
  readonly #readCpuWait = openCpuWait();
  #cpuWaitMs: number | undefined;
  #usedMs = Number.NEGATIVE_INFINITY;
  #lastUsed: Used = { cpu: 0, cpuWait: undefined };
  #isBeating = false;
  #beats = 0;

  constructor(open: Open<Watched>) {
    this.#open = open;
  }

  begin(watched: Watched, nowMs: number): void {
    if (nowMs - this.#turnMs > FRESH_MS) {
      this.#noticeStall(nowMs);
      this.#turn(nowMs);
    }
    watched.startMs = nowMs;
    watched.cpuMs = this.#cpuMs;
    this.#beats = 0;
    if (!this.#isBeating) this.#beatLater();
    watched.cpuWaitMs = this.#cpuWaitMs;
  }

  /** Says on the span what there is to say. */
  end(watched: Watched, span: Span, nowMs: number): void {
    if (nowMs - watched.startMs < LEAST_MS) return;
    this.#noticeStall(nowMs);
    noteStall(watched, nowMs, this.#stallMs(nowMs));
    const { cpu, cpuWait } = this.#used(nowMs);
    const waitedMs =
      cpuWait === undefined || watched.cpuWaitMs === undefined
        ? undefined
        : toTenths(Math.min(cpuWait - watched.cpuWaitMs, nowMs - watched.startMs));
    // One record.
    span.setAttributes({
      [SPOOR_CPU_MS]: toTenths(cpu - watched.cpuMs),
      [SPOOR_LOOP_BLOCKED_MS]: toTenths(watched.blockedMs),
      ...(waitedMs !== undefined && { [SPOOR_CPU_WAIT_MS]: waitedMs }),
    });
  }

  /** Two system calls: on a crowded machine, where every invocation takes long, many end at once and share them. */
  #used(nowMs: number): Used {
    if (nowMs - this.#usedMs > FRESH_MS) {
      this.#usedMs = nowMs;
      this.#lastUsed = { cpu: cpuMs(), cpuWait: this.#readCpuWait() };
    }
    return this.#lastUsed;
  }

  readonly #beat = () => {
    this.#isBeating = false;
    if (this.#open.size === 0) return;
    const nowMs = monotonicMs();
    this.#noticeStall(nowMs);
    this.#turn(nowMs);
    this.#beats += 1;
    this.#beatLater();
  };

  #beatLater(): void {
    this.#isBeating = true;
    this.#cpuWaitMs = this.#readCpuWait();
    setTimeout(this.#beat, this.#beats < BEATS_UNTIL_SLOW ? BEAT_MS : SLOW_BEAT_MS).unref();
  }

  #turn(nowMs: number): void {
    this.#turnMs = nowMs;
    this.#idleMs = idleMs();
    this.#cpuMs = cpuMs();
  }

  /** Tells everyone who was open at the time. */
  #noticeStall(nowMs: number): void {
    if (nowMs - this.#turnMs < LEAST_MS || this.#open.size === 0) return;
    const stallMs = this.#stallMs(nowMs);
    for (const watched of this.#open) noteStall(watched, nowMs, stallMs);
  }

  #stallMs(nowMs: number): number {
    return nowMs - this.#turnMs - (idleMs() - this.#idleMs);
  }
}

/** By the process so far, ms: of its CPU, and of its main thread's wait for one. */
interface Used {
  readonly cpu: number;
  readonly cpuWait: number | undefined;
}

function noteStall(watched: Watched, nowMs: number, stallMs: number): void {
  watched.blockedMs = Math.max(watched.blockedMs, Math.min(stallMs, nowMs - watched.startMs));
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** For how long the loop has waited for something to do. */
function idleMs(): number {
  return performance.eventLoopUtilization().idle;
}

function toTenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
