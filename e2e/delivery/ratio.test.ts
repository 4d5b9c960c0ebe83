import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareInPairs } from './ratio.ts';

/** Pairs with these ratios. */
const pairs = (...ratios: readonly number[]) => ratios.map((ratio) => [ratio, 1] as const);
const evenly = (from: number, to: number, count: number) =>
  pairs(...Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1)));

void test('the interval stands at the ranks of a table of the sign test', () => {
  // Two-sided, 1 %: fewer than 4 of 20, fewer than 16 of 50 and fewer than 37 of 100 heads.
  for (const [count, k] of [
    [20, 4],
    [50, 16],
    [100, 37],
  ] as const) {
    const { low, high, median } = compareInPairs(evenly(1, count, count));
    assert.deepEqual([low, high, median], [k, count + 1 - k, (count + 1) / 2]);
  }
});

void test('too few pairs decide nothing, however much they agree', () => {
  for (const ratio of [0.5, 1, 9]) {
    const { low, high, finding } = compareInPairs(pairs(...Array.from({ length: 7 }, () => ratio)));
    assert.deepEqual([low, high, finding], [0, Number.POSITIVE_INFINITY, 'undecided']);
  }
  assert.equal(compareInPairs([]).finding, 'undecided');
});

void test('an interval below 1.02 passes, one above fails, one across is undecided', () => {
  assert.equal(compareInPairs(evenly(0.97, 1.03, 100)).finding, 'pass');
  assert.equal(compareInPairs(evenly(0.98, 1.06, 100)).finding, 'undecided');
  assert.equal(compareInPairs(evenly(1.03, 1.3, 100)).finding, 'fail');
});

void test('a few wild pairs change nothing', () => {
  const calm = compareInPairs(pairs(...Array.from({ length: 100 }, () => 1)));
  const wild = compareInPairs(
    pairs(...Array.from({ length: 90 }, () => 1), ...Array.from({ length: 10 }, () => 50)),
  );
  assert.deepEqual(wild, calm);
});
