import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SamplingJson } from '../../backend/query/shapes.ts';
import { silentLog } from '../../server/log.ts';
import { startBackendPart, type BackendPartOptions } from './backend.ts';

const OPTIONS: Omit<BackendPartOptions, 'data'> = {
  host: '127.0.0.1',
  queryPort: 0,
  otlpHttpPort: 0,
  otlpGrpcPort: 0,
  jaegerHttpPort: 0,
  jaegerUdpPort: 0,
  zipkinPort: 0,
  samplingPort: 0,
  clickhouseUrl: undefined,
  uiDir: undefined,
  token: undefined,
};
const TRACE_ID = 'ab'.repeat(16);

void test(
  'a backend told how long to keep drops what is older, and only that',
  { timeout: 60_000 },
  async () => {
    const data = await mkdtemp(join(tmpdir(), 'spoor-backend-'));
    await using after = new AsyncDisposableStack();
    after.defer(() => rm(data, { recursive: true, force: true }));
    const options: BackendPartOptions = { ...OPTIONS, data };
    const monthAgo = Date.now() - 30 * 86_400_000;
    const spansOf = async (url: string) => {
      const answer = await fetch(`${url}/api/traces/${TRACE_ID}`);
      const { data } = (await answer.json()) as { data: { spans: { operationName: string }[] }[] | null };
      return data?.[0]?.spans.map(({ operationName }) => operationName).sort();
    };
    {
      await using backend = await startBackendPart(options, silentLog());
      const { otlpHttp, query } = backend.endpoints as Record<string, string>;
      await send(otlpHttp as string, [
        ['old', monthAgo],
        ['new', Date.now()],
      ]);
      assert.deepEqual(await spansOf(query as string), ['new', 'old']);
    }
    await using backend = await startBackendPart({ ...options, keepDays: 7 }, silentLog());
    const { query } = backend.endpoints as Record<string, string>;
    while ((await spansOf(query as string))?.length !== 1) await sleep(50);
    assert.deepEqual(await spansOf(query as string), ['new']);
  },
);

void test(
  'a backend told to sample drops what is dull, and says so; a flow whose second hop fails later is whole',
  { timeout: 60_000 },
  async () => {
    const data = await mkdtemp(join(tmpdir(), 'spoor-backend-'));
    await using after = new AsyncDisposableStack();
    after.defer(() => rm(data, { recursive: true, force: true }));
    await using backend = await startBackendPart(
      {
        ...OPTIONS,
        data,
        tailSampling: {
          samplingPercentage: 0.000001,
          latencyThresholdMs: 60_000,
          rareFlowsPerHour: 0,
          decisionWaitMs: 3_000,
        },
      },
      silentLog(),
    );
    const { otlpHttp, query } = backend.endpoints as { otlpHttp: string; query: string };
    const ask = async (path: string) => (await (await fetch(`${query}${path}`)).json()) as SamplingJson;
    const sampling = (traceId: string) => ask(`/api/traces/${traceId}/sampling`);
    const spanOf = (traceId: string, fields: object = {}) => ({
      traceId,
      spanId: randomBytes(8).toString('hex'),
      name: 'hop',
      startTimeUnixNano: `${Date.now()}000000`,
      endTimeUnixNano: `${Date.now()}000001`,
      ...fields,
    });
    const [dull, first, second] = ['d1', 'f1', 'f2'].map((name) => name.repeat(16)) as [
      string,
      string,
      string,
    ];
    const sent = spanOf(first);
    await sendSpans(otlpHttp, [spanOf(dull), sent]);
    await sleep(2_000);
    await sendSpans(otlpHttp, [spanOf(second, { links: [{ traceId: first, spanId: sent.spanId }] })]);
    // Dropped means that the first hop would be as well, were it alone: it came with the dull one.
    while (!(await sampling(dull)).decided) await sleep(50);
    assert.equal((await sampling(first)).decided, false);
    await sendSpans(otlpHttp, [spanOf(second, { status: { code: 2 } })]);
    while (!(await sampling(second)).decided) await sleep(50);

    assert.deepEqual(await sampling(dull), {
      traceId: dull,
      decided: true,
      kept: false,
      policy: 'probabilistic',
      probability: 1e-8,
      adjustedCount: 0,
    });
    for (const traceId of [first, second])
      assert.deepEqual(await sampling(traceId), {
        traceId,
        decided: true,
        kept: true,
        policy: 'status_code',
        probability: 1,
        adjustedCount: 1,
      });
    while ((await fetch(`${query}/api/traces/${dull}`)).status !== 404) await sleep(50);
    assert.equal((await fetch(`${query}/api/traces/${first}`)).status, 200);
    const metrics = await (await fetch(`${otlpHttp}/metrics`)).text();
    assert.match(metrics, /^spoor_tail_sampling_traces_total\{policy="status_code",sampled="true"\} 2$/m);
  },
);

async function send(url: string, spans: readonly (readonly [string, number])[]): Promise<void> {
  await sendSpans(
    url,
    spans.map(([name, timeMs], at) => ({
      traceId: TRACE_ID,
      spanId: `${'cd'.repeat(7)}0${at + 1}`,
      name,
      startTimeUnixNano: `${timeMs}000000`,
      endTimeUnixNano: `${timeMs}000001`,
    })),
  );
}

async function sendSpans(url: string, spans: readonly object[]): Promise<void> {
  const answer = await fetch(`${url}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }),
  });
  assert.equal(answer.status, 200, await answer.text());
}
