import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { silentLog } from '../../server/log.ts';
import { startTracing } from '../span/tracing.ts';
import { start } from './agent.ts';
import { Background, mayReturn } from './background.ts';
import { OtlpSink } from './test/otlp-sink.ts';
import { Rig } from './test/rig.ts';

// Priority is the process's; node --test runs each file in one of its own.
const usual = getPriority();
const canReturn = mayReturn(usual);
const stepped = canReturn ? getPriority() + 5 : getPriority();

void test('the agent steps back while journals have room, and comes forward before one is full', () => {
  using background = new Background(silentLog());
  assert.equal(getPriority(), stepped);
  for (const [fullness, isBack] of [
    [0.2, true],
    [0.3, false],
    [0.9, false],
    [0.2, false], // not to and fro
    [0.01, true],
    [1, false],
    [0, true],
  ] as const) {
    background.note(fullness);
    assert.equal(getPriority(), isBack ? stepped : stepped - (canReturn ? 5 : 0), `at ${fullness}`);
  }
});

void test('a journal that fills faster than it is drained brings the agent forward, and nothing is lost', async () => {
  await using rig = new Rig();
  await using sink = await OtlpSink.start();
  await using agent = await start({
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: sink.url,
    isOwnProcess: true,
  });
  using tracing = startTracing({
    journal: rig.journal('i-1'),
    resource: { 'service.name': 's' },
    segmentBytes: 65_536,
    segmentCount: 16,
  });
  const priorities = new Set<number>();
  // In one go, so that the agent, in the same process, sees none of it before half of the journal is in use.
  for (let i = 0; i < 2_000; i++)
    tracing
      .tracer()
      .startSpan('n', { attributes: { i, text: `${'x'.repeat(150)} ${i}` } })
      .end();
  let isDrained = false;
  const watch = () => {
    priorities.add(getPriority());
    if (!isDrained) setImmediate(watch); // as often as the agent looks
  };
  watch();
  await agent.drained();
  isDrained = true;
  await agent.delivered(AbortSignal.timeout(20_000));
  assert.equal(tracing.dropped.spans, 0);
  assert.equal(sink.distinct.size, 2_000);
  assert.equal(agent.status().journalDropped.spans, 0);
  assert.equal(getPriority(), stepped);
  if (canReturn) assert.ok(priorities.has(stepped - 5), 'it came forward meanwhile');
});

void test('an agent that has a session of its own steps back among sessions, and no shell does with it', async () => {
  const program = `
    const { Background } = await import(${JSON.stringify(join(import.meta.dirname, 'background.ts'))});
    const { silentLog } = await import(${JSON.stringify(join(import.meta.dirname, '../../server/log.ts'))});
    const { readFileSync } = await import('node:fs');
    const seen = [];
    const look = () => seen.push(/nice (\\S+)/.exec(readFileSync('/proc/self/autogroup', 'utf8'))?.[1]);
    const background = new Background(silentLog());
    look();
    // The kernel lets who is not root do this ten times a second.
    for (const fullness of [1, 0]) {
      await new Promise((resolve) => setTimeout(resolve, 150));
      background.note(fullness);
      look();
    }
    console.log(seen.join(' '));`;
  const seenIn = async (isDetached: boolean) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      detached: isDetached,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return (await text(child.stdout)).trim();
  };
  // Where the kernel has no such thing there is nothing to move.
  if (!existsSync('/proc/self/autogroup')) return;
  assert.equal(await seenIn(true), '5 0 5');
  const own = /nice (\S+)/.exec(readFileSync('/proc/self/autogroup', 'utf8'))?.[1];
  assert.equal(await seenIn(false), `${own} ${own} ${own}`);
});
