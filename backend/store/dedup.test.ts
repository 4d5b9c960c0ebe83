import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SPAN_KIND } from '../../function/span/span-data.ts';
import { derivedOf, spansOf } from './derived.ts';
import type { LogData } from '../../function/span/span-data.ts';
import { openStore } from './open-store.ts';
import { RollUps } from './roll-ups.ts';
import { SpanColumns } from './span-columns.ts';
import { NOON, span, spanIdOf, temporaryFolder, traceIdOf } from './testing.ts';

void test('what the engine is told twice, because it died meanwhile, counts once in every table', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const columns = new SpanColumns();
  const link = { traceId: traceIdOf(), spanId: spanIdOf(), traceState: '', flags: 0, attributes: {} };
  columns.addSpan(span({ attributes: { 'faas.name': 'greeter' } }));
  columns.addSpan(
    span({
      kind: SPAN_KIND.producer,
      attributes: { 'messaging.destination.name': 'greetings' },
      links: [{ ...link, droppedAttributesCount: 0 }],
    }),
  );
  const { blocks } = new RollUps().of(columns);
  const inserts = [
    {
      table: 'spans',
      columns: columns.named.map(({ name, column }) => ({ name, type: column.type })),
      block: columns.encode(),
      as: spansOf(columns),
      derived: derivedOf(columns),
    },
    ...blocks,
  ];
  assert.deepEqual(
    [...inserts.map(({ table }) => table), ...derivedOf(columns).map(({ table }) => table)],
    ['spans', 'red', 'operations', 'resources', 'links', 'messages', 'functions'],
  );
  for (const insert of inserts) {
    const token = `token-${insert.table}`;
    await store.engine.insertNative({ ...insert, token });
    await store.engine.insertNative({ ...insert, token });
  }
  const count = async (what: string) => Number((await store.engine.rows(`SELECT ${what}`))[0]?.[0]);
  assert.equal(await count('count() FROM spans'), 2);
  assert.equal(await count('count() FROM links'), 1);
  assert.equal(await count('count() FROM messages'), 1);
  assert.equal(await count('sum(spans) FROM red'), 2);
  assert.equal(await count('sum(invocations) FROM functions'), 1);
  // Another token is another insert.
  for (const insert of inserts) await store.engine.insertNative(insert);
  assert.equal(await count('sum(spans) FROM red'), 4);
  const [series] = await store.reader.red({
    range: { startUnixNano: NOON, endUnixNano: NOON },
    kind: SPAN_KIND.server,
    stepSeconds: 60,
  });
  assert.equal(series?.points[0]?.count, 2);
});

void test('a log record that is sent again is shown once; records without a uid are all shown', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const { traceId, spanId } = span();
  const log = (body: string, attributes: LogData['attributes']): LogData => ({
    traceId,
    spanId,
    timeUnixNano: NOON,
    observedTimeUnixNano: NOON,
    severityNumber: 9,
    severityText: 'INFO',
    body,
    attributes,
    resource: { 'service.name': 'greeter' },
    scope: { name: '', version: '' },
  });
  const records = [
    log('first', { 'log.record.uid': 'a' }),
    log('second', { 'log.record.uid': 'b' }),
    log('same', {}),
    log('same', {}),
  ];
  await store.writer.writeLogs(records);
  await store.writer.writeLogs(records.slice(0, 2));
  const bodies = (logs: readonly LogData[]) => logs.map(({ body }) => body as string).sort();
  const once = ['first', 'same', 'same', 'second'];
  assert.deepEqual(bodies(await store.reader.logs(traceId)), once);
  const range = { startUnixNano: NOON, endUnixNano: NOON };
  assert.deepEqual(bodies(await store.reader.recentLogs({ range, limit: 4 })), once);
});
