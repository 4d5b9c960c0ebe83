import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layOutLanes } from './lanes.ts';

const instance = (value: string, fromS: number, toS: number) => ({
  value,
  version: '1',
  invocations: 1,
  errors: 0,
  coldStarts: 1,
  p50Nano: '0',
  p99Nano: '0',
  firstSeenUnixNano: String(BigInt(fromS) * 1_000_000_000n),
  lastSeenUnixNano: String(BigInt(toS) * 1_000_000_000n),
});

void test('a lane runs from the first to the last call of its instance, the newest above', () => {
  const { lanes, fromMs, toMs, mostAtOnce, atOnce } = layOutLanes([
    instance('a', 10, 20),
    instance('b', 15, 30),
    instance('c', 30, 30),
  ]);
  assert.deepEqual(
    lanes.map(({ instance: { value }, left, width }) => [value, left, width]),
    [
      ['b', 0.25, 0.75],
      ['c', 1, 0],
      ['a', 0, 0.5],
    ],
  );
  assert.deepEqual([fromMs, toMs, mostAtOnce], [10_000, 30_000, 2]);
  assert.deepEqual(
    atOnce.map(({ at, count }) => [at, count]),
    [
      [0, 1],
      [0.25, 2],
      [0.5, 1],
      [1, 2],
      [1, 1],
      [1, 0],
    ],
  );
  assert.deepEqual(layOutLanes([]).lanes, []);
});
