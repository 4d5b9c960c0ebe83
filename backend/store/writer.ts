import type { LogData, SpanData } from '../../function/span/span-data.ts';
import type { Engine } from './engine.ts';
import { LogColumns } from './log-columns.ts';
import { SpanColumns } from './span-columns.ts';
import type { TraceWriter } from './store.ts';

/** Rows per block: enough to make the insert's own cost small, few enough not to hold the event loop while encoding. */
const MAX_BLOCK_ROWS = 20_000;

export class ColumnWriter implements TraceWriter {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async writeSpanColumns(columns: SpanColumns): Promise<void> {
    if (columns.rows === 0) return;
    await this.#engine.insertNative(
      'spans',
      columns.named.map(({ name }) => name),
      columns.encode(),
    );
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
      await this.#engine.insertNative(
        'logs',
        columns.named.map(({ name }) => name),
        columns.encode(),
      );
    }
  }
}
