import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { test } from 'node:test';
import { mqTrigger, startTestPlatform } from './test/test-platform.ts';

const ROUNDS = 3;

void test('a platform killed again and again loses no acknowledged record, and keeps the order of each key', async () => {
  const sent = new Set<number>();
  const seen: number[] = [];
  let killAt = Infinity;
  let child: ReturnType<typeof spawn> | undefined;
  await using functions = await startTestPlatform(({ body }) => {
    const number = Number(String(body));
    seen.push(number);
    // In the middle of an invocation: nobody is there to hear the answer.
    if (seen.length === killAt) child?.kill('SIGKILL');
    return number % 7 === 0 ? { status: 500 } : { body };
  });
  const folder = join(functions.folder);
  await functions.queue[Symbol.asyncDispose]();
  for (let round = 1; round <= ROUNDS; round += 1) {
    killAt = seen.length + 150;
    child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'test/run-triggers.ts'), folder, functions.url, String(round)],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_NO_WARNINGS: '1' } },
    );
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream }))
      sent.add(Number(line));
    if (child.signalCode === null) await once(child, 'exit');
    assert.equal(child.signalCode, 'SIGKILL');
  }
  killAt = Infinity;
  await using after = await startTestPlatform(
    ({ body }) => {
      const number = Number(String(body));
      seen.push(number);
      return number % 7 === 0 ? { status: 500 } : { body };
    },
    { folder },
  );
  after.catalog.put(mqTrigger({ maxRetries: 1 }));
  await after.triggers.settled();
  await after.idle('greetings', 'g');

  const numbersOf = async (topic: string) => {
    const { partitions } = (await after.queue.topics()).find(({ name }) => name === topic) ?? {
      partitions: [],
    };
    const count = partitions.reduce((sum, { endOffset }) => sum + Number(endOffset), 0);
    return (await after.records(topic, count)).map(({ value }) => Number(String(value)));
  };
  const outcomes = new Set([...(await numbersOf('cards')), ...(await numbersOf('greetings-errors'))]);
  assert.deepEqual(
    [...sent].filter((number) => !outcomes.has(number)),
    [],
  );
  assert.ok([...new Set(await numbersOf('greetings-errors'))].every((number) => number % 7 === 0));
  // Killing may repeat what had no committed outcome, but never overtake it: first deliveries are in order.
  const first = [...new Set(seen)];
  for (let key = 0; key < 10; key += 1) {
    const ofKey = first.filter((number) => number % 10 === key);
    assert.deepEqual(
      ofKey,
      ofKey.toSorted((a, b) => a - b),
    );
  }
});
