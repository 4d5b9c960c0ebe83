import { Failure } from '../../server/failure.ts';
import type { LogData } from '../../function/span/span-data.ts';
import type { SpanColumns } from '../store/span-columns.ts';
import type { TraceWriter } from '../store/store.ts';
import type { BodyLimits } from './body.ts';
import { GroupCommit } from './group-commit.ts';
import { LogCommit } from './log-commit.ts';
import { MemoryBudget } from './memory-budget.ts';
import type { Decoded } from './otlp-traces.ts';

export interface CollectorLimits extends BodyLimits {
  /** Bodies and batches held at once; past it senders get 503 and Retry-After. */
  readonly maxHeldBytes: number;
  readonly batchRows: number;
  readonly batchBytes: number;
  readonly batchWaitMs: number;
}

export const DEFAULT_LIMITS: CollectorLimits = {
  maxBodyBytes: 32 * 1024 * 1024,
  maxDecompressedBytes: 64 * 1024 * 1024,
  maxHeldBytes: 256 * 1024 * 1024,
  batchRows: 20_000,
  batchBytes: 64 * 1024 * 1024,
  batchWaitMs: 100,
};

const MAX_WRITES = 2;

/** What every receiver leads to: one budget of memory, one group commit, whatever protocol the spans came in. */
export class Ingest {
  readonly limits: CollectorLimits;
  readonly budget: MemoryBudget;
  readonly #spans: GroupCommit;
  readonly #logs: LogCommit;

  constructor(store: TraceWriter, limits: Partial<CollectorLimits> = {}) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.budget = new MemoryBudget(this.limits.maxHeldBytes);
    this.#spans = new GroupCommit({
      write: (columns) => store.writeSpanColumns(columns),
      maxRows: this.limits.batchRows,
      maxBytes: this.limits.batchBytes,
      maxWaitMs: this.limits.batchWaitMs,
      maxWrites: MAX_WRITES,
    });
    this.#logs = new LogCommit({
      write: (logs) => store.writeLogs(logs),
      maxRows: this.limits.batchRows,
      maxWaitMs: this.limits.batchWaitMs,
    });
  }

  /** Resolves when what `decode` put into the columns is durable. */
  async spans(decode: (columns: SpanColumns) => Decoded): Promise<Decoded> {
    const { result, stored } = this.#spans.add(decode);
    try {
      await stored;
    } catch (error) {
      throw notStored(error);
    }
    return result;
  }

  async logs(logs: readonly LogData[]): Promise<Decoded> {
    try {
      await this.#logs.add(logs);
    } catch (error) {
      throw notStored(error);
    }
    return { accepted: logs.length, rejected: 0, reason: '' };
  }

  async drain(): Promise<void> {
    await Promise.all([this.#spans.drain(), this.#logs.drain()]);
  }
}

/** Whatever kept it from the store, the sender must keep it and come again: 503 is what OTLP retries. */
function notStored(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  return new Failure('collector', 'unavailable', `cannot store it now: ${message}`, { cause: error });
}
