import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SPAN_KIND } from '../../function/span/span-data.ts';
import { openStore } from './open-store.ts';
import { NOON, span, temporaryFolder } from './testing.ts';

const QUERY = {
  service: 'greeter',
  operation: 'greeter',
  kind: SPAN_KIND.server,
  range: { startUnixNano: NOON - 1n, endUnixNano: NOON + 1_000_000_000_000n },
  leastBad: 5,
};

void test('values are counted on failed, slow and all spans of one operation, of the span and of its resource', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const invocations = Array.from({ length: 400 }, (_, i) => {
    const isBad = i % 40 === 0;
    return span({
      startTimeUnixNano: NOON + BigInt(i) * 1_000_000n,
      endTimeUnixNano: NOON + BigInt(i) * 1_000_000n + (i % 20 === 7 ? 90_000_000n : 5_000_000n),
      status: isBad ? { code: 2, message: 'no such card' } : { code: 0, message: '' },
      attributes: { language: isBad ? 'ja' : 'en', id: `id-${i}`, size: i % 20 === 7 ? 900n : 1n },
      resource: { 'service.name': 'greeter', 'faas.version': isBad ? '8' : '7' },
    });
  });
  await store.writer.writeSpans([...invocations, span({ name: 'other', attributes: { language: 'fr' } })]);

  const counted = await store.reader.valueCounts(QUERY);
  const [ofProcess, own] = counted.groups;
  const totals = { failed: { bad: 10, good: 390 }, slow: { bad: 20, good: 380 } };
  assert.deepEqual(
    [own?.failed, own?.slow, ofProcess?.failed, ofProcess?.slow],
    [totals.failed, totals.slow, totals.failed, totals.slow],
  );
  assert.deepEqual(
    own?.values.find(({ key, value }) => key === 'language' && value === 'ja'),
    { key: 'language', value: 'ja', failed: { bad: 10, good: 0 }, slow: { bad: 0, good: 10 } },
  );
  assert.deepEqual(
    ofProcess?.values.find(({ key, value }) => key === 'faas.version' && value === '8'),
    { key: 'faas.version', value: '8', failed: { bad: 10, good: 0 }, slow: { bad: 0, good: 10 } },
  );
  // 400 ids are tried too, though none of them stands on five.
  assert.ok(counted.tried > 400 && own?.values.every(({ key }) => key !== 'id'));
});

void test('an operation that did not run has nothing to count', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  assert.deepEqual(await store.reader.valueCounts({ ...QUERY, service: "x' OR 1=1" }), {
    tried: 0,
    groups: [],
  });
});
