import { appendFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../server/log.ts';
import type { Answer, CollectorClient } from './collector-client.ts';
import type { FrameKind } from './frame.ts';
import type { Counts, Frame, Spool, SpoolBatch } from './spool.ts';

/** One request holds about this much. */
const BATCH_BYTES = 1024 * 1024;
/**
 * The first spans after a silence leave at once, later ones together, this long after the request before: a request costs as much
 * as some hundred spans. What fills a batch does not wait.
 */
const LINGER_MS = 100;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;
/** What collectors refused is kept for a person to look at, up to this much. */
const MAX_REJECTED_BYTES = 64 * 1024 * 1024;

export interface CollectorState {
  /** `idle` before the first request. */
  readonly state: 'idle' | 'up' | 'retrying' | 'refused';
  readonly lastError: string | undefined;
  readonly requests: number;
  readonly failedRequests: number;
}

/**
 * Ships the spool's frames in order, one batch at a time, each until it is answered: at least once, and in the order in which an
 * instance wrote. Two batches at once would be no faster on one connection, and a retry of the first would arrive after the second.
 */
export class Shipper {
  readonly acknowledged: Counts = { spans: 0, logs: 0 };
  /** Refused for good: whole batches, and what partial success named. */
  readonly rejected: Counts = { spans: 0, logs: 0 };

  readonly #spool: Spool;
  readonly #client: CollectorClient;
  readonly #rejectedPath: string;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #wake: (() => void) | undefined;
  #sentAt = Number.NEGATIVE_INFINITY;
  #isHurried = false;
  #state: CollectorState = { state: 'idle', lastError: undefined, requests: 0, failedRequests: 0 };

  constructor(spool: Spool, client: CollectorClient, rejectedPath: string, log: Logger) {
    this.#spool = spool;
    this.#client = client;
    this.#rejectedPath = rejectedPath;
    this.#log = log;
    this.#running = this.#run();
  }

  get collector(): CollectorState {
    return this.#state;
  }

  /** There is something new in the spool. */
  wake(): void {
    this.#wake?.();
  }

  /** Somebody waits for all of it: no lingering until the spool is empty. */
  hurry(): void {
    this.#isHurried = true;
    this.wake();
  }

  /** Stops at once; a request in flight is given up, and its frames stay in the spool. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const lingerMs = this.#sentAt + LINGER_MS - performance.now();
      if (lingerMs > 0 && !this.#isHurried && this.#spool.waitingBytes < BATCH_BYTES) {
        await this.#untilWoken(lingerMs);
        continue;
      }
      const batch = this.#spool.read(BATCH_BYTES);
      if (batch === undefined) {
        this.#isHurried = false;
        await this.#untilWoken();
      } else {
        this.#sentAt = performance.now();
        await this.#deliver(batch);
      }
    }
  }

  async #untilWoken(atMostMs?: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = atMostMs === undefined ? undefined : setTimeout(resolve, atMostMs);
    this.#wake = resolve;
    if (!this.#stop.signal.aborted) await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }

  async #deliver(batch: SpoolBatch): Promise<void> {
    const queues = (['traces', 'logs'] as const)
      .map((kind) => ({ kind, parts: partsOf(batch.frames.filter((frame) => frame.kind === kind)) }))
      .filter(({ parts }) => parts.length > 0);
    const isDone = () => queues.every(({ parts }) => parts.length === 0);
    for (let attempt = 0; !isDone();) {
      const waits = await Promise.all(
        queues
          .filter(({ parts }) => parts.length > 0)
          .map(({ kind, parts }) => this.#sendFirst(kind, parts, attempt)),
      );
      if (isDone()) break;
      const left = queues.flatMap(({ parts }) => parts.flatMap((part) => part.frames));
      if (!this.#spool.giveBack(batch, left)) return;
      const waitMs = Math.max(...waits);
      attempt = waitMs > 0 ? attempt + 1 : 0;
      if (waitMs > 0) await sleep(waitMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      if (this.#stop.signal.aborted || !this.#spool.giveBack(batch, left)) return;
    }
    this.#spool.acknowledge(batch);
  }

  /** Sends the first part and takes it off when its fate is known. Returns for how long to wait before the next try. */
  async #sendFirst(kind: FrameKind, parts: Part[], attempt: number): Promise<number> {
    const part = parts[0] as Part;
    const answer = await this.#client.send(kind, part.body, this.#stop.signal);
    if (this.#stop.signal.aborted && answer.kind !== 'taken') return 0;
    this.#note(answer);
    if (answer.kind === 'later' || answer.kind === 'refused') return waitOf(answer, attempt);
    parts.shift();
    if (answer.kind === 'taken') this.#count(kind, part, answer);
    // One frame spoils them all: each by itself, to find it.
    else if (part.frames.length > 1) parts.unshift(...part.frames.map((frame) => partOf([frame])));
    else this.#reject(kind, part, answer.why);
    return 0;
  }

  #note(answer: Answer): void {
    const isFailure = answer.kind === 'later' || answer.kind === 'refused';
    const before = this.#state;
    this.#state = {
      state: answer.kind === 'refused' ? 'refused' : isFailure ? 'retrying' : 'up',
      lastError: answer.kind === 'taken' ? before.lastError : answer.why,
      requests: before.requests + 1,
      failedRequests: before.failedRequests + (answer.kind === 'taken' ? 0 : 1),
    };
    if (before.state === this.#state.state) return;
    if (isFailure)
      this.#log.warn({ why: answer.why }, 'the collector does not take spans; they wait in the spool');
    else if (before.state !== 'idle') this.#log.info('the collector takes spans again');
  }

  #count(kind: FrameKind, { items }: Part, answer: Answer & { kind: 'taken' }): void {
    const what = kind === 'traces' ? 'spans' : 'logs';
    const rejected = Math.min(answer.rejected, items);
    this.acknowledged[what] += items - rejected;
    this.rejected[what] += rejected;
    if (rejected > 0)
      this.#log.warn({ kind, rejected, why: answer.message }, 'the collector rejected part of a batch');
  }

  #reject(kind: FrameKind, part: Part, why: string): void {
    this.rejected[kind === 'traces' ? 'spans' : 'logs'] += part.items;
    const path = `${this.#rejectedPath}.${kind}`;
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    const isKept = size + part.body.length <= MAX_REJECTED_BYTES;
    // OTLP requests joined end to end are one OTLP request: the file can be decoded, or posted, as it is.
    if (isKept) appendFileSync(path, part.body);
    this.#log.error({ kind, items: part.items, why, isKept }, 'the collector refuses a batch for good');
  }
}

/** Exponential, with half of it at random, so that agents that lost the same collector do not come back as one. */
function waitOf(answer: Answer & { kind: 'later' | 'refused' }, attempt: number): number {
  if (answer.kind === 'later' && answer.afterMs !== undefined) return answer.afterMs;
  const full =
    answer.kind === 'refused'
      ? MAX_RETRY_MS
      : Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 10));
  return full / 2 + (Math.random() * full) / 2;
}

/** A request's body. Its frames are views into the spool's buffer, good until the next batch is read. */
interface Part {
  readonly frames: readonly Frame[];
  readonly body: Buffer;
  readonly items: number;
}

function partsOf(frames: readonly Frame[]): Part[] {
  return frames.length === 0 ? [] : [partOf(frames)];
}

function partOf(frames: readonly Frame[]): Part {
  return {
    frames,
    body:
      frames.length === 1
        ? (frames[0] as Frame).payload
        : Buffer.concat(frames.map((frame) => frame.payload)),
    items: frames.reduce((sum, frame) => sum + frame.items, 0),
  };
}
