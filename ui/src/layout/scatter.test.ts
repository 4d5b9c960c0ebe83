import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scatter } from './scatter.ts';

void test('points stand by time and by the logarithm of the duration, between whole powers of ten', () => {
  const { points, lines } = scatter(
    [
      { timeMs: 1_000, durationNanos: 1e6 },
      { timeMs: 1_500, durationNanos: 1e7 },
      { timeMs: 2_000, durationNanos: 1e8 },
    ],
    1_000,
    2_000,
  );
  assert.deepEqual(points, [
    { x: 0, y: 0 },
    { x: 0.5, y: 0.5 },
    { x: 1, y: 1 },
  ]);
  assert.deepEqual(
    lines.map((line) => line.nanos),
    [1e6, 1e7, 1e8],
  );
});

void test('one trace, none, and one of no duration have a place', () => {
  assert.equal(scatter([{ timeMs: 5, durationNanos: 0 }], 0, 10).points[0]?.y, 0);
  assert.deepEqual(scatter([], 0, 10).points, []);
});
