import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../server/log.ts';
import { openChdb } from './chdb-engine.ts';
import { fill, readMigrations, SINGLE_NODE, statements } from './migrate.ts';
import { openStore } from './open-store.ts';
import { SpanColumns } from './span-columns.ts';
import { NOON, span, spanIdOf, temporaryFolder, traceIdOf } from './testing.ts';

/** The last version in which events and links were columns of their own. */
const BEFORE = 12;

const link = {
  traceId: traceIdOf(),
  spanId: spanIdOf(),
  traceState: 'a=1',
  flags: 1,
  droppedAttributesCount: 2,
};
const event = { timeUnixNano: NOON + 1n, droppedAttributesCount: 1 };
const bare = span();
const rich = span({
  traceId: bare.traceId,
  events: [
    { ...event, name: 'exception', attributes: { 'exception.type': 'TypeError', 7: 1n, 3: 2.5 } },
    { ...event, name: 'retry', attributes: {} },
  ],
  links: [{ ...link, attributes: { why: '"quoted"\n/\0', 9: true } }],
  traceState: 'b=2',
  scope: { name: 'spoor', version: '1', attributes: { of: 1n } },
  droppedAttributesCount: 3,
  droppedEventsCount: 4,
  droppedLinksCount: 5,
});
const bySpanId = <T extends { readonly spanId: string }>(spans: readonly T[]) =>
  [...spans].sort((a, b) => (a.spanId < b.spanId ? -1 : 1));

void test('what an earlier version wrote is read, searched, merged and archived as before', async () => {
  await using folder = await temporaryFolder();
  {
    await using engine = await openChdb({ dataDir: folder.path, log: silentLog() });
    await engine.command(
      `CREATE TABLE migrations (version UInt32, name String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = MergeTree ORDER BY version`,
    );
    for (const { version, sql } of await readMigrations()) {
      if (version > BEFORE) break;
      for (const statement of statements(fill(sql, SINGLE_NODE))) await engine.command(statement);
    }
    await engine.command(`INSERT INTO migrations (version, name) SELECT ${BEFORE}, 'before'`);
    const columns = new SpanColumns();
    for (const one of [bare, rich]) columns.addSpan(one);
    await engine.insertNative({
      table: 'spans',
      columns: columns.named.map(({ name, column }) => ({ name, type: column.type })),
      block: columns.encode(),
    });
  }
  await using store = await openStore({ dataDir: folder.path });
  const all = bySpanId([bare, rich]);
  const range = { startUnixNano: NOON, endUnixNano: NOON };
  const read = async () => bySpanId(await store.reader.trace(bare.traceId));
  assert.deepEqual(await read(), all);
  // Beside what this version writes, before and after they are merged into one.
  const later = { ...rich, spanId: spanIdOf() };
  await store.writer.writeSpans([later]);
  await store.writer.writeSpans([{ ...bare, spanId: spanIdOf(), traceId: traceIdOf() }]);
  assert.deepEqual(await read(), bySpanId([...all, later]));
  await store.engine.command('OPTIMIZE TABLE spans FINAL');
  assert.deepEqual(await read(), bySpanId([...all, later]));
  for (const key of ['event.exception.type', 'exception.type'])
    assert.deepEqual(
      (await store.reader.findTraceIds({ range, attributes: { [key]: 'TypeError' }, limit: 5 })).map(
        ({ traceId }) => traceId,
      ),
      [bare.traceId],
    );
  assert.equal(await store.reader.archive(bare.traceId), true);
  await store.engine.command('TRUNCATE TABLE spans');
  assert.deepEqual(await read(), bySpanId([...all, later]));
});

void test('a block without events and the like is known by its columns', () => {
  const columns = new SpanColumns();
  columns.addSpan(bare);
  assert.equal(columns.hasRare, false);
  columns.mark(0);
  columns.addSpan({ ...bare, events: rich.events });
  assert.equal(columns.hasRare, true);
  columns.rollback(0);
  assert.equal(columns.hasRare, false);
  for (const field of [
    'links',
    'traceState',
    'scope',
    'droppedAttributesCount',
    'droppedEventsCount',
    'droppedLinksCount',
  ] as const) {
    columns.clear();
    for (const one of [bare, { ...bare, [field]: rich[field] }, bare]) columns.addSpan(one);
    assert.equal(columns.hasRare, true, field);
  }
});
