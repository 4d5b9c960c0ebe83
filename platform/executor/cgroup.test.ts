import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT_CONTEXT } from '@opentelemetry/api';
import { Cgroups } from './cgroup.ts';
import { withLimits } from './limits.ts';
import { startTestExecutor } from './test/test-executor.ts';

/** The files of a cgroup in a folder: what is written to them is what the kernel would be told. */
function cgroupFiles(files: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'spoor-cg-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return {
    folder,
    read: (...path: string[]) => readFileSync(join(folder, ...path), 'utf8').trim(),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const HANDED_OVER = {
  'cgroup.controllers': 'cpuset cpu io memory pids\n',
  'cgroup.subtree_control': 'cpu memory\n',
};

test('an instance with limits enters a cgroup of its own before it is the environment', async () => {
  using cgroup = cgroupFiles(HANDED_OVER);
  await using platform = await startTestExecutor({ cgroupRoot: cgroup.folder });
  platform.catalog.putFunction('small', 'export default (q, r) => r.end()', {
    resources: { memoryLimitBytes: 64 * 2 ** 20, cpuLimit: 0.5 },
  });
  const fn = { name: 'small', namespace: 'default' };
  const options = { context: ROOT_CONTEXT, signal: AbortSignal.timeout(20_000) };
  const lease = await platform.executor.acquire(fn, options);
  const { instanceId } = lease;
  const { pid } = platform.executor.instances().find(({ id }) => id === instanceId) ?? {};
  assert.equal(cgroup.read(instanceId, 'cgroup.procs'), String(pid));
  assert.equal(cgroup.read(instanceId, 'memory.max'), String(64 * 2 ** 20));
  assert.equal(cgroup.read(instanceId, 'cpu.max'), '50000 100000');
  lease.release();
});

test('a cgroup of ours alone is taken over; one with processes of others is left as it is', () => {
  const files = { ...HANDED_OVER, 'cgroup.subtree_control': '' };
  using ours = cgroupFiles({ ...files, 'cgroup.procs': `${process.pid}\n` });
  assert.ok(Cgroups.open(ours.folder));
  assert.equal(ours.read('spoor', 'cgroup.procs'), String(process.pid));
  assert.equal(ours.read('cgroup.subtree_control'), '+cpu +memory');
  using others = cgroupFiles({ ...files, 'cgroup.procs': `1\n${process.pid}\n` });
  assert.equal(Cgroups.open(others.folder), undefined);
  assert.equal(others.read('cgroup.subtree_control'), '');
  using foreign = cgroupFiles({ 'cgroup.controllers': 'pids\n' });
  assert.equal(Cgroups.open(foreign.folder), undefined);
  assert.equal(Cgroups.open(join(foreign.folder, 'none')), undefined);
});

test('without a cgroup the data of a process is limited by itself', () => {
  const { command, args } = withLimits(
    { command: '/bin/sh', args: ['-c', 'ulimit -d'] },
    { dataBytes: 256 * 2 ** 20 },
  );
  assert.equal(spawnSync(command, args).stdout.toString().trim(), String(256 * 1024));
});
