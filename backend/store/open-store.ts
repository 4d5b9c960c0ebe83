import { silentLog, type Logger } from '../../server/log.ts';
import { Calls } from './calls.ts';
import { openChdb, type ChdbOptions } from './chdb-engine.ts';
import { openClickHouse, type ClickHouseOptions } from './clickhouse-engine.ts';
import type { DerivedInsert, Engine } from './engine.ts';
import { keepCalls } from './keep-calls.ts';
import { migrate } from './migrate.ts';
import { SqlReader } from './reader.ts';
import { keepRetention, type Retention } from './retention.ts';
import type { TraceStore } from './store.ts';
import { ARRIVALS, SamplingStore } from './tail-sampling.ts';
import { ColumnWriter } from './writer.ts';

/** `dataDir`: chDB, in a child process of ours. `url`: a ClickHouse server or cluster. */
export type StoreOptions = ((Omit<ChdbOptions, 'log'> & { readonly url?: undefined }) | ClickHouseOptions) & {
  readonly log?: Logger;
  /** Default: everything is kept. */
  readonly retention?: Retention;
  /** Keeps of each trace what tail sampling decides by, for `OpenStore.sampling`. Default: no. */
  readonly tailSampling?: boolean;
};

/** Opens the store and brings its tables to this version. Whoever opens it disposes of it. */
export async function openStore(options: StoreOptions): Promise<OpenStore> {
  const log = options.log ?? silentLog();
  const engine =
    options.url === undefined ? await openChdb({ ...options, log }) : await openClickHouse(options);
  try {
    await migrate(engine);
    const sampling = new SamplingStore(engine);
    // What nobody decides about any more is kept, also when somebody decides again later.
    await (options.tailSampling === true ? sampling.begin() : sampling.forgetAllArrivals());
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
  return new OpenStore(engine, log, options.retention, options.tailSampling === true ? [ARRIVALS] : []);
}

export class OpenStore implements TraceStore {
  readonly engine: Engine;
  readonly writer: ColumnWriter;
  readonly reader: SqlReader;
  readonly sampling: SamplingStore;
  /** What it does by itself from time to time. */
  readonly #chores: readonly AsyncDisposable[];

  constructor(
    engine: Engine,
    log: Logger,
    retention?: Retention,
    derivedAlways: readonly DerivedInsert[] = [],
  ) {
    const calls = new Calls(engine);
    this.engine = engine;
    this.writer = new ColumnWriter(engine, derivedAlways);
    this.reader = new SqlReader(engine, calls);
    this.sampling = new SamplingStore(engine);
    this.#chores = [keepCalls(calls, log), ...(retention ? [keepRetention(engine, retention, log)] : [])];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stopped = this.#chores.map((chore) => chore[Symbol.asyncDispose]());
    await this.engine[Symbol.asyncDispose]();
    await Promise.all(stopped);
  }
}
