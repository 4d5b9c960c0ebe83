import type { LogData, SpanData } from '../../function/span/span-data.ts';
import { derivedOf, spansOf } from './derived.ts';
import type { DerivedInsert, Engine, NativeInsertColumn } from './engine.ts';
import { LogColumns } from './log-columns.ts';
import type { NamedColumn } from './native-columns.ts';
import { RollUps } from './roll-ups.ts';
import { SpanColumns } from './span-columns.ts';
import type { TraceWriter } from './store.ts';

/** Rows per block: enough to make the insert's own cost small, few enough not to hold the event loop while encoding. */
const MAX_BLOCK_ROWS = 20_000;

export class ColumnWriter implements TraceWriter {
  readonly #engine: Engine;
  readonly #rollUps = new RollUps();
  readonly #always: readonly DerivedInsert[];

  /** `always`: what is derived from every block, besides what it calls for itself. */
  constructor(engine: Engine, always: readonly DerivedInsert[] = []) {
    this.#engine = engine;
    this.#always = always;
  }

  async writeSpanColumns(columns: SpanColumns): Promise<void> {
    if (columns.rows === 0) return;
    const { blocks, written } = this.#rollUps.of(columns);
    const spans = {
      table: 'spans',
      columns: columns.named.map(nameAndType),
      block: columns.encode(),
      as: spansOf(columns),
      derived: [...derivedOf(columns), ...this.#always],
    };
    await settled([spans, ...blocks].map((insert) => this.#engine.insertNative(insert)));
    written();
  }

  async writeSpans(spans: readonly SpanData[]): Promise<void> {
    for (let from = 0; from < spans.length; from += MAX_BLOCK_ROWS) {
      const columns = new SpanColumns();
      for (const span of spans.slice(from, from + MAX_BLOCK_ROWS)) columns.addSpan(span);
      await this.writeSpanColumns(columns);
    }
  }

  async writeLogs(logs: readonly LogData[]): Promise<void> {
    for (let from = 0; from < logs.length; from += MAX_BLOCK_ROWS) {
      const columns = new LogColumns();
      for (const log of logs.slice(from, from + MAX_BLOCK_ROWS)) columns.addLog(log);
      await this.#engine.insertNative({
        table: 'logs',
        columns: columns.named.map(nameAndType),
        block: columns.encode(),
      });
    }
  }
}

/** All of them ended, whatever the outcome: who wrote may then use the memory again. */
async function settled(writes: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(writes))
    if (result.status === 'rejected') throw result.reason;
}

function nameAndType({ name, column }: NamedColumn): NativeInsertColumn {
  return { name, type: column.type };
}
