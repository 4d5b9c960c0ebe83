import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { fetchTrace } from '../cli/trace/fetch-trace.ts';
import { deployGreetings, greet, spoorUp, type SpoorUp } from './support/spoor.ts';
import { assertOneTree, outlineOf } from './support/traces.ts';

const CALLERS = 4;
const TRAFFIC_MS = 6_000;
/** A slow machine gets more time until there are so many. */
const ENOUGH = 40;
const RECOVERY_MS = 45_000;

describe('kill -9 in the middle of traffic', () => {
  test('of the backend: every span of every acknowledged invocation is in the store afterwards', async () => {
    await using up = await spoorUp();
    await deployGreetings(up);
    await greet(up, { name: 'warm', language: 'en' });
    const acknowledged = await traffic(up, async () => {
      for (let i = 0; i < 2; i += 1) {
        process.kill(await up.partPid('backend'), 'SIGKILL');
        await sleep(2_000);
      }
    });
    assert.ok(acknowledged.length >= ENOUGH, `${acknowledged.length} invocations`);
    await assertAllWhole(up, acknowledged);
  });

  test('of the platform: what was acknowledged is in the store, what was in flight is told', async () => {
    await using up = await spoorUp();
    await deployGreetings(up);
    await greet(up, { name: 'warm', language: 'en' });
    const acknowledged = await traffic(up, async () => {
      process.kill(await up.partPid('platform'), 'SIGKILL');
    });
    assert.ok(acknowledged.length >= ENOUGH, `${acknowledged.length} invocations`);
    await assertAllWhole(up, acknowledged);
  });

  test('of the agent: it reads on where it was', async () => {
    await using up = await spoorUp();
    await deployGreetings(up);
    await greet(up, { name: 'warm', language: 'en' });
    const acknowledged = await traffic(up, async () => {
      for (let i = 0; i < 3; i += 1) {
        process.kill(await up.partPid('agent'), 'SIGKILL');
        await sleep(800);
      }
    });
    await assertAllWhole(up, acknowledged);
  });
});

/** Greets from several callers for a while, with `disturb` in the middle; the trace ids of the answers that were 202. */
async function traffic(up: SpoorUp, disturb: () => Promise<void>): Promise<string[]> {
  const until = Date.now() + TRAFFIC_MS;
  const atMost = Date.now() + 5 * TRAFFIC_MS;
  const acknowledged: string[] = [];
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    while (Date.now() < until || (acknowledged.length < ENOUGH && Date.now() < atMost)) {
      try {
        const { status, traceId } = await greet(up, { name: `caller ${caller}`, language: 'en' });
        if (status === 202) acknowledged.push(traceId);
      } catch {
        // The platform is being killed: a refused connection is no acknowledgement.
      }
      await sleep(25);
    }
  });
  await sleep(TRAFFIC_MS / 4);
  await disturb();
  await Promise.all(callers);
  return acknowledged;
}

/** Each trace has the whole journey, up to the card, as one tree. */
async function assertAllWhole(up: SpoorUp, traceIds: readonly string[]): Promise<void> {
  const deadline = Date.now() + RECOVERY_MS;
  const missing = new Set(traceIds);
  let last: Error | undefined;
  while (missing.size > 0 && Date.now() < deadline) {
    for (const traceId of missing) {
      try {
        const spans = (await fetchTrace(up.query, traceId)) ?? [];
        assertOneTree(spans);
        for (const name of [
          'POST /greetings',
          'greeter',
          'POST /validator',
          'validator',
          'send greetings',
          'process greetings',
          'image',
          'send cards',
        ]) {
          assert.ok(
            spans.some((span) => span.name === name),
            `${traceId} has no ${name}:\n${outlineOf(spans).join('\n')}`,
          );
        }
        missing.delete(traceId);
      } catch (error) {
        last = error as Error;
      }
    }
    if (missing.size > 0) await sleep(300);
  }
  assert.equal(
    missing.size,
    0,
    `${missing.size} of ${traceIds.length} traces are not whole; the last: ${last?.message}\n${up.stderr()}`,
  );
}
