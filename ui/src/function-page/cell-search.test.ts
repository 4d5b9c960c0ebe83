import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queryText } from '../search/query-text.ts';
import { readSearch } from '../search/params.ts';
import { exactDuration, searchOfCell } from './cell-search.ts';

void test('a cell is searched by its function, its step of time and its durations, without the upper edge', () => {
  const grid = { startMs: 1_790_000_000_000, stepMs: 60_000 };
  const search = readSearch(
    searchOfCell('greeter', grid, [1_000_000, 1_414_214, 2_000_000], { column: 2, row: 1 }),
  );
  assert.equal(
    queryText(search),
    'service:greeter AND name:greeter AND duration>=1.414214ms AND duration<=1.999999ms',
  );
  assert.deepEqual([search.fromMs, search.toMs, search.bySpan], [1_790_000_120_000, 1_790_000_180_000, true]);
});

void test('a duration is written to the nanosecond', () => {
  assert.deepEqual([0, 999, 1_000, 1_499, 2_000_000_001].map(exactDuration), [
    '0ns',
    '999ns',
    '1us',
    '1.499us',
    '2.000000001s',
  ]);
});
