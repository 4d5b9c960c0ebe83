import { setTimeout as sleep } from 'node:timers/promises';

/** Between two commits: one request for what became durable meanwhile. A kill repeats at most this much. */
const INTERVAL_MS = 25;
const RETRY_MS = 500;

/** Offsets on their way to the group's coordinator: the newest of each partition, one request at a time, held back at will. */
export class Commits {
  readonly #send: (offsets: ReadonlyMap<number, bigint>) => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #dirty = new Map<number, bigint>();
  #sending: Promise<void> | undefined;
  #isHeld = false;
  #hurry: () => void = () => {};

  constructor(
    send: (offsets: ReadonlyMap<number, bigint>) => Promise<void>,
    onError: (error: unknown) => void,
  ) {
    this.#send = send;
    this.#onError = onError;
  }

  add(partition: number, offset: bigint): void {
    this.#dirty.set(partition, offset);
    this.#start();
  }

  /** While a rebalance is under way a commit would be refused, and the refusal would start another rebalance. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#start();
  }

  /** What belongs to no partition of ours any more is for its new owner to say. */
  forgetAllBut(partitions: ReadonlySet<number>): void {
    for (const partition of this.#dirty.keys()) if (!partitions.has(partition)) this.#dirty.delete(partition);
  }

  /** Resolves when all added so far is committed, or `timeoutMs` later. */
  async flush(timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    const late = new AbortController();
    const timeout = sleep(timeoutMs, undefined, { signal: late.signal }).catch(() => {});
    while (Date.now() < deadline && (this.#sending || (this.#dirty.size > 0 && !this.#isHeld))) {
      this.#start();
      this.#hurry();
      await Promise.race([this.#sending, timeout]);
    }
    late.abort();
  }

  #start(): void {
    if (this.#sending || this.#isHeld || this.#dirty.size === 0) return;
    const offsets = this.#dirty;
    this.#dirty = new Map();
    this.#sending = (async () => {
      try {
        await this.#send(offsets);
        await this.#pause(INTERVAL_MS);
      } catch (error) {
        for (const [partition, offset] of offsets)
          if (!this.#dirty.has(partition)) this.#dirty.set(partition, offset);
        this.#onError(error);
        await sleep(RETRY_MS);
      }
      this.#sending = undefined;
      this.#start();
    })();
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#hurry = resolve;
    await promise;
    clearTimeout(timer);
  }
}
