import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../server/log.ts';
import { startBackendPart } from './backend.ts';
import { startCollectorPart, type CollectorPartOptions } from './collector.ts';

const TRACE_ID = 'ab'.repeat(16);
const OPTIONS: Omit<CollectorPartOptions, 'data'> = {
  host: '127.0.0.1',
  otlpHttpPort: 0,
  otlpGrpcPort: 0,
  jaegerHttpPort: 0,
  jaegerUdpPort: 0,
  zipkinPort: 0,
  samplingPort: 0,
  clickhouseUrl: undefined,
  token: undefined,
};

void test('a collector that others can reach wants a token', async () => {
  await assert.rejects(startCollectorPart({ ...OPTIONS, data: '/nowhere', host: '0.0.0.0' }, silentLog()), {
    reason: 'forbidden',
    message: /cannot listen on 0\.0\.0\.0 without a token: set SPOOR_TOKEN/,
  });
});

void test(
  'what a collector alone took in is there for the backend that opens its data later',
  { timeout: 60_000 },
  async () => {
    const data = await mkdtemp(join(tmpdir(), 'spoor-collector-'));
    await using after = new AsyncDisposableStack();
    after.defer(() => rm(data, { recursive: true, force: true }));
    const options: CollectorPartOptions = { ...OPTIONS, data };
    {
      await using collector = await startCollectorPart(options, silentLog());
      assert.deepEqual(Object.keys(collector.endpoints).sort(), [
        'jaegerHttp',
        'jaegerUdp',
        'otlpGrpc',
        'otlpHttp',
        'sampling',
        'zipkin',
      ]);
      const span = {
        traceId: TRACE_ID,
        spanId: 'cd'.repeat(8),
        name: 'kept',
        startTimeUnixNano: `${Date.now()}000000`,
        endTimeUnixNano: `${Date.now()}000001`,
      };
      const answer = await fetch(`${collector.endpoints['otlpHttp']}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
      });
      assert.equal(answer.status, 200, await answer.text());
    }
    await using backend = await startBackendPart({ ...options, queryPort: 0, uiDir: undefined }, silentLog());
    const answer = await fetch(`${backend.endpoints['query']}/api/traces/${TRACE_ID}`);
    const { data: traces } = (await answer.json()) as { data: { spans: { operationName: string }[] }[] };
    assert.deepEqual(
      traces[0]?.spans.map(({ operationName }) => operationName),
      ['kept'],
    );
  },
);
