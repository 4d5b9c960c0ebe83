import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TraceSummaryJson } from '../../../backend/query/shapes.ts';
import { askFrom, mergeNewest } from './newest.ts';

const MINUTE = 60_000;
const summary = (traceId: string, startMs: number, spanCount = 1): TraceSummaryJson => ({
  traceId,
  rootServiceName: 'router',
  rootOperationName: 'GET /',
  minStartTimeUnixNano: `${startMs}000000`,
  maxEndTimeUnixNano: `${startMs + 5}000000`,
  spanCount,
  errorSpanCount: 0,
  orphanSpanCount: 0,
  services: [],
});

void test('only what began since a minute before the newest is asked for again', () => {
  const from = 100 * MINUTE;
  assert.equal(askFrom([], from), from);
  assert.equal(askFrom([summary('b', 130 * MINUTE), summary('a', 120 * MINUTE)], from), 129 * MINUTE);
  assert.equal(askFrom([summary('a', 90 * MINUTE)], from), from);
});

void test('what came stands over what was known, what is too old goes, the newest are kept', () => {
  const known = [summary('c', 103 * MINUTE), summary('b', 102 * MINUTE), summary('a', 99 * MINUTE)];
  const came = [summary('c', 103 * MINUTE, 7), summary('d', 104 * MINUTE)];
  assert.deepEqual(
    mergeNewest(known, came, 100 * MINUTE, 10).map(({ traceId, spanCount }) => [traceId, spanCount]),
    [
      ['d', 1],
      ['c', 7],
      ['b', 1],
    ],
  );
  assert.deepEqual(
    mergeNewest(known, came, 100 * MINUTE, 2).map(({ traceId }) => traceId),
    ['d', 'c'],
  );
});
