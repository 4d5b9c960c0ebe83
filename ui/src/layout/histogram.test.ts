import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SearchCountsJson } from '../../../backend/query/shapes.ts';
import { fillBins, stepBin, stretchOf } from './histogram.ts';

const counts = (bins: readonly (readonly [at: number, traces: number, errorTraces: number])[]) =>
  ({
    startUnixNano: '1000000000',
    endUnixNano: '2000000000',
    stepNano: '100000001',
    traces: 0,
    errorTraces: 0,
    bins: bins.map(([at, traces, errorTraces]) => ({
      timeUnixNano: String(1_000_000_000 + at * 100_000_001),
      traces,
      errorTraces,
    })),
  }) satisfies SearchCountsJson;

void test('every bin of the time is there, the empty ones too', () => {
  const bins = fillBins(
    counts([
      [0, 2, 0],
      [9, 5, 1],
    ]),
    5_000,
  );
  assert.deepEqual(
    bins.map(({ count }) => count),
    [2, 0, 0, 0, 0, 0, 0, 0, 0, 5],
  );
  assert.equal(bins[9]?.errorCount, 1);
  assert.equal(Math.round(bins[3]?.fromMs ?? 0), 1_300);
});

void test('what has not happened yet is no part of it, unless a clock is ahead', () => {
  assert.equal(fillBins(counts([[2, 1, 0]]), 1_500).length, 5);
  assert.equal(fillBins(counts([[8, 1, 0]]), 1_500).length, 9);
});

void test('keys go from one bin with something in it to the next', () => {
  const bins = [0, 2, 0, 0, 1].map((count) => ({ count }));
  assert.deepEqual(
    [stepBin(bins, undefined, -1), stepBin(bins, undefined, 1), stepBin(bins, 1, 1), stepBin(bins, 4, 1)],
    [4, 1, 4, 4],
  );
  assert.equal(stepBin([], undefined, 1), undefined);
});

void test('a stretch is from the first to the last, whichever was chosen first', () => {
  const bins = fillBins(
    counts([
      [1, 2, 1],
      [3, 5, 0],
    ]),
    5_000,
  );
  const stretch = stretchOf(bins, 3, 1);
  assert.deepEqual(stretch, stretchOf(bins, 1, 3));
  assert.deepEqual([stretch.count, stretch.errorCount], [7, 1]);
  assert.deepEqual([stretch.fromMs, stretch.toMs], [bins[1]?.fromMs, bins[3]?.toMs]);
});
