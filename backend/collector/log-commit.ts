import type { LogData } from '../../function/span/span-data.ts';

export interface LogCommitOptions {
  readonly write: (logs: readonly LogData[]) => Promise<void>;
  readonly maxRows: number;
  readonly maxWaitMs: number;
}

/** Log records of many requests in one insert, each request answered when the insert it is in is durable. */
export class LogCommit {
  readonly #options: LogCommitOptions;
  #batch: Batch | undefined;
  readonly #open = new Set<Promise<void>>();

  constructor(options: LogCommitOptions) {
    this.#options = options;
  }

  async add(logs: readonly LogData[]): Promise<void> {
    if (logs.length === 0) return;
    const batch = (this.#batch ??= this.#begin());
    for (const log of logs) batch.logs.push(log);
    if (batch.logs.length >= this.#options.maxRows) this.#close(batch);
    await batch.stored;
  }

  async drain(): Promise<void> {
    if (this.#batch) this.#close(this.#batch);
    await Promise.allSettled(this.#open);
  }

  #begin(): Batch {
    const { promise, resolve } = Promise.withResolvers<void>();
    const logs: LogData[] = [];
    const stored = promise.then(() => this.#options.write(logs));
    this.#open.add(stored);
    stored.catch(() => {}).finally(() => this.#open.delete(stored));
    const batch: Batch = {
      logs,
      stored,
      close: resolve,
      timer: setTimeout(() => this.#close(batch), this.#options.maxWaitMs),
    };
    return batch;
  }

  #close(batch: Batch): void {
    clearTimeout(batch.timer);
    if (this.#batch === batch) this.#batch = undefined;
    batch.close();
  }
}

interface Batch {
  readonly logs: LogData[];
  readonly stored: Promise<void>;
  readonly close: () => void;
  readonly timer: NodeJS.Timeout;
}
