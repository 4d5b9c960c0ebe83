import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

function run(...args: readonly string[]) {
  const command = [join(import.meta.dirname, 'run.ts'), ...args];
  return spawnSync(process.execPath, command, { encoding: 'utf8', timeout: 120_000 });
}

void test('a program that is none, or ends at once, fails each case with the reason', () => {
  const missing = run('python', 'no-such-environment');
  assert.equal(missing.status, 1, missing.stderr);
  assert.match(missing.stdout, /^FAILED {2}healthz is answered by the environment$/m);
  assert.match(missing.stdout, /cannot start the environment: spawn no-such-environment ENOENT/);
  assert.match(missing.stdout, /^0 of \d+ cases passed$/m);
  assert.equal(missing.stderr, '');

  const directory = mkdtempSync(join(tmpdir(), 'environment-'));
  try {
    const program = join(directory, 'environment.sh');
    writeFileSync(program, 'echo "nothing works today" >&2; exit 7\n', { mode: 0o755 });
    const ended = run('node', 'sh', program);
    assert.equal(ended.status, 1, ended.stderr);
    assert.match(ended.stdout, /the environment ended without a word of \[listening\]: nothing works today/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

void test('who does not say what to run is told how', () => {
  for (const args of [[], ['ruby', 'environment.rb'], ['node']]) {
    const { status, stderr } = run(...args);
    assert.equal(status, 2);
    assert.match(stderr, /it takes a language \(node or python\) and a program/);
  }
});
