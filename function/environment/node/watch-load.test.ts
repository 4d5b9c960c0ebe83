import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { availableParallelism, setPriority } from 'node:os';
import { test } from 'node:test';
import type { SpanData } from '../../span/span-data.ts';
import { startWith } from './start-with.ts';

/** Computes, waits, or does both, as it is asked. */
const SOURCE = `
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const burn = (ms) => { const until = performance.now() + ms; while (performance.now() < until); };
module.exports = async ({ request }) => {
  if (request.query.first) await sleep(Number(request.query.first));
  if (request.query.burn) burn(Number(request.query.burn));
  if (request.query.then) await sleep(Number(request.query.then));
  return { status: 200, body: 'done' };
};`;

async function spansAfter(...paths: readonly string[]): Promise<SpanData[]> {
  await using environment = await startWith(SOURCE);
  await Promise.all(paths.map((path) => environment.ask({ path })));
  environment.child.kill('SIGTERM');
  await environment.ended;
  return [...environment.journal().spans];
}

const cpuOf = (span: SpanData | undefined) => Number(span?.attributes['spoor.cpu.ms']);
const blockedOf = (span: SpanData | undefined) => Number(span?.attributes['spoor.event_loop.blocked_ms']);

void test('a function that computes says how much, and for how long nobody else had a turn', async () => {
  const [atOnce] = await spansAfter('/?burn=120');
  assert.ok(blockedOf(atOnce) >= 119, `blocked for ${blockedOf(atOnce)}`);
  assert.ok(cpuOf(atOnce) > 0);
  const [between] = await spansAfter('/?first=60&burn=120&then=60');
  assert.ok(blockedOf(between) >= 109, `blocked for ${blockedOf(between)}`);
});

void test('who only waits was not blocked, unless by a neighbour', async () => {
  const [alone] = await spansAfter('/?first=1000');
  // A process that gets no CPU is blocked as well, on a busy machine; but not for all of it.
  assert.ok(blockedOf(alone) < 900, `blocked for ${blockedOf(alone)}`);
  const spans = await spansAfter('/?first=300', '/?burn=150');
  for (const span of spans) assert.ok(blockedOf(span) >= 100, `blocked for ${blockedOf(span)}`);
});

void test('a short invocation says nothing of it', async () => {
  const spans = await spansAfter(...Array.from({ length: 20 }, () => '/'));
  const durationMs = (span: SpanData) => Number(span.endTimeUnixNano - span.startTimeUnixNano) / 1e6;
  for (const span of spans) {
    const says = 'spoor.cpu.ms' in span.attributes;
    assert.equal(says, durationMs(span) >= 5, `after ${durationMs(span)} ms`);
  }
});

void test('a function that others leave no CPU for says for how long it waited for one', async () => {
  await using environment = await startWith(SOURCE);
  const burners = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  );
  try {
    setPriority(environment.child.pid as number, 19);
    await environment.ask({ path: '/?burn=300' });
  } finally {
    for (const burner of burners) burner.kill('SIGKILL');
  }
  environment.child.kill('SIGTERM');
  await environment.ended;
  const [span] = environment.journal().spans;
  const waitedMs = Number(span?.attributes['spoor.cpu.wait_ms']);
  assert.ok(waitedMs > 50, `waited for ${waitedMs} ms, computed for ${cpuOf(span)}`);
});
