import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ConditionResult } from './delivery.ts';

/** In two pairs: a condition that comes a second time must not find what the first one left. */
const CALLS = 200;
const TIMEOUT_MS = 240_000;

void test('whatever becomes of the collector or the disk, callers do not feel it and no span is lost', () => {
  const run = join(import.meta.dirname, 'run.ts');
  const args = ['--calls', String(CALLS), '--block', String(CALLS / 2), '--doublings', '0', '--minutes', '3'];
  const child = spawnSync(process.execPath, [run, ...args], { encoding: 'utf8', timeout: TIMEOUT_MS });
  const results = child.stdout
    .split('\n')
    .filter((line) => line.startsWith('{"condition"'))
    .map((line) => JSON.parse(line) as ConditionResult);
  // Two pairs say nothing of p50 and p99.
  assert.equal(child.status, 0, `${child.stdout}\n${child.stderr}`);
  assert.equal(results.length, 5);
  for (const result of results) {
    const told = JSON.stringify(result);
    assert.deepEqual([result.errors, result.healthyErrors], [0, 0], told);
    assert.equal(result.arrived, result.calls, told);
    assert.equal(result.droppedSpans, 0, told);
  }
  const [healthy, silent, , failing, full] = results;
  assert.equal(healthy?.failedRequests, 0);
  assert.equal(healthy?.repeated, 0);
  assert.ok((silent?.failedRequests ?? 0) > 0);
  assert.ok((failing?.failedRequests ?? 0) > 0);
  assert.equal(full?.wasDiskFull, true);
});
