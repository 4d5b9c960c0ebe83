import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../../server/log.ts';
import { startBackendPart, type BackendPartOptions } from './backend.ts';

const TRACE_ID = 'ab'.repeat(16);

void test(
  'a backend told how long to keep drops what is older, and only that',
  { timeout: 60_000 },
  async () => {
    const data = await mkdtemp(join(tmpdir(), 'spoor-backend-'));
    await using after = new AsyncDisposableStack();
    after.defer(() => rm(data, { recursive: true, force: true }));
    const options: BackendPartOptions = {
      data,
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

async function send(url: string, spans: readonly (readonly [string, number])[]): Promise<void> {
  const answer = await fetch(`${url}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      resourceSpans: [
        {
          scopeSpans: [
            {
              spans: spans.map(([name, timeMs], at) => ({
                traceId: TRACE_ID,
                spanId: `${'cd'.repeat(7)}0${at + 1}`,
                name,
                startTimeUnixNano: `${timeMs}000000`,
                endTimeUnixNano: `${timeMs}000001`,
              })),
            },
          ],
        },
      ],
    }),
  });
  assert.equal(answer.status, 200, await answer.text());
}
