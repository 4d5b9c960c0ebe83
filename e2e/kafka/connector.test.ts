import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { placesOf } from '../../cli/settings.ts';
import { OtlpSink } from '../../function/agent/test/otlp-sink.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import { openKafka } from '../../platform/queue/kafka.ts';
import type { Queue, QueueRecord } from '../../platform/queue/queue.ts';
import { createSigner } from '../../platform/trigger/sign-request.ts';
import { listen } from '../../server/listen.ts';
import { readBody } from '../../server/read-body.ts';
import { closeHttpServer } from '../../server/stop.ts';
import { startKafka } from './brokers.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = ['traceparent', Buffer.from(`00-${TRACE}-00f067aa0ba902b7-01`)] as const;

void test("spoor connector takes the place of Fission's: same variables, key and trace kept, failures dead-lettered whole", async () => {
  await using kafka = await startKafka();
  await using queue = await openKafka({ brokers: kafka.brokers });
  const traceparents: unknown[] = [];
  await using router = await routerThat(async (request, response) => {
    const body = (await readBody(request, 1e6, 'function')).toString();
    traceparents.push(request.headers['traceparent']);
    const fails = body === 'bad' || request.url !== '/fission-function/image';
    response.writeHead(fails ? 500 : 201).end(`card for ${body}`);
  });
  await using connector = await startConnector({
    HTTP_ENDPOINT: `${router.url}/fission-function/image`,
    BOOTSTRAP_SERVERS: kafka.brokers.join(','),
    RESPONSE_TOPIC: 'cards',
    ERROR_TOPIC: 'errors',
    SOURCE_NAME: 'on-greeting',
    MAX_RETRIES: '1',
    CONTENT_TYPE: 'text/plain',
  });

  const headers = [TRACEPARENT, ['raw', Buffer.from([0xff, 0])]] as const;
  const key = Buffer.from('ada');
  await queue.produce('greetings', [
    { key, value: Buffer.from('Ada'), headers },
    { key, value: Buffer.from('bad'), headers },
  ]);
  const [card] = await first(queue, 'cards');
  assert.deepEqual([card?.key, card?.value], [key, Buffer.from('card for Ada')]);
  const [dead] = await first(queue, 'errors');
  assert.deepEqual([dead?.key, dead?.value], [key, Buffer.from('bad')]);
  const said = new Map(dead?.headers.map(([name, value]) => [name, value]));
  assert.deepEqual(said.get('raw'), Buffer.from([0xff, 0]));
  assert.equal(String(said.get('spoor-attempts')), '2');
  assert.equal(String(said.get('traceparent')).split('-')[1], TRACE);
  assert.ok(traceparents.every((each) => String(each).split('-')[1] === TRACE));
  assert.deepEqual(await connector.stopped(), [0, null]);
});

void test('a connector that is told of a collector signs its requests, delivers its spans itself, also those it was killed in, and goes on', async () => {
  await using kafka = await startKafka();
  await using queue = await openKafka({ brokers: kafka.brokers });
  await using sink = await OtlpSink.start();
  const called = Promise.withResolvers<undefined>();
  let calls = 0;
  const secret = 'a secret of the whole cluster';
  const signatures: boolean[] = [];
  await using router = await routerThat(async (request, response) => {
    const body = await readBody(request, 1e6, 'function');
    const seconds = Number(request.headers['x-fission-auth-timestamp']);
    const expected = createSigner(secret)('POST', request.url ?? '', body, seconds);
    signatures.push(request.headers['x-fission-auth-signature'] === expected['x-fission-auth-signature']);
    calls += 1;
    called.resolve(undefined);
    // The first is never answered.
    if (calls > 1) response.end('card');
  });
  await using connector = await startConnector({
    HTTP_ENDPOINT: `${router.url}/fission-function/image`,
    BOOTSTRAP_SERVERS: kafka.brokers.join(','),
    RESPONSE_TOPIC: 'cards',
    OFFSET_RESET_POLICY: 'earliest',
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    SPOOR_SESSION_TIMEOUT_MS: '6000',
    FISSION_INTERNAL_AUTH_SECRET: secret,
  });
  await queue.produce('greetings', [{ key: null, value: Buffer.from('Ada'), headers: [TRACEPARENT] }]);
  await called.promise;
  process.kill(connector.childPid('connector'), 'SIGKILL');
  await first(queue, 'cards');
  assert.deepEqual(signatures, [true, true]);

  const ofTrace = () => [...sink.distinct.values()].filter(({ traceId }) => traceId === TRACE);
  const named = (name: string) => ofTrace().filter((span) => span.name === name);
  await sink.until(() => named('process greetings').length === 2 && named('send cards').length === 1);
  const isCut = (span: SpanData) => span.attributes['spoor.unfinished'] === true;
  for (const name of ['process greetings', 'invoke image'])
    assert.deepEqual([named(name).length, named(name).filter(isCut).length], [2, 1], name);
  for (const span of ofTrace().filter(isCut))
    assert.deepEqual(
      [span.attributes['spoor.end.reason'], span.attributes['spoor.end.signal']],
      ['signal', 'SIGKILL'],
    );
  assert.deepEqual(await connector.stopped(), [0, null]);
});

async function routerThat(answer: (...args: Parameters<RequestListener>) => Promise<void>) {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => response.destroy(error));
  });
  const { url } = await listen(server, { port: 0 }, 'router');
  return { url, [Symbol.asyncDispose]: () => closeHttpServer(server, 0) };
}

/** Of topic `greetings`; resolves when it is ready. */
async function startConnector(variables: Readonly<Record<string, string>>) {
  await using starting = new AsyncDisposableStack();
  const data = await mkdtemp(join(tmpdir(), 'spoor-connector-'));
  for (const dir of [data, placesOf(data).journals, placesOf(data).run])
    starting.defer(() => rm(dir, { recursive: true, force: true }));
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../../cli/main.ts'), 'connector', '--data', data, '-o', 'json'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TOPIC: 'greetings', CONSUMER_GROUP: 'g', ...variables },
    },
  );
  const exited = once(child, 'exit');
  starting.defer(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const [ready] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  assert.equal((JSON.parse(ready) as { ready: boolean }).ready, true);
  const started = starting.move();
  return {
    async stopped(): Promise<unknown> {
      child.kill('SIGTERM');
      return exited;
    },
    childPid(verb: string): number {
      const own = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
      const pid = own.find((each) =>
        readFileSync(`/proc/${each}/cmdline`, 'utf8').split('\0').includes(verb),
      );
      return Number(pid);
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function first(queue: Queue, topic: string): Promise<QueueRecord[]> {
  const { promise, resolve } = Promise.withResolvers<QueueRecord[]>();
  await using _subscription = await queue.subscribe({
    topic,
    group: 'test',
    offsetReset: 'earliest',
    maxBatchSize: 10,
    onRecords: async (records) => resolve([...records]),
    onError: (error) => {
      throw error;
    },
  });
  return await promise;
}
