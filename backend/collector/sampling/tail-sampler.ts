import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../../server/log.ts';
import type { Arrivals, PastDecision, SamplingDecision, SamplingStore } from '../../store/tail-sampling.ts';
import { decideFlow } from './decide-flow.ts';
import { findFlows } from './flows.ts';
import { MAX_WAITS, RareShapes, type TailSampling } from './policies.ts';
import { SamplingCounts } from './sampling-counts.ts';

export interface TailSamplerOptions {
  readonly store: SamplingStore;
  readonly policies: TailSampling;
  readonly log: Logger;
}

export interface TailSampler extends AsyncDisposable {
  readonly counts: SamplingCounts;
}

/** Traces with news that are looked at in one pass, roughly: what of one insert came at the same moment is not parted. */
const MAX_ARRIVALS_PER_PASS = 30_000;
const MIN_EVERY_MS = 200;
const MAX_EVERY_MS = 60_000;
/**
 * A kept trace of which more comes is written down as kept again after so many waits; decisions are remembered for so many more than
 * arrivals. So whatever a pass may take away, it knows of all that arrived of it, or that it was kept.
 */
const RENEWED_WAITS = 2;
const REMEMBERED_WAITS = 3;
const NOTHING = { kept: 0, dropped: 0, isBehind: false };
/** How often to look whether the engine is done with a delete. */
const POLL_MS = 500;
/** How often to say that it fails. */
const TELL_EVERY_MS = 60_000;

/**
 * Tail sampling after the fact: spans are stored and acknowledged as ever, and what was not worth keeping is taken away again.
 *
 *        cursor           now - wait                    now
 *   ───────┼──── pass ────────┼──────── all is kept ──────┤
 *
 * A pass takes the traces of which something arrived in its span of time, and decides about their flows by all that is known of them
 * now. A flow of which more came since is left to the pass that meets the last of it. So a flow is decided once it has been at
 * rest for a wait, and held together until then, however late its error came.
 *
 * Killed at any moment nothing is lost: what was not decided is there, decisions are durable before anything is taken away, and
 * what the last pass took away is asked for again at the start.
 */
export function startTailSampling(options: TailSamplerOptions): TailSampler {
  const { policies, log } = options;
  const pass = new TailSamplingPass(options.store, policies);
  const stop = new AbortController();
  const everyMs = Math.min(MAX_EVERY_MS, Math.max(MIN_EVERY_MS, policies.decisionWaitMs / 10));
  const pause = (ms: number) => sleep(ms, undefined, { signal: stop.signal }).catch(() => {});
  let toldAt = 0;
  const running = (async () => {
    while (!stop.signal.aborted) {
      let next = everyMs;
      try {
        const { underWay, failure } = await options.store.dropping();
        if (underWay > 0) {
          // One delete at a time: past what the engine can do, more is kept instead of more being asked of it.
          next = Math.min(everyMs, POLL_MS);
          if (failure !== '' && Date.now() - toldAt > TELL_EVERY_MS) {
            toldAt = Date.now();
            log.warn(
              { failure },
              'cannot take away spans that were sampled out; nothing more is until it can',
            );
          }
        } else {
          const { kept, dropped, isBehind } = await pass.run();
          if (kept + dropped > 0) log.info({ kept, dropped }, 'decided which traces to keep');
          if (isBehind) next = 0;
        }
      } catch (error) {
        if (!stop.signal.aborted) log.warn({ error }, 'cannot sample now; everything is kept until it can');
      }
      if (next > 0) await pause(next);
    }
  })();
  return {
    counts: pass.counts,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

/** One pass after the other; what it holds between two of them is where it is, and the shapes it has seen. */
export class TailSamplingPass {
  readonly counts = new SamplingCounts();
  readonly #store: SamplingStore;
  readonly #policies: TailSampling;
  readonly #rare: RareShapes;
  readonly #slackMs: number;
  #cursor: number | undefined;

  constructor(store: SamplingStore, policies: TailSampling) {
    this.#store = store;
    this.#policies = policies;
    this.#rare = new RareShapes(policies.rareFlowsPerHour);
    // A span and the row that tells of it are two inserts, each with a time of its own: the delete reaches so much further than the
    // rows that were decided by, and never as far as spans nobody has looked at.
    this.#slackMs = Math.floor(policies.decisionWaitMs / 2);
  }

  async run(): Promise<{ readonly kept: number; readonly dropped: number; readonly isBehind: boolean }> {
    const store = this.#store;
    const { decisionWaitMs } = this.#policies;
    const now = await store.now();
    const since = await store.firstArrivalMs();
    if (since === undefined) return NOTHING;
    const from = this.#cursor ?? (await this.#resume(since));
    const last = now - decisionWaitMs;
    if (last <= from) return NOTHING;
    const until = await store.sliceEnd(from, last, MAX_ARRIVALS_PER_PASS);
    const known = new Known(store, since - REMEMBERED_WAITS * decisionWaitMs);
    const arrived = await store.arrived(from, until);
    const decisions = await this.#decide(arrived, known, now);
    const dropped = decisions.filter(({ kept }) => !kept);
    // What fails from here on may be half done: it is gone about as after a death.
    this.#cursor = undefined;
    const receivedUntil = until + this.#slackMs;
    const old = known.keptBefore(arrived, until - RENEWED_WAITS * decisionWaitMs);
    await store.decide([...decisions, ...old], receivedUntil);
    if (dropped.length > 0) await store.drop(receivedUntil, since, known.rangeOf(dropped));
    this.#cursor = until;
    this.counts.add(decisions);
    await store.forgetArrivals(until - (MAX_WAITS + 1) * decisionWaitMs);
    return { kept: decisions.length - dropped.length, dropped: dropped.length, isBehind: until < last };
  }

  /** Where the pass before the last death ended, having made sure that what it decided is done. */
  async #resume(since: number): Promise<number> {
    const decided = await this.#store.lastDecidedMs();
    if (decided === undefined) return since;
    await this.#store.drop(decided, since);
    return decided - this.#slackMs;
  }

  async #decide(arrived: readonly string[], known: Known, now: number): Promise<readonly SamplingDecision[]> {
    await known.learn(arrived);
    const open = arrived.filter((traceId) => known.isOpen(traceId));
    const flows = await findFlows(open, (traceIds) => this.#store.linked(traceIds));
    await known.learn(flows.flatMap(({ traceIds }) => traceIds));
    return flows.flatMap(({ traceIds, whole }) =>
      decideFlow(
        traceIds.map((traceId) => known.member(traceId)),
        whole,
        this.#policies,
        this.#rare,
        now,
      ),
    );
  }
}

interface Range {
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
}

/** What is known of traces, asked for once. */
class Known {
  readonly #store: SamplingStore;
  readonly #sinceMs: number;
  readonly #asked = new Set<string>();
  readonly #arrivals = new Map<string, Arrivals>();
  readonly #decisions = new Map<string, PastDecision>();

  constructor(store: SamplingStore, sinceMs: number) {
    this.#store = store;
    this.#sinceMs = sinceMs;
  }

  async learn(traceIds: readonly string[]): Promise<void> {
    const news = traceIds.filter((traceId) => !this.#asked.has(traceId));
    for (const traceId of news) this.#asked.add(traceId);
    for (const decision of await this.#store.decisions(news, this.#sinceMs))
      this.#decisions.set(decision.traceId, decision);
    const open = news.filter((traceId) => this.#decisions.get(traceId)?.kept !== true);
    for (const one of await this.#store.arrivals(open)) this.#arrivals.set(one.traceId, one);
  }

  isOpen(traceId: string): boolean {
    const earlier = this.#decisions.get(traceId);
    if (earlier === undefined) return true;
    return !earlier.kept && earlier.spans !== this.#arrivals.get(traceId)?.spans;
  }

  /** Those of these that were kept so long ago that it would soon be forgotten. */
  keptBefore(traceIds: readonly string[], ms: number): readonly SamplingDecision[] {
    return traceIds.flatMap((traceId) => {
      const earlier = this.#decisions.get(traceId);
      return earlier?.kept && earlier.receivedUntilMs < ms ? [earlier] : [];
    });
  }

  member(traceId: string) {
    return { traceId, arrivals: this.#arrivals.get(traceId), earlier: this.#decisions.get(traceId) };
  }

  /** Holds the start of every span of these. */
  rangeOf(decisions: readonly SamplingDecision[]): Range {
    let startUnixNano = LAST;
    let endUnixNano = 0n;
    for (const { traceId } of decisions) {
      const arrivals = this.#arrivals.get(traceId);
      if (!arrivals) continue;
      if (arrivals.startUnixNano < startUnixNano) startUnixNano = arrivals.startUnixNano;
      if (arrivals.endUnixNano > endUnixNano) endUnixNano = arrivals.endUnixNano;
    }
    return startUnixNano > endUnixNano
      ? { startUnixNano: 0n, endUnixNano: LAST }
      : { startUnixNano, endUnixNano };
  }
}

const LAST = 2n ** 63n - 1n;
