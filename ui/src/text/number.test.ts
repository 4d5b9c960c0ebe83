import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCount, formatPercent, formatRate } from './number.ts';

void test('shares, rates and counts as a person writes them', () => {
  assert.deepEqual([0, 0.0004, 0.004, 0.05, 0.125, 1].map(formatPercent), [
    '0 %',
    '<0.1 %',
    '0.4 %',
    '5 %',
    '13 %',
    '100 %',
  ]);
  assert.deepEqual([1_234, 12.4, 0.5, 0.001].map(formatRate), ['1 234/s', '12/s', '30/min', '3.6/h']);
  assert.equal(formatCount(1_234_567), '1 234 567');
});
