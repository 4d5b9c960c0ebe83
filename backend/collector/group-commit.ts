import { SpanColumns } from '../store/span-columns.ts';

export interface GroupCommitOptions {
  readonly write: (columns: SpanColumns) => Promise<void>;
  /** A batch is written when it has so many rows, */
  readonly maxRows: number;
  /** or holds so many bytes, */
  readonly maxBytes: number;
  /** or its first request has waited so long. */
  readonly maxWaitMs: number;
  /**
   * Batches being written at once. While so many are, requests gather in the next one, past `maxRows` and up to
   * `BUSY_ROWS` times as many: the busier the store, the larger and cheaper its inserts.
   */
  readonly maxWrites: number;
}

const BUSY_ROWS = 3;
/** Columns kept for the next batch, with the memory they grew. */
const MAX_POOLED = 3;
/** Columns that one odd batch made larger than this are not kept. */
const MAX_POOLED_BYTES = 64 * 1024 * 1024;

/**
 * Many requests, one insert: an insert costs the engine some 15 ms of CPU whatever is in it, so requests that come together
 * share one. Each is answered when the batch it is in is durable, and not before.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #batch: Batch | undefined;
  #writes = 0;
  readonly #full: Batch[] = [];

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /**
   * Lets `fill` add its rows, all or (when it throws) none. `stored` resolves when they are durable.
   */
  add<T>(fill: (columns: SpanColumns) => T): { readonly result: T; readonly stored: Promise<void> } {
    const batch = (this.#batch ??= this.#begin());
    const { columns } = batch;
    columns.mark(1);
    const before = columns.rows;
    let result: T;
    try {
      result = fill(columns);
    } catch (error) {
      columns.rollback(1);
      if (columns.rows === 0) this.#discard(batch);
      throw error;
    }
    if (columns.rows === 0) this.#discard(batch);
    if (columns.rows === before) return { result, stored: Promise.resolve() };
    if (this.#isFull(batch)) this.#close(batch);
    return { result, stored: batch.stored };
  }

  /** Writes what is there and resolves when nothing is left. */
  async drain(): Promise<void> {
    if (this.#batch) this.#close(this.#batch);
    await Promise.allSettled(this.#open);
  }

  readonly #open = new Set<Promise<void>>();
  readonly #pool: SpanColumns[] = [];

  #isFull({ columns }: Batch): boolean {
    const { maxRows, maxBytes, maxWrites } = this.#options;
    if (columns.byteLength >= maxBytes) return true;
    return columns.rows >= (this.#writes < maxWrites ? maxRows : maxRows * BUSY_ROWS);
  }

  #begin(): Batch {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const batch: Batch = {
      columns: this.#pool.pop() ?? new SpanColumns(),
      stored: promise,
      resolve,
      reject,
      timer: setTimeout(() => this.#close(batch), this.#options.maxWaitMs),
    };
    this.#open.add(promise);
    promise.catch(() => {}).finally(() => this.#open.delete(promise));
    return batch;
  }

  #discard(batch: Batch): void {
    clearTimeout(batch.timer);
    batch.resolve();
    this.#batch = undefined;
    this.#giveBack(batch.columns);
  }

  #giveBack(columns: SpanColumns): void {
    if (this.#pool.length >= MAX_POOLED || columns.byteLength > MAX_POOLED_BYTES) return;
    columns.clear();
    this.#pool.push(columns);
  }

  /** No more rows: it is written as soon as a place is free. */
  #close(batch: Batch): void {
    clearTimeout(batch.timer);
    if (this.#batch === batch) this.#batch = undefined;
    this.#full.push(batch);
    void this.#writeNext();
  }

  async #writeNext(): Promise<void> {
    if (this.#writes >= this.#options.maxWrites) return;
    const batch = this.#full.shift();
    if (!batch) return;
    this.#writes += 1;
    try {
      await this.#options.write(batch.columns);
      batch.resolve();
    } catch (error) {
      batch.reject(error);
    } finally {
      this.#writes -= 1;
      this.#giveBack(batch.columns);
      // What gathered past a batch's size while the store was busy goes now.
      if (this.#full.length === 0 && this.#batch && this.#isFull(this.#batch)) this.#close(this.#batch);
      else void this.#writeNext();
    }
  }
}

interface Batch {
  readonly columns: SpanColumns;
  readonly stored: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}
