import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SPOOR_TIMER_SCHEDULED } from '../../function/span/attributes.ts';
import { ControlClient } from '../../platform/spec/client.ts';
import { fromManifest } from '../../platform/spec/manifest.ts';
import { fetchTrace } from '../../cli/trace/fetch-trace.ts';
import { spoorUp } from '../support/spoor.ts';
import { outlineOf } from '../support/traces.ts';

const CALLERS = 4;
const INVOCATIONS = 40;
const RECOVERY_MS = 60_000;

test('kill -9 of the platform under load: all that was declared is back, every accepted invocation is delivered, no timer fires twice, a trace shows the break', async () => {
  await using up = await spoorUp();
  const control = new ControlClient(up.internal);
  const put = (kind: string, name: string, spec: object) =>
    control.put(fromManifest({ kind, metadata: { name }, spec }));
  const noted = join(up.data, 'noted');
  const code = `const { appendFileSync } = require('node:fs');
    module.exports = async ({ request }) => {
      await new Promise((resolve) => setTimeout(resolve, 150));
      appendFileSync(${JSON.stringify(noted)}, request.get('x-fission-invocation-id') + ' ' + request.get('x-fission-invocation-attempt') + '\\n');
      return { status: 200, body: 'ok' };
    };`;
  const environment = { name: 'node' };
  await put('Environment', 'node', {
    version: 3,
    runtime: { image: 'ghcr.io/fission/node-env' },
    poolsize: 1,
  });
  await put('Package', 'later', {
    environment,
    deployment: { type: 'literal', literal: Buffer.from(code).toString('base64') },
  });
  await put('Function', 'later', {
    environment,
    package: { packageref: { name: 'later' } },
    requestsPerPod: 100,
    concurrency: 2,
  });
  await put('HTTPTrigger', 'later', {
    relativeurl: '/later',
    methods: ['POST'],
    invocationMode: 'async',
    functionref: { type: 'name', name: 'later' },
  });
  const ticks = join(up.data, 'ticks');
  await put('Package', 'tick', {
    environment,
    deployment: {
      type: 'literal',
      literal: Buffer.from(
        `module.exports = async ({ request }) => {
           require('node:fs').appendFileSync(${JSON.stringify(ticks)}, request.get('traceparent') + '\\n');
           return { status: 200 };
         };`,
      ).toString('base64'),
    },
  });
  await put('Function', 'tick', { environment, package: { packageref: { name: 'tick' } } });
  await put('TimeTrigger', 'tick', { cron: '* * * * * *', functionref: { type: 'name', name: 'tick' } });
  const ticked = () => (existsSync(ticks) ? readFileSync(ticks, 'utf8').trim().split('\n') : []);
  const accepted: { id: string; traceId: string }[] = [];
  const loaded = Date.now() + RECOVERY_MS;
  const callers = Array.from({ length: CALLERS }, async () => {
    while (Date.now() < loaded && (accepted.length < INVOCATIONS || ticked().length === 0)) {
      try {
        const answer = await fetch(`${up.router}/later`, { method: 'POST', body: 'x' });
        const { invocationId, traceId } = (await answer.json()) as { invocationId: string; traceId: string };
        if (answer.status === 202) accepted.push({ id: invocationId, traceId });
      } catch {
        // The platform is being killed: nothing was promised.
        await sleep(50);
      }
      await sleep(5);
    }
  });
  while (accepted.length < INVOCATIONS / 2 || ticked().length === 0) {
    assert.ok(Date.now() < loaded, 'the platform is under load');
    await sleep(5);
  }
  const ticksBefore = ticked().length;
  process.kill(await up.partPid('platform'), 'SIGKILL');
  await Promise.all(callers);

  // The callers may have been done before the platform was up again.
  while (!(await control.list('Environment').catch(() => undefined))) {
    assert.ok(Date.now() < loaded, 'the platform comes back');
    await sleep(50);
  }
  const declared = { Environment: 1, Package: 2, Function: 2, HTTPTrigger: 1, TimeTrigger: 1 } as const;
  for (const kind of Object.keys(declared) as (keyof typeof declared)[])
    assert.equal((await control.list(kind)).length, declared[kind], kind);

  const deadline = Date.now() + RECOVERY_MS;
  const state = async (id: string) =>
    (await (await fetch(`${up.internal}/async/${id}`)).json()) as { state: string; attempts: number };
  const interrupted: string[] = [];
  for (const { id, traceId } of accepted) {
    let now = await state(id);
    while (now.state !== 'succeeded' && Date.now() < deadline) {
      await sleep(50);
      now = await state(id);
    }
    assert.equal(now.state, 'succeeded', `${id} after ${now.attempts} attempts`);
    if (now.attempts > 1) interrupted.push(traceId);
  }
  const delivered = new Set(
    readFileSync(noted, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  );
  for (const { id } of accepted) assert.ok(delivered.has(id), `${id} was never delivered`);

  // Two seconds of the clock after the restart and those before: each was fired once.
  while (ticked().length < ticksBefore + 2) {
    assert.ok(Date.now() < deadline, 'the timer goes on after the restart');
    await sleep(100);
  }
  const fired: unknown[] = [];
  for (const traceparent of ticked().slice(0, ticksBefore + 2)) {
    let scheduled: unknown;
    while (scheduled === undefined && Date.now() < deadline) {
      const spans = (await fetchTrace(up.query, traceparent.split('-')[1] ?? '')) ?? [];
      scheduled = spans.find(({ name }) => name === 'timer tick')?.attributes[SPOOR_TIMER_SCHEDULED];
      if (scheduled === undefined) await sleep(100);
    }
    fired.push(scheduled);
  }
  assert.ok(fired.every((time) => typeof time === 'string'));
  assert.equal(new Set(fired).size, fired.length, `fired for ${fired.join(', ')}`);

  // Those in the middle when the platform died were tried again; of one that had begun (a try is counted before it begins) the trace
  // has both tries, the first cut off with the reason.
  assert.ok(interrupted.length > 0, 'a delivery was under way at the kill');
  let outlines: string[] = [];
  while (Date.now() < deadline) {
    outlines = [];
    for (const traceId of interrupted) {
      const spans = (await fetchTrace(up.query, traceId)) ?? [];
      outlines.push(...outlineOf(spans));
      const tries = spans.filter(({ name }) => name === 'invoke later');
      const cut = tries.find(({ attributes }) =>
        JSON.stringify(attributes['spoor.unfinished'] ?? '').includes('true'),
      );
      const whole = tries.find(({ attributes }) => attributes['spoor.outcome'] === 'success');
      if (cut && whole && tries.every(({ parentSpanId }) => parentSpanId === tries[0]?.parentSpanId)) return;
    }
    await sleep(300);
  }
  assert.fail(`the break is in no trace:\n${outlines.join('\n')}`);
});
