import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { Failure } from '../../server/failure.ts';
import { queueContract } from './contract.ts';
import { openEmbeddedLog, type EmbeddedLogOptions } from './embedded-log.ts';
import type { QueueRecord } from './queue.ts';

queueContract('embedded log', async () => {
  const folder = await temporaryFolder();
  const log = await openEmbeddedLog({ path: join(folder.path, 'topics.db') });
  const close = log[Symbol.asyncDispose].bind(log);
  log[Symbol.asyncDispose] = async () => {
    await close();
    await folder[Symbol.asyncDispose]();
  };
  return log;
});

void test('what was acknowledged before kill -9 is there afterwards, and a group goes on where it was', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'topics.db');
  const acknowledged = new Map<number, string>();
  for (const round of [1, 2, 3]) {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'test/produce-and-consume.ts'), path, String(round)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let consumed = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as { produced?: [number, string]; committed?: number };
      if (event.produced) acknowledged.set(event.produced[0], event.produced[1]);
      if (event.committed !== undefined) consumed = event.committed;
      if (acknowledged.size >= round * 2_000 && consumed > 500) child.kill('SIGKILL');
    }
    if (child.signalCode === null && child.exitCode === null) await once(child, 'exit');
    assert.equal(child.signalCode, 'SIGKILL');
  }
  await using log = await openEmbeddedLog({ path });
  const kept = await readAll(log, 'numbers');
  const there = new Map(kept.map((record) => [Number(String(record.key)), String(record.value)]));
  for (const [key, value] of acknowledged) assert.equal(there.get(key), value);
  const [topic] = await log.topics();
  const group = topic?.groups.find((each) => each.group === 'g');
  assert.ok(group && group.partitions.reduce((sum, { committed }) => sum + committed, 0n) > 0n);
});

void test('a second process that opens the same log is told so', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'topics.db');
  await using _first = await openEmbeddedLog({ path });
  await assert.rejects(
    openEmbeddedLog({ path }),
    (error) => error instanceof Failure && error.reason === 'conflict',
  );
});

void test('retention deletes the oldest by bytes and by age, and offsets go on', async () => {
  await using opened = await temporaryLog({
    partitions: 1,
    retention: { maxBytes: 10_000, maxAgeMs: 60_000 },
  });
  const { log } = opened;
  const value = Buffer.alloc(1_000);
  await log.produce('t', [{ key: null, value, headers: [], timestamp: Date.now() - 120_000 }]);
  await log.produce(
    't',
    Array.from({ length: 20 }, () => ({ key: null, value, headers: [] })),
  );
  await log.applyRetention();
  const [topic] = await log.topics();
  assert.deepEqual(topic?.partitions, [{ partition: 0, startOffset: 11n, endOffset: 21n }]);
  await log.applyRetention(Date.now() + 120_000);
  const [position] = await log.produce('t', [{ key: null, value, headers: [] }]);
  assert.equal(position?.offset, 21n);
  assert.equal((await log.peek('t', { limit: 10 })).length, 1);
});

void test('a group that retention overtook is told which offsets it lost', async () => {
  await using opened = await temporaryLog({ partitions: 1, retention: { maxBytes: 100 } });
  const { log } = opened;
  const options = { topic: 't', group: 'g', offsetReset: 'earliest', maxBatchSize: 10 } as const;
  await (
    await log.subscribe({ ...options, onRecords: async () => {}, onError: assert.fail })
  )[Symbol.asyncDispose]();
  await log.produce(
    't',
    Array.from({ length: 10 }, (_, i) => ({ key: null, value: Buffer.alloc(50, i), headers: [] })),
  );
  await log.applyRetention();
  const errors: string[] = [];
  const { promise, resolve } = Promise.withResolvers<readonly QueueRecord[]>();
  await using _subscription = await log.subscribe({
    ...options,
    onRecords: async (records) => resolve(records),
    onError: (error) => void errors.push(error.message),
  });
  assert.deepEqual(
    (await promise).map((record) => record.offset),
    [8n, 9n],
  );
  assert.match(errors[0] ?? '', /cannot read offsets 0 to 7 of t\/0: retention deleted them/);
});

void test('producers are told to come back when too much waits to be written', async () => {
  await using opened = await temporaryLog({});
  const value = Buffer.alloc(1024 * 1024);
  const results = await Promise.allSettled(
    Array.from({ length: 80 }, () => opened.log.produce('t', [{ key: null, value, headers: [] }])),
  );
  const refused = results.filter((result) => result.status === 'rejected');
  assert.equal(refused.length, 16);
  for (const { reason } of refused) assert.equal((reason as Failure).reason, 'overloaded');
});

async function readAll(
  log: Awaited<ReturnType<typeof openEmbeddedLog>>,
  topic: string,
): Promise<QueueRecord[]> {
  const all: QueueRecord[] = [];
  const description = (await log.topics()).find(({ name }) => name === topic);
  for (const { partition, startOffset, endOffset } of description?.partitions ?? []) {
    let offset = startOffset;
    while (offset < endOffset) {
      const records = await log.peek(topic, { partition, offset, limit: 1_000 });
      for (const record of records) assert.equal(record.offset, offset++);
      all.push(...records);
    }
  }
  return all;
}

async function temporaryLog(options: Omit<EmbeddedLogOptions, 'path'>) {
  const folder = await temporaryFolder();
  const log = await openEmbeddedLog({ path: join(folder.path, 'topics.db'), ...options });
  return {
    log,
    [Symbol.asyncDispose]: async () => {
      await log[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'spoor-queue-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
