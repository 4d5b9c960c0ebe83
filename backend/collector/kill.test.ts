import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../../server/log.ts';
import type { ChdbEngine } from '../store/chdb-engine.ts';
import { openStore, type OpenStore } from '../store/open-store.ts';
import { NOON, span, temporaryFolder } from '../store/testing.ts';
import { startCollector } from './collector.ts';
import { tracesProtobuf } from './testing.ts';

/** Deaths per test: `SPOOR_TEST_KILLS=50 node --test backend/collector/kill.test.ts`. */
const KILLS = Number(process.env['SPOOR_TEST_KILLS'] ?? 3);
const SPANS_PER_REQUEST = 50;
const SENDERS = 8;

void test('the engine is killed during ingest: nothing acknowledged is lost, nothing refused, nothing shown twice', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  await using collector = await startCollector({
    store: store.writer,
    httpPort: 0,
    log: silentLog(),
    limits: { batchWaitMs: 5 },
  });
  const engine = store.engine as ChdbEngine;
  const acknowledged: string[] = [];
  const stop = new AbortController();
  const senders = Array.from({ length: SENDERS }, async () => {
    while (!stop.signal.aborted) {
      const { traceId, status } = await post(collector.url);
      assert.equal(status, 200);
      acknowledged.push(traceId);
    }
  });
  for (let kills = 1; kills <= KILLS; kills += 1) {
    const seen = acknowledged.length;
    while (acknowledged.length < seen + 40) await sleep(5);
    process.kill(engine.pid as number, 'SIGKILL');
    // A query under way when it dies is asked again.
    assert.ok((await store.reader.services()).includes('greeter'));
    assert.equal(engine.restarts, kills);
  }
  stop.abort();
  await Promise.all(senders);
  await assertStored(store, acknowledged);
});

void test('a hanging engine is noticed, killed and started again, and what waited for it is done', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path, hangAfterMs: 1_000 });
  const engine = store.engine as ChdbEngine;
  process.kill(engine.pid as number, 'SIGSTOP');
  const one = span();
  await store.writer.writeSpans([one]);
  assert.equal(engine.restarts, 1);
  assert.deepEqual(await store.reader.trace(one.traceId), [one]);
});

void test('the backend is killed during ingest: every acknowledged span is there after the restart', async () => {
  await using folder = await temporaryFolder();
  const acknowledged: string[] = [];
  for (let kills = 0; kills < KILLS; kills += 1) {
    const backend = spawn(process.execPath, [join(import.meta.dirname, 'testing-backend.ts'), folder.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(backend, 'exit');
    const lines = createInterface({ input: backend.stdout });
    const [url] = (await Promise.race([once(lines, 'line'), exited])) as [string];
    assert.equal(backend.exitCode, null, 'the backend ends instead of starting');
    const wanted = acknowledged.length + 40;
    const senders = Array.from({ length: SENDERS }, async () => {
      for (;;) {
        const answer = await post(url).catch(() => undefined);
        if (answer === undefined) return;
        if (answer.status === 200) acknowledged.push(answer.traceId);
      }
    });
    while (acknowledged.length < wanted) await sleep(5);
    backend.kill('SIGKILL');
    await exited;
    await Promise.all(senders);
  }
  await using store = await openStore({ dataDir: folder.path });
  await assertStored(store, acknowledged);
});

/** All spans of every trace are in the table, and the reader shows each once. */
async function assertStored(store: OpenStore, traceIds: readonly string[]): Promise<void> {
  const rows = await store.engine.rows(
    'SELECT lower(hex(trace_id)), uniqExact(span_id) FROM spans GROUP BY trace_id',
  );
  const kept = new Map(rows.map(([traceId, spans]) => [traceId as string, Number(spans)]));
  for (const traceId of traceIds) assert.equal(kept.get(traceId), SPANS_PER_REQUEST);
  for (const traceId of traceIds.slice(-20))
    assert.equal((await store.reader.trace(traceId)).length, SPANS_PER_REQUEST);
}

async function post(url: string): Promise<{ readonly traceId: string; readonly status: number }> {
  const root = span();
  const spans = Array.from({ length: SPANS_PER_REQUEST }, (_, at) =>
    span({
      traceId: root.traceId,
      startTimeUnixNano: NOON + BigInt(at),
      attributes: { text: 'a\n\nb', at: BigInt(at) },
    }),
  );
  const response = await fetch(`${url}/v1/traces`, {
    method: 'POST',
    body: tracesProtobuf(spans),
    headers: { 'content-type': 'application/x-protobuf' },
  });
  await response.arrayBuffer();
  return { traceId: root.traceId, status: response.status };
}
