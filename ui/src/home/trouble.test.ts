import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FunctionStatsJson, RedPointJson } from '../../../backend/query/shapes.ts';
import { findTrouble, worstFirst } from './trouble.ts';

const stats = (over: Partial<FunctionStatsJson> = {}): FunctionStatsJson => ({
  name: 'image',
  invocations: 100,
  ratePerSecond: 1,
  errors: 0,
  errorRate: 0,
  coldStarts: 0,
  coldStartRate: 0,
  timeouts: 0,
  retries: 0,
  p50Nano: '1000000',
  p99Nano: '2000000',
  lastSeenUnixNano: '0',
  ...over,
});
const grid = (steps: readonly (readonly [calls: number, errors: number, p99Ms: number] | undefined)[]) => ({
  startMs: 0,
  stepMs: 60_000,
  points: steps.map(
    (step): RedPointJson | undefined =>
      step && {
        timeUnixNano: '0',
        calls: step[0],
        errors: step[1],
        ratePerSecond: 0,
        p50Nano: '0',
        p95Nano: '0',
        p99Nano: String(step[2] * 1e6),
      },
  ),
});

void test('errors: since the run of them began, over steps without calls', () => {
  const [trouble] = findTrouble(stats(), grid([[10, 0, 5], [10, 2, 5], undefined, [10, 4, 5]]));
  assert.equal(trouble?.kind, 'errors');
  assert.equal(trouble.sinceMs, 60_000);
  assert.equal(trouble.untilMs, undefined);
  assert.equal(trouble.size, 0.3);
});

void test('errors that are over say until when', () => {
  const [trouble] = findTrouble(
    stats(),
    grid([
      [10, 5, 5],
      [10, 0, 5],
    ]),
  );
  assert.equal(trouble?.sinceMs, 0);
  assert.equal(trouble?.isFromEdge, true);
  assert.equal(trouble?.untilMs, 60_000);
});

void test('errors that were always there began when their share rose', () => {
  const [trouble] = findTrouble(
    stats(),
    grid([[100, 1, 5], [100, 2, 5], [100, 1, 5], [100, 12, 5], undefined, [100, 13, 5]]),
  );
  assert.equal(trouble?.sinceMs, 180_000);
  assert.equal(trouble?.isFromEdge, false);
  assert.equal(trouble?.size, 0.125);
});

void test('a share that wavers did not rise', () => {
  const [trouble] = findTrouble(
    stats(),
    grid([
      [100, 5, 5],
      [100, 3, 5],
      [100, 6, 5],
      [100, 8, 5],
    ]),
  );
  assert.equal(trouble?.sinceMs, 0);
  assert.equal(trouble?.isFromEdge, true);
});

void test('slow is slow against itself, and a fast function is never slow', () => {
  const [trouble] = findTrouble(
    stats(),
    grid([
      [9, 0, 100],
      [9, 0, 110],
      [9, 0, 90],
      [9, 0, 900],
    ]),
  );
  assert.equal(trouble?.kind, 'slow');
  assert.equal(trouble.size, 9);
  assert.equal(trouble.sinceMs, 180_000);
  assert.deepEqual(
    findTrouble(
      stats(),
      grid([
        [9, 0, 1],
        [9, 0, 1],
        [9, 0, 1],
        [9, 0, 50],
      ]),
    ),
    [],
  );
});

void test('many cold starts are trouble of a lesser kind', () => {
  const cold = findTrouble(stats({ coldStarts: 40, coldStartRate: 0.4 }), undefined);
  const errors = findTrouble(stats({ errors: 5, errorRate: 0.05 }), undefined);
  assert.deepEqual(
    worstFirst([...cold, ...errors]).map(({ kind }) => kind),
    ['errors', 'cold'],
  );
});
