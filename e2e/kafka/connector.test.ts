import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { placesOf } from '../../cli/settings.ts';
import { openKafka } from '../../platform/queue/kafka.ts';
import type { QueueRecord } from '../../platform/queue/queue.ts';
import { listen } from '../../server/listen.ts';
import { readBody } from '../../server/read-body.ts';
import { closeHttpServer } from '../../server/stop.ts';
import { startKafka } from './brokers.ts';

test("spoor connector takes the place of Fission's: same variables, key and trace kept, failures dead-lettered whole", async () => {
  await using kafka = await startKafka();
  await using queue = await openKafka({ brokers: kafka.brokers });
  const traceparents: unknown[] = [];
  const router = createServer((request, response) => {
    const answer = async () => {
      const body = (await readBody(request, 1e6, 'function')).toString();
      traceparents.push(request.headers['traceparent']);
      const fails = body === 'bad' || request.url !== '/fission-function/image';
      response.writeHead(fails ? 500 : 201).end(`card for ${body}`);
    };
    answer().catch((error: Error) => response.destroy(error));
  });
  const { url } = await listen(router, { port: 0 }, 'router');
  const data = await mkdtemp(join(tmpdir(), 'spoor-connector-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => closeHttpServer(router, 0));
  for (const dir of [data, placesOf(data).journals, placesOf(data).run])
    stack.defer(() => rm(dir, { recursive: true, force: true }));

  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../../cli/main.ts'), 'connector', '--data', data, '-o', 'json'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        TOPIC: 'greetings',
        HTTP_ENDPOINT: `${url}/fission-function/image`,
        BOOTSTRAP_SERVERS: kafka.brokers.join(','),
        CONSUMER_GROUP: 'g',
        RESPONSE_TOPIC: 'cards',
        ERROR_TOPIC: 'errors',
        SOURCE_NAME: 'on-greeting',
        MAX_RETRIES: '1',
        CONTENT_TYPE: 'text/plain',
      },
    },
  );
  const [ready] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  assert.equal((JSON.parse(ready) as { ready: boolean }).ready, true);

  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const headers = [
    ['traceparent', Buffer.from(`00-${trace}-00f067aa0ba902b7-01`)],
    ['raw', Buffer.from([0xff, 0])],
  ] as const;
  const key = Buffer.from('ada');
  await queue.produce('greetings', [
    { key, value: Buffer.from('Ada'), headers },
    { key, value: Buffer.from('bad'), headers },
  ]);
  const [card] = await first(1, 'cards');
  assert.deepEqual([card?.key, card?.value], [key, Buffer.from('card for Ada')]);
  const [dead] = await first(1, 'errors');
  assert.deepEqual([dead?.key, dead?.value], [key, Buffer.from('bad')]);
  const said = new Map(dead?.headers.map(([name, value]) => [name, value]));
  assert.deepEqual(said.get('raw'), Buffer.from([0xff, 0]));
  assert.equal(String(said.get('spoor-attempts')), '2');
  assert.equal(String(said.get('traceparent')).split('-')[1], trace);
  assert.ok(traceparents.every((each) => String(each).split('-')[1] === trace));

  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);

  async function first(count: number, topic: string): Promise<QueueRecord[]> {
    const found: QueueRecord[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    await using _subscription = await queue.subscribe({
      topic,
      group: 'test',
      offsetReset: 'earliest',
      maxBatchSize: 10,
      onRecords: async (records) => {
        found.push(...records);
        if (found.length >= count) resolve();
      },
      onError: (error) => {
        throw error;
      },
    });
    await promise;
    return found;
  }
});
