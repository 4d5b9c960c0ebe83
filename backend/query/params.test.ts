import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseWindow } from './params.ts';

const NOW = 1_800_000_000_000_000_000n;
const SECOND = 1_000_000_000n;

for (const [query, before, after] of [
  ['', 3_540n, 60n],
  ['lookback=86400000', 86_340n, 60n],
  ['lookback=60000', 59n, 1n],
  ['lookback=30000&endTs=1800000000000', 30n, 0n],
] as const)
  void test(`a window of "${query}" is from ${before} s before now to ${after} s after it`, () => {
    assert.deepEqual(parseWindow(new URLSearchParams(query), NOW), {
      startUnixNano: NOW - before * SECOND,
      endUnixNano: NOW + after * SECOND,
    });
  });
