import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { availableParallelism, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCpuWait } from './cpu-wait.ts';

void test('where the kernel does not say, nothing is said', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-cpu-wait-'));
  assert.equal(openCpuWait(join(dir.path, 'schedstat'))(), undefined);
  const file = join(dir.path, 'odd');
  writeFileSync(file, 'no figures here');
  assert.equal(openCpuWait(file)(), undefined);
  writeFileSync(file, '126976040 198943819 89\n');
  assert.equal(openCpuWait(file)(), 198.943819);
});

void test('a process that others leave no CPU for waits for one', async () => {
  // Not the test's own: a priority once lowered is not given back to everybody.
  const program = `
    const { openCpuWait } = await import(${JSON.stringify(join(import.meta.dirname, 'cpu-wait.ts'))});
    const wait = openCpuWait();
    process.send('ready');
    await new Promise((resolve) => process.once('message', resolve));
    const before = wait();
    const until = process.cpuUsage().user + 5_000;
    while (process.cpuUsage().user < until);
    process.send(wait() - before);
    process.disconnect();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await once(child, 'message');
  const burners = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  );
  try {
    setPriority(child.pid as number, 19);
    child.send('go');
    const [waitedMs] = (await once(child, 'message')) as [number];
    assert.ok(waitedMs > 5, `${waitedMs} ms`);
  } finally {
    for (const process of [...burners, child]) process.kill('SIGKILL');
  }
});
