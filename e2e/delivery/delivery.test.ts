import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ConditionResult } from './delivery.ts';

const CALLS = 300;
/** The spool's own file system: a tmpfs in a mount namespace of the child's own, which is gone with it. */
const ON_SMALL_DISK = 'mount -t tmpfs -o size=4m tmpfs "$1" && exec "$2" "$3" --calls "$4" --small-disk "$1"';

void test('whatever becomes of the collector or the disk, callers do not feel it and no span is lost', () => {
  const disk = mkdtempSync(join(tmpdir(), 'spoor-disk-'));
  const run = join(import.meta.dirname, 'run.ts');
  const child = spawnSync(
    'unshare',
    [
      '--user',
      '--map-root-user',
      '--mount',
      'sh',
      '-c',
      ON_SMALL_DISK,
      'sh',
      disk,
      process.execPath,
      run,
      String(CALLS),
    ],
    { encoding: 'utf8' },
  );
  rmSync(disk, { recursive: true });
  const results = child.stdout
    .split('\n')
    .filter((line) => line.startsWith('{"condition"'))
    .map((line) => JSON.parse(line) as ConditionResult);
  assert.equal(child.status, 0, `${child.stdout}\n${child.stderr}`);
  assert.equal(results.length, 5);
  for (const result of results) {
    assert.equal(result.errors, 0, result.condition);
    assert.equal(result.arrived, CALLS, JSON.stringify(result));
    assert.equal(result.droppedSpans, 0, JSON.stringify(result));
  }
  const [healthy, silent, , failing, full] = results;
  assert.equal(healthy?.failedRequests, 0);
  assert.equal(healthy?.repeated, 0);
  assert.ok((silent?.failedRequests ?? 0) > 0);
  assert.ok((failing?.failedRequests ?? 0) > 0);
  assert.equal(full?.wasDiskFull, true);
});
