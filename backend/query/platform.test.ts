import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { silentLog } from '../../server/log.ts';
import { startQuery } from './query.ts';
import type { FunctionAnswerJson, PlatformJson, RecordsJson, TopicsJson } from './shapes.ts';
import { greeting } from './test/greetings.ts';
import { memoryReader } from './test/memory-reader.ts';

const metadata = { name: 'image', namespace: 'default', resourceVersion: '7' };
const functionref = { type: 'name', name: 'image' };
/** What the internal listener answers, by `METHOD path`. */
const ANSWERS: Readonly<Record<string, unknown>> = {
  'GET /control/v1/functions': {
    items: [
      {
        metadata,
        spec: {
          environment: { name: 'nodejs' },
          functionTimeout: 5,
          concurrency: 4,
          env: [{ name: 'KEY', value: 'hush' }],
          resources: { limits: { memory: 1_024 } },
        },
      },
    ],
  },
  'GET /control/v1/httptriggers': {
    items: [{ metadata, spec: { relativeurl: '/image', methods: ['POST'], functionref } }],
  },
  'GET /control/v1/messagequeuetriggers': {
    items: [{ metadata, spec: { topic: 'greetings', errorTopic: 'errors', maxRetries: 2, functionref } }],
  },
  'GET /control/v1/timetriggers': { items: [] },
  'GET /control/v1/instances': { items: [{ id: 'i-1', state: 'warm', active: 0, startedAtMs: 1 }] },
  'GET /topics': [
    {
      name: 'greetings',
      partitions: [{ partition: 0, startOffset: '0', endOffset: '9' }],
      groups: [{ group: 'default/image', partitions: [{ partition: 0, committed: '4', lag: '5' }] }],
    },
  ],
  'GET /topics/greetings/records?limit=1&partition=0&offset=3': [
    {
      topic: 'greetings',
      partition: 0,
      offset: '3',
      timestamp: 1,
      key: null,
      value: '/w==',
      headers: [['a', 'YQ==']],
    },
  ],
  'POST /topics/errors/redrive?to=greetings': { redriven: 3 },
  'POST /fission-function/default/image/x?y=1': { drawn: true },
};

void test('what the platform declares and holds reaches the screens, without values that may be secret', async () => {
  await using api = await start();
  const platform = await api.get<PlatformJson>('/api/platform');
  assert.deepEqual(
    platform.functions.map(({ name, version, memoryBytes, env }) => [name, version, memoryBytes, env]),
    [['image', '7', 1_024, ['KEY']]],
  );
  assert.ok(!JSON.stringify(platform).includes('hush'));
  assert.deepEqual(
    platform.triggers.map((trigger) => (trigger.kind === 'queue' ? trigger.consumerGroup : trigger.kind)),
    ['http', 'default/image'],
  );
  assert.deepEqual([platform.instances, platform.topics[0]?.groups[0]?.lag], [[], '5']);
  const { records } = await api.get<RecordsJson>(
    '/api/platform/topics/greetings/records?partition=0&offset=3',
  );
  assert.deepEqual(
    [records[0]?.key, records[0]?.value, records[0]?.headers],
    [null, { base64: '/w==' }, [{ name: 'a', text: 'a' }]],
  );
});

void test('a function is called as asked, and its answer told', async () => {
  await using api = await start();
  const answer = (await api.post('/api/platform/functions/default/image/call', {
    method: 'post',
    subpath: 'x?y=1',
    headers: [['x-mine', 'yes']],
    body: '{}',
  })) as FunctionAnswerJson;
  assert.deepEqual(
    [answer.status, answer.body, answer.isCut, answer.traceId],
    [200, '{"drawn":true}', false, 'abc'],
  );
  assert.equal(api.asked.at(-1)?.headers['x-mine'], 'yes');
  assert.deepEqual(await api.post('/api/platform/topics/errors/redrive', { to: 'greetings' }), {
    redriven: 3,
  });
});

void test('what cannot be passed on is refused with the value that is wrong', async () => {
  await using api = await start();
  const call = '/api/platform/functions/default/image/call';
  const cases: readonly (readonly [path: string, body: unknown, words: RegExp])[] = [
    [call, { subpath: '../../control/v1/functions' }, /400.*leads out/],
    [call, { method: 'TRACE' }, /400.*TRACE/],
    [call, { body: 'x' }, /400.*body with GET/],
    [call, { headers: [['x-spoor-attempt', '1']] }, /400.*x-spoor-attempt/],
    [call, { headers: [['a b', '1']] }, /400.*a b/],
    [call, { headers: 'no' }, /400.*headers/],
    [call, [], /400.*object/],
    ['/api/platform/topics/errors/redrive', {}, /400.*topic to send to/],
    ['/api/platform/topics/nobody/redrive', { to: 'x' }, /404.*no such thing/],
  ];
  for (const [path, body, words] of cases) assert.match(await api.refusal(path, body), words);
  const plain = await fetch(api.url + call, {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: '{}',
  });
  assert.equal(plain.status, 415);
});

void test('without a platform it is said so', async () => {
  await using server = await startQuery({ reader: memoryReader([]), port: 0, log: silentLog() });
  const response = await fetch(`${server.url}/api/platform`);
  assert.equal(response.status, 404);
  assert.match(await response.text(), /without one/);
});

void test('the time that records waited, by group and step', async () => {
  const start = BigInt(Date.now() - 120_000) * 1_000_000n;
  const spans = greeting(1, start, 'warm');
  await using server = await startQuery({ reader: memoryReader(spans), port: 0, log: silentLog() });
  const answer = (await (await fetch(`${server.url}/api/topics`)).json()) as TopicsJson;
  const greetings = answer.topics.find(({ topic }) => topic === 'greetings');
  const [group] = greetings?.groups ?? [];
  assert.equal(group?.received, 1);
  assert.ok(BigInt(group.waitP99Nano) > 0n);
  assert.deepEqual(
    group.points.map(({ received, waitP99Nano }) => [received, waitP99Nano]),
    [[1, group.waitP99Nano]],
  );
});

async function start() {
  const asked: IncomingMessage[] = [];
  const internal = createServer((request, response) => {
    asked.push(request);
    const answer = ANSWERS[`${request.method} ${request.url}`];
    response.writeHead(answer === undefined ? 404 : 200, { traceresponse: '00-abc-def-01' });
    response.end(
      JSON.stringify(answer ?? { component: 'queue', reason: 'not_found', message: 'no such thing' }),
    );
  });
  await new Promise<void>((done) => internal.listen(0, '127.0.0.1', done));
  const platform = `http://127.0.0.1:${(internal.address() as AddressInfo).port}`;
  const server = await startQuery({
    reader: memoryReader([]),
    port: 0,
    platform: async () => platform,
    log: silentLog(),
  });
  const send = (path: string, body: unknown) =>
    fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  return {
    url: server.url,
    asked,
    get: async <Body>(path: string) => (await (await fetch(server.url + path)).json()) as Body,
    post: async (path: string, body: unknown) => (await send(path, body)).json(),
    refusal: async (path: string, body: unknown) => {
      const response = await send(path, body);
      return `${response.status} ${await response.text()}`;
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      internal.closeAllConnections();
      await new Promise((done) => internal.close(done));
    },
  };
}
