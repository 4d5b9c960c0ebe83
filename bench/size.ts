/**
 * What a span costs on disk, every index, projection, link and roll-up table counted, after merges.
 *
 *   node bench/size.ts [--spans 1000000] [--shape jaeger|gas]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { decodeTraces } from '../backend/collector/otlp-traces.ts';
import { openStore } from '../backend/store/open-store.ts';
import { SpanColumns } from '../backend/store/span-columns.ts';
import { makeBodies, type Shape } from './ingest/otlp-bodies.ts';

const ROWS_PER_INSERT = 50_000;
const TABLES = ['spans', 'links', 'messages', 'red', 'functions', 'operations', 'resources', 'calls'];
/** Ten million spans stand for six hours, as in the other benches. */
const NANO_PER_SPAN = (6 * 3600 * 1e9) / 10_000_000;

const { values } = parseArgs({
  options: {
    spans: { type: 'string', default: '1000000' },
    shape: { type: 'string', default: 'jaeger' },
  },
});
const folder = await mkdtemp(join(tmpdir(), 'spoor-size-'));
try {
  await using store = await openStore({ dataDir: folder });
  const spans = Number(values.spans);
  const bodies = makeBodies(values.shape as Shape, Math.min(10, spans / ROWS_PER_INSERT), ROWS_PER_INSERT);
  const columns = new SpanColumns();
  // Within one day, so that one partition is merged into one part.
  const start = Math.floor(Date.now() / 86_400_000) * 86_400_000 * 1e6;
  for (let insert = 0; insert * ROWS_PER_INSERT < spans; insert += 1) {
    const body = bodies[insert % bodies.length];
    if (!body) throw new Error('no bodies');
    body.refresh(insert, start + insert * ROWS_PER_INSERT * NANO_PER_SPAN, ROWS_PER_INSERT * NANO_PER_SPAN);
    columns.clear();
    decodeTraces(body.bytes, columns);
    await store.writer.writeSpanColumns(columns);
  }
  // Counts the calls of all of it, as the store does by itself every few minutes.
  await store.reader.dependencies({ startUnixNano: 0n, endUnixNano: BigInt(Date.now()) * 2_000_000n });
  for (const table of TABLES) await store.engine.command(`OPTIMIZE TABLE ${table} FINAL`);
  const rows = await store.engine.rows(
    `SELECT table, sum(bytes_on_disk), sum(rows) FROM system.parts
     WHERE active AND database = currentDatabase() AND table IN (${TABLES.map((table) => `'${table}'`).join(', ')})
     GROUP BY table ORDER BY 2 DESC`,
  );
  let total = 0;
  for (const [table, bytes, count] of rows) {
    total += Number(bytes);
    console.log(
      `${String(table).padEnd(12)} ${(Number(bytes) / spans).toFixed(2)} bytes per span, ${String(count)} rows`,
    );
  }
  console.log(
    `all          ${(total / spans).toFixed(2)} bytes per span, ${spans} spans, shape ${values.shape}`,
  );
  const parts = await store.engine.rows(
    `SELECT column, sum(column_data_compressed_bytes) AS bytes FROM system.parts_columns
     WHERE active AND table = 'spans' GROUP BY column ORDER BY bytes DESC LIMIT 10`,
  );
  console.log(
    parts.map(([name, bytes]) => `${String(name)} ${(Number(bytes) / spans).toFixed(1)}`).join(', '),
  );
  const indexes = await store.engine.rows(
    `SELECT name, data_compressed_bytes FROM system.data_skipping_indices WHERE table = 'spans'
     UNION ALL SELECT name, sum(bytes_on_disk) FROM system.projection_parts WHERE active AND table = 'spans' GROUP BY name`,
  );
  console.log(
    indexes.map(([name, bytes]) => `${String(name)} ${(Number(bytes) / spans).toFixed(1)}`).join(', '),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
