import assert from 'node:assert/strict';
import { test } from 'node:test';
import { histogram, stepBin } from './histogram.ts';

void test('every trace falls into one bin, one on the end into the last, one outside into none', () => {
  const items = [0, 9, 10, 99, 100, 101].map((timeMs) => ({ timeMs, isError: timeMs === 99 }));
  const bins = histogram(items, 0, 100, 10);
  assert.deepEqual(
    bins.map((bin) => bin.count),
    [2, 1, 0, 0, 0, 0, 0, 0, 0, 2],
  );
  assert.equal(bins[9]?.errorCount, 1);
  assert.equal(bins[3]?.fromMs, 30);
});

void test('keys go from one bin with something in it to the next', () => {
  const bins = [0, 2, 0, 0, 1].map((count) => ({ count }));
  assert.deepEqual(
    [stepBin(bins, undefined, -1), stepBin(bins, undefined, 1), stepBin(bins, 1, 1), stepBin(bins, 4, 1)],
    [4, 1, 4, 4],
  );
  assert.equal(stepBin([], undefined, 1), undefined);
});
