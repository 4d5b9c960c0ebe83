import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runFaults } from './run.ts';

/** Short enough for every change; `node e2e/faults/run.ts --runs 20 --healthy 500` is the whole. */
const KINDS = [
  'slow handler',
  'SIGKILL',
  'exception',
  'dependency down',
  'queue lag by few partitions',
  'lost context',
];

void test('a planted fault is the first cause, and a healthy run is given none', async () => {
  const said: string[] = [];
  const { scores, claims, healthyRuns } = await runFaults({
    runs: 1,
    healthy: 6,
    kinds: KINDS,
    timeLimitMs: 180_000,
    say: (line) => said.push(line),
  });
  assert.deepEqual(
    scores.map(({ fault, right }) => [fault, right]),
    KINDS.map((fault) => [fault, 1]),
    said.join('\n'),
  );
  assert.deepEqual([claims, healthyRuns], [[], 6]);
});
