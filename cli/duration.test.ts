import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration } from './duration.ts';

test('durations read in one unit with three digits', () => {
  for (const [nano, text] of [
    [0, '0 ns'],
    [999, '999 ns'],
    [1_500, '1.50 µs'],
    [12_340_000, '12.3 ms'],
    [345_600_000n, '346 ms'],
    [1_600_000_000, '1.60 s'],
    [125_000_000_000n, '2 min 5 s'],
    [-2_000_000, '-2.00 ms'],
  ] as const)
    assert.equal(formatDuration(nano), text);
});
