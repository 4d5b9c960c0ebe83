import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../server/log.ts';
import { startQuery } from './query.ts';
import type { AttributesJson } from './shapes.ts';
import { greeting } from './test/greetings.ts';
import { memoryReader } from './test/memory-reader.ts';

void test('keys and values for completion, the most frequent first', async () => {
  const spans = greeting(1, BigInt(Date.now() - 60_000) * 1_000_000n, 'warm');
  await using server = await startQuery({ reader: memoryReader(spans), port: 0, log: silentLog() });
  const ask = async (query: string) => {
    const response = await fetch(`${server.url}/api/attributes?${query}`);
    assert.equal(response.status, 200, query);
    return ((await response.json()) as AttributesJson).attributes;
  };
  const keys = await ask('prefix=http.');
  assert.ok(keys.length >= 2);
  assert.ok(keys.every(({ text, count }) => text.startsWith('http.') && count > 0));
  assert.deepEqual(
    keys.map(({ count }) => count),
    keys.map(({ count }) => count).toSorted((a, b) => b - a),
  );
  assert.deepEqual(
    (await ask('key=http.route&service=router')).map(({ text }) => text).includes('/greetings'),
    true,
  );
  assert.equal((await ask('limit=1')).length, 1);
  assert.equal((await fetch(`${server.url}/api/attributes?limit=900`)).status, 400);
});
