import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../../server/log.ts';
import type { Engine } from '../store/engine.ts';
import { openStore } from '../store/open-store.ts';
import { SqlReader } from '../store/reader.ts';
import { startQuery } from './query.ts';
import { memoryReader } from './test/memory-reader.ts';

const PATIENCE_MS = 15_000;

void test('a client that leaves takes its queries with it: the one under way is killed, those that wait are dropped', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'spoor-cancel-'));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rm(dataDir, { recursive: true, force: true }));
  const log = silentLog();
  const store = cleanup.use(await openStore({ dataDir, log, querySessions: 1 }));
  // Whatever is asked takes longer than the test; the engine has one lane for it.
  let asking = 0;
  const endless: Engine = {
    rows: (_, options) => {
      asking += 1;
      return store.engine.rows(
        'SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1',
        options,
      );
    },
    command: (sql) => store.engine.command(sql),
    insertNative: (insert) => store.engine.insertNative(insert),
    [Symbol.asyncDispose]: async () => {},
  };
  const server = cleanup.use(await startQuery({ reader: new SqlReader(endless), port: 0, log }));

  const leaving = new AbortController();
  const asked = Array.from({ length: 5 }, () =>
    fetch(`${server.url}/api/services`, { signal: leaving.signal }).catch((error: unknown) => error),
  );
  await until(async () => asking === 5);
  leaving.abort();
  await Promise.all(asked);
  // The lane is free: an endless query and four behind it would keep it for minutes.
  assert.deepEqual(await store.engine.rows('SELECT 1', { signal: AbortSignal.timeout(PATIENCE_MS) }), [[1]]);
});

void test('a stream that is closed asks no more, and a server that stops gives up what it asked', async () => {
  const signals: AbortSignal[] = [];
  const reader = {
    ...memoryReader([]),
    until: (signal: AbortSignal) => {
      signals.push(signal);
      return {
        ...memoryReader([]),
        services: async () => {
          await once(signal, 'abort');
          throw signal.reason;
        },
      };
    },
  };
  const server = await startQuery({ reader, port: 0, log: silentLog() });
  const leaving = new AbortController();
  const stream = await fetch(`${server.url}/api/traces/stream`, { signal: leaving.signal });
  leaving.abort();
  await stream.text().catch(() => {});
  await until(async () => signals[0]?.aborted === true);

  const asked = fetch(`${server.url}/api/services`).catch((error: unknown) => error);
  await until(async () => signals.length === 2);
  await server[Symbol.asyncDispose]();
  await asked;
  assert.equal(signals[1]?.aborted, true);
});

void test('what one query may use is limited: its time, its memory and its rows', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'spoor-limits-'));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rm(dataDir, { recursive: true, force: true }));
  const store = cleanup.use(await openStore({ dataDir }));
  const ask = (sql: string) => store.engine.rows(sql, { maxExecutionTimeMs: 5_000 });
  await assert.rejects(ask('SELECT number FROM numbers(3000000)'), /limit/i);
  await assert.rejects(ask('SELECT groupArray(number) FROM numbers(300000000)'), { reason: 'overloaded' });
  await assert.rejects(
    store.engine.rows('SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1', {
      maxExecutionTimeMs: 500,
    }),
    { reason: 'overloaded' },
  );
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it was not so within ${PATIENCE_MS} ms`);
    await sleep(20);
  }
}
