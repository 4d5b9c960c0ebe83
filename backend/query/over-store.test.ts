import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../server/log.ts';
import { openStore } from '../store/open-store.ts';
import { startQuery } from './query.ts';
import { greeting, greetingLogs } from './test/greetings.ts';
import { memoryReader } from './test/memory-reader.ts';

/** Recent, since the store drops what is older than it keeps. */
const now = BigInt(Date.now()) * 1_000_000n;
const traces = (['none', 'crash', 'slow', 'error'] as const).map((fault, i) =>
  greeting(i + 1, now - BigInt(60 - i * 10) * 1_000_000_000n, fault),
);
const spans = traces.flat();
const id = traces[1]?.[0]?.traceId ?? '';
const range = 'query.startTimeMin=2026-01-01T00:00:00Z&query.startTimeMax=2100-01-01T00:00:00Z';

const paths: readonly string[] = [
  '/api/services',
  '/api/services/greeter/operations',
  '/api/operations?service=greeter&spanKind=client',
  '/api/traces?service=greeter',
  '/api/traces?service=greeter&limit=2',
  '/api/traces?service=image&tags={"error":"true"}',
  '/api/traces?service=image&tags={"card.scale":"1.5","card.width":"2400"}',
  '/api/traces?service=validator&minDuration=1s',
  '/api/traces?tag=spoor.attempt:2',
  '/api/traces?tag=spoor.unfinished',
  `/api/traces?traceID=${id}&traceID=${'e'.repeat(32)}`,
  `/api/traces/${id}`,
  `/api/traces/${'f'.repeat(32)}`,
  `/api/traces/${id}/logs`,
  `/api/traces/${id}/links`,
  '/api/dependencies',
  `/api/v3/traces/${id}`,
  `/api/v3/traces?${range}&query.serviceName=image&query.attributes={"error":"false"}`,
  `/api/v3/trace-summaries?${range}&query.serviceName=image`,
  // Through every parameter that could reach the engine.
  `/api/traces?service=${encodeURIComponent("a' OR 1=1 --")}&operation=${encodeURIComponent("'); DROP TABLE spans; --")}`,
  `/api/traces?tag=${encodeURIComponent("x'{y:String}\\:z') OR ('1'='1")}`,
  `/api/services/${encodeURIComponent("greeter' OR '1'='1")}/operations`,
];

void test('over the real store, every endpoint answers as over a plain list of spans', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'spoor-query-'));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rm(dataDir, { recursive: true, force: true }));
  const log = silentLog();
  const store = cleanup.use(await openStore({ dataDir, log }));
  const logs = greetingLogs(spans);
  await store.writer.writeSpans(spans);
  await store.writer.writeLogs(logs);
  const real = cleanup.use(await startQuery({ reader: store.reader, port: 0, log }));
  const plain = cleanup.use(await startQuery({ reader: memoryReader(spans, logs), port: 0, log }));

  for (const path of paths)
    await t.test(decodeURIComponent(path), async () => {
      assert.deepEqual(await answer(real.url + path), await answer(plain.url + path));
    });
});

/** Without the order of what has none. */
async function answer(url: string): Promise<unknown> {
  const response = await fetch(url);
  return { status: response.status, body: unordered(await response.json()) };
}

function unordered(json: unknown): unknown {
  if (Array.isArray(json))
    return json.map(unordered).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof json !== 'object' || json === null) return json;
  // Processes are numbered as they come.
  const fields = Object.entries(json).filter(([key]) => key !== 'processID' && key !== 'processes');
  return Object.fromEntries(
    fields.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, unordered(value)]),
  );
}
