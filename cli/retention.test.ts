import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBytes, parseDays } from './retention.ts';

void test('how long to keep is whole days or weeks', () => {
  assert.deepEqual(['1d', '7d', '2w'].map(parseDays), [1, 7, 14]);
  for (const bad of ['', '7', 'd', '0d', '12h', '1.5d', '-1d', '7d ', '7 days'])
    assert.throws(() => parseDays(bad), /whole days or weeks/, bad);
});

void test('a size is a number and a unit', () => {
  assert.deepEqual(['10GB', '1.5tb', '512MiB', '1 KB', '7B', '10000000000B'].map(parseBytes), [
    10e9,
    1.5e12,
    512 * 2 ** 20,
    1000,
    7,
    10e9,
  ]);
  for (const bad of ['', '10', 'GB', '0GB', '-1GB', '1e9B', '10XB', '9999999999999TB'])
    assert.throws(() => parseBytes(bad), /a number and a unit/, bad);
});
