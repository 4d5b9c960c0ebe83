import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStore } from './open-store.ts';
import { dropOldDays } from './retention.ts';
import { NOON, span, temporaryFolder, traceIdOf } from './testing.ts';

void test('an archived trace outlives retention, also when it was archived twice; one that is not there cannot be', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const [kept, gone] = [span({ attributes: { 'card.width': 2_400n } }), span()];
  const late = span({ traceId: kept.traceId, parentSpanId: kept.spanId });
  await store.writer.writeSpans([kept, gone]);
  assert.equal(await store.reader.archive(traceIdOf()), false);
  assert.equal(await store.reader.archive(kept.traceId), true);
  await store.writer.writeSpans([late]);
  assert.equal(await store.reader.archive(kept.traceId), true);

  const day = 86_400_000;
  await dropOldDays(store.engine, { maxDays: 1 }, Number(NOON / 1_000_000n) + 10 * day);
  assert.deepEqual(await store.reader.trace(gone.traceId), []);
  const found = await store.reader.trace(kept.traceId);
  assert.deepEqual(
    found.toSorted((a, b) => (a.parentSpanId < b.parentSpanId ? -1 : 1)),
    [kept, late],
  );
  assert.equal(await store.reader.archive(kept.traceId), true);
  const [rows] = await store.engine.rows('SELECT count() FROM archive');
  assert.deepEqual(rows, ['2']);
});
