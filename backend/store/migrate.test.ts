import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../server/failure.ts';
import { fill, readMigrations, statements } from './migrate.ts';
import { openStore } from './open-store.ts';
import { sqlString } from './sql-literal.ts';
import { NOON, span, temporaryFolder } from './testing.ts';

void test('a store is opened again with what it kept; migrations run once', async () => {
  await using folder = await temporaryFolder();
  const one = span();
  {
    await using store = await openStore({ dataDir: folder.path });
    await store.writer.writeSpans([one]);
  }
  await using store = await openStore({ dataDir: folder.path });
  assert.deepEqual(await store.reader.trace(one.traceId), [one]);
  const [row] = await store.engine.rows('SELECT count(), uniqExact(version) FROM migrations');
  const migrations = await readMigrations();
  assert.deepEqual(row, [String(migrations.length), String(migrations.length)]);
});

void test('tables newer than the program are refused', async () => {
  await using folder = await temporaryFolder();
  {
    await using store = await openStore({ dataDir: folder.path });
    await store.engine.command(`INSERT INTO migrations (version, name) SELECT 999, 'future'`);
  }
  await assert.rejects(
    openStore({ dataDir: folder.path }),
    (error: unknown) => error instanceof Failure && error.reason === 'conflict' && /999/.test(error.message),
  );
});

void test('every statement is parsed by the engine, for one node and for a replicated cluster', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const cluster = {
    onCluster: "ON CLUSTER '{cluster}'",
    engine: (family: string) => `Replicated${family}('/clickhouse/tables/{shard}/{table}', '{replica}')`,
  };
  for (const { sql } of await readMigrations())
    for (const statement of statements(fill(sql, cluster))) {
      const [row] = await store.engine.rows(`SELECT formatQueryOrNull(${sqlString(statement)})`);
      assert.match(String(row?.[0]), /^(CREATE|DROP|ALTER) .* ON CLUSTER/);
    }
});

void test('one insert may hold spans of many days', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const { traceId } = span();
  const day = 86_400_000_000_000n;
  const spans = Array.from({ length: 150 }, (_, at) =>
    span({
      traceId,
      startTimeUnixNano: NOON + BigInt(at) * day,
      endTimeUnixNano: NOON + BigInt(at) * day + 1n,
    }),
  );
  await store.writer.writeSpans(spans);
  assert.equal((await store.reader.trace(traceId)).length, 150);
});

void test('a query that takes too long is ended, and one that is not wanted any more too', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path, querySessions: 1 });
  const endless = 'SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1';
  await assert.rejects(
    store.engine.rows(endless, { maxExecutionTimeMs: 200 }),
    (error: unknown) => error instanceof Failure && error.reason === 'overloaded',
  );
  const unwanted = new AbortController();
  const asked = store.engine.rows(endless, { signal: unwanted.signal });
  unwanted.abort();
  await assert.rejects(asked, { name: 'AbortError' });
  // The only session is free again.
  assert.deepEqual(await store.reader.services(), []);
});
