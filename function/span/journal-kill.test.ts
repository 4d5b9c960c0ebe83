import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readJournal } from './read-journal.ts';

/** Shared memory where there is some, as in life; it also keeps the gigabyte's worth of sparse file off the disk. */
const SHARED = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const KILLS = 5;

for (const transport of ['map', 'write'] as const) {
  void test(`SIGKILL in a tight loop loses no span that had ended and shows those that had not (${transport})`, async () => {
    let ended = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const folder = mkdtempSync(join(SHARED, 'spoor-kill-'));
      try {
        ended += await killOne(folder, transport, kill);
      } finally {
        rmSync(folder, { recursive: true });
      }
    }
    assert.ok(ended > 0);
  });
}

async function killOne(folder: string, transport: string, kill: number): Promise<number> {
  const journal = join(folder, 'j');
  const counts = join(folder, 'counts');
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'test', 'endless-writer.ts'), journal, transport, counts],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  await sleep(3 + 11 * kill); // any instant will do
  child.kill('SIGKILL');
  assert.deepEqual(await exited, [null, 'SIGKILL']);

  const told = readFileSync(counts);
  const startedCount = told.readUInt32LE(0);
  const endedCount = told.readUInt32LE(4);
  const read = readJournal(journal);
  assert.deepEqual([read.problems, read.orphans, read.droppedSpans], [[], 0, 0]);
  // One more may have been written than was told, never one less.
  assert.ok(read.spans.length >= endedCount, `${read.spans.length} spans of ${endedCount}`);
  assert.ok(read.spans.length <= endedCount + 1);
  for (const [index, span] of read.spans.entries()) assert.equal(span.attributes['i'], BigInt(index + 1));
  assert.equal(read.open[0]?.name, 'never ends');
  assert.deepEqual(read.open[0]?.attributes, { 'faas.invocation_id': 'i-1' });
  assert.ok(read.spans.length + read.open.length - 1 >= startedCount);
  return endedCount;
}
