import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, closeSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HEADER } from '../span/journal-format.ts';
import { startTracing } from '../span/tracing.ts';
import { start } from './agent.ts';
import { OtlpSink } from './test/otlp-sink.ts';
import { Rig } from './test/rig.ts';

const SPOOR = join(import.meta.dirname, '../../cli/main.ts');
/** Above what Linux ever gives (4,194,304): nobody's. */
const NOBODY = 5_000_000;
/** Longer than an agent that shares the pids takes to call a process dead: it looks once a second, and waits one for the end file. */
const LONG_ENOUGH_MS = 2_500;

void test(
  'an agent in a container of its own takes nobody for dead whose pid it cannot see, until an end file says so',
  { timeout: 60_000 },
  async () => {
    await using rig = new Rig();
    await using sink = await OtlpSink.start();
    using tracing = startTracing({ journal: rig.journal('i-1'), resource: { 'service.name': 's' } });
    const tracer = tracing.tracer();
    const open = tracer.startSpan('open');
    tracer.startSpan('before').end();
    const program = [process.execPath, SPOOR, 'agent', '--journals', rig.journalDir, '--collector', sink.url];
    // A pid namespace of its own where we may make one; where not, a pid that nobody has means as little to the agent.
    const own = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const canUnshare = spawnSync(own[0] as string, [...own.slice(1), 'true']).status === 0;
    if (!canUnshare) writePid(rig.journal('i-1'), NOBODY);
    const command = [...(canUnshare ? own : []), ...program, '--pid-namespace', 'separate'];
    const agent = spawn(command[0] as string, command.slice(1), {
      env: { ...process.env, SPOOR_DATA: join(rig.dir, 'data') },
      stdio: 'ignore',
    });
    const exited = once(agent, 'exit');
    try {
      await sink.until(() => sink.spans.some((span) => span.name === 'before'));
      await sleep(LONG_ENOUGH_MS);
      tracer.startSpan('after').end();
      await sink.until(() => sink.spans.some((span) => span.name === 'after'));
      assert.ok(existsSync(rig.journal('i-1')));
      assert.deepEqual(
        sink.spans.map((span) => span.name),
        ['before', 'after'],
      );
      open.setAttribute('late', true);
      const end = { reason: 'oom', exitCode: 137, message: 'out of memory' };
      writeFileSync(rig.journal('i-1').replace(/journal$/, 'end'), JSON.stringify(end));
      await sink.until(() => !existsSync(rig.journal('i-1')) && sink.spans.length === 3);
      const { name, attributes, status } = sink.spans[2] ?? {};
      assert.deepEqual(
        [name, attributes?.['late'], attributes?.['spoor.end.reason'], status?.message],
        ['open', true, 'oom', 'out of memory'],
      );
    } finally {
      agent.kill('SIGKILL');
      await exited;
    }
  },
);

void test('and without one, a silence long enough does', { timeout: 60_000 }, async () => {
  await using rig = new Rig();
  await using sink = await OtlpSink.start();
  using tracing = startTracing({ journal: rig.journal('i-1'), resource: { 'service.name': 's' } });
  tracing.tracer().startSpan('open');
  await using agent = await start({
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: sink.url,
    pidNamespace: 'separate',
    abandonedAfterMs: 300,
  });
  await sink.until(() => sink.spans.length === 1 && agent.status().journals === 0);
  assert.equal(sink.spans[0]?.attributes['spoor.end.reason'], 'lost');
});

function writePid(journal: string, pid: number): void {
  const fd = openSync(journal, 'r+');
  writeSync(fd, new Uint8Array(Uint32Array.of(pid).buffer), 0, 4, HEADER.pid);
  closeSync(fd);
}
