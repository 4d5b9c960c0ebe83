import { setTimeout as sleep } from 'node:timers/promises';
import type { QueueRecord, SubscribeOptions } from '../queue.ts';

const FIRST_BACK_OFF_MS = 50;
const MAX_BACK_OFF_MS = 5_000;
/** Fetched ahead: enough to go on with while the next fetch is under way. */
const LEAST_AHEAD = 200;
const MOST_AHEAD_BYTES = 4 * 1024 ** 2;

export interface LaneOptions {
  readonly partition: number;
  readonly subscription: SubscribeOptions;
  /** Where to begin. */
  readonly offset: bigint;
  /** The lane that had this partition before, if it has not ended yet. */
  readonly previous: Promise<void> | undefined;
  readonly commit: (partition: number, offset: bigint) => void;
  /** There is room for more records. */
  readonly hungry: () => void;
  /** Settled while the subscription takes records. */
  readonly resumed: () => Promise<void>;
}

/**
 * One partition that is ours for a while: records come in from the fetches, go out to the callback in order, and what is done
 * is committed.
 */
export class Lane {
  readonly partition: number;
  /** Settles when the callback has, after `stop`. */
  readonly ended: Promise<void>;
  /** Offset of the next record to fetch. */
  fetchOffset: bigint;
  readonly #options: LaneOptions;
  readonly #stopping = new AbortController();
  #records: QueueRecord[] = [];
  #bytes = 0;
  #wake: () => void = () => {};

  constructor(options: LaneOptions) {
    this.partition = options.partition;
    this.fetchOffset = options.offset;
    this.#options = options;
    this.ended = this.#run();
  }

  get isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  get isHungry(): boolean {
    const enough = Math.max(LEAST_AHEAD, 2 * this.#options.subscription.maxBatchSize);
    return !this.isStopped && this.#records.length < enough && this.#bytes < MOST_AHEAD_BYTES;
  }

  push(records: readonly QueueRecord[], next: bigint): void {
    this.fetchOffset = next;
    if (records.length === 0) return;
    for (const record of records) {
      this.#records.push(record);
      this.#bytes += sizeOf(record);
    }
    this.#wake();
  }

  stop(): void {
    this.#stopping.abort();
    this.#wake();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { subscription, previous, resumed } = this.#options;
    await previous;
    let backOffMs = FIRST_BACK_OFF_MS;
    while (!signal.aborted) {
      await this.#orStopped(resumed());
      if (this.#records.length === 0) {
        await new Promise<void>((resolve) => (signal.aborted ? resolve() : (this.#wake = resolve)));
        continue;
      }
      if (signal.aborted) return;
      const batch = this.#records.slice(0, subscription.maxBatchSize);
      let doneCount = 0;
      const done = (count: number) => {
        if (count <= doneCount || count > batch.length) return;
        doneCount = count;
        this.#options.commit(this.partition, (batch[count - 1] as QueueRecord).offset + 1n);
      };
      try {
        await subscription.onRecords(batch, signal, done);
        done(batch.length);
        this.#drop(batch.length);
        backOffMs = FIRST_BACK_OFF_MS;
      } catch (error) {
        if (signal.aborted) return;
        this.#drop(doneCount);
        if (doneCount > 0) backOffMs = FIRST_BACK_OFF_MS;
        subscription.onError(error instanceof Error ? error : new Error(String(error)));
        await sleep(backOffMs, undefined, { signal }).catch(() => {});
        backOffMs = Math.min(backOffMs * 2, MAX_BACK_OFF_MS);
      }
    }
  }

  #drop(count: number): void {
    for (const record of this.#records.splice(0, count)) this.#bytes -= sizeOf(record);
    if (this.isHungry) this.#options.hungry();
  }

  async #orStopped(promise: Promise<void>): Promise<void> {
    const { promise: stopped, resolve } = Promise.withResolvers<void>();
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    const stop = () => resolve();
    signal.addEventListener('abort', stop, { once: true });
    await Promise.race([promise, stopped]);
    signal.removeEventListener('abort', stop);
  }
}

function sizeOf(record: QueueRecord): number {
  return 100 + (record.key?.length ?? 0) + (record.value?.length ?? 0);
}
