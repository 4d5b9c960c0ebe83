import assert from 'node:assert/strict';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockData } from './lock.ts';

void test('a data directory is one process’s until it lets go', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-lock-'));
  const unlock = lockData(dir.path);
  assert.throws(() => lockData(dir.path), {
    reason: 'conflict',
    message: new RegExp(`running Spoor \\(pid ${process.pid}\\) has it.*--data`),
  });
  unlock();
  lockData(dir.path)();
});

void test('a directory left by a process that was killed is free, also when its pid is another’s now', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-lock-'));
  for (const left of [`${process.ppid} 1`, '4194304 12345', 'nonsense', '']) {
    await writeFile(join(dir.path, 'spoor.pid'), left);
    lockData(dir.path)();
  }
});
