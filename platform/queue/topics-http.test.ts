import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'undici';
import { listen } from '../../server/listen.ts';
import { closeHttpServer } from '../../server/stop.ts';
import { recordedTracing } from '../trigger/test/recorded-tracing.ts';
import { openEmbeddedLog } from './embedded-log.ts';
import { topicsHandler } from './topics-http.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`;

void test('a body becomes a record with key and headers, and carries the PRODUCER span made for it', async () => {
  await using topics = await startTopics();
  const answer = await topics.ask('POST', '/topics/greetings', {
    body: 'hello',
    headers: {
      traceparent: TRACEPARENT,
      'x-record-key': 'ada',
      'X-Record-Header-Lang': ['en', 'de'],
      'x-record-binary-headers': '[["raw","/wA="]]',
    },
  });
  assert.equal(answer.status, 200);
  const { topic, partition, offset, timestamp } = answer.body as Record<string, unknown>;
  assert.deepEqual([topic, offset], ['greetings', '0']);
  assert.ok(Math.abs(Date.now() - Number(timestamp)) < 60_000);
  const [span] = topics.spans;
  assert.equal(span?.name, 'send greetings');
  assert.equal(span.context.traceId, TRACE_ID);
  assert.equal(answer.headers['traceresponse'], `00-${TRACE_ID}-${span.context.spanId}-01`);
  assert.equal(span.parentSpanId, '00f067aa0ba902b7');
  assert.equal(span.attributes['messaging.destination.partition.id'], String(partition));
  const [record] = await topics.queue.peek('greetings', { limit: 1 });
  assert.equal(String(record?.key), 'ada');
  assert.equal(String(record?.value), 'hello');
  assert.deepEqual(
    record?.headers.map(([name, value]) => [name, value.toString('latin1')]),
    [
      ['Lang', 'en'],
      ['Lang', 'de'],
      ['raw', '\u00ff\u0000'],
      ['traceparent', `00-${TRACE_ID}-${span.context.spanId}-01`],
    ],
  );
});

void test('a producer that has its own span gets no second one', async () => {
  await using topics = await startTopics();
  await topics.ask('POST', '/topics/t', {
    body: 'x',
    headers: { traceparent: TRACEPARENT, 'x-spoor-producer': 'span' },
  });
  assert.equal(topics.spans.length, 0);
  const [record] = await topics.queue.peek('t', { limit: 1 });
  assert.deepEqual(
    record?.headers.map(([name, value]) => [name, String(value)]),
    [['traceparent', TRACEPARENT]],
  );
});

const CONTEXTS: readonly (readonly [string, Record<string, string>])[] = [
  ['b3', { b3: `${TRACE_ID}-00f067aa0ba902b7-1` }],
  ['uber-trace-id', { 'uber-trace-id': `${TRACE_ID}:00f067aa0ba902b7:0:1` }],
];
for (const [format, headers] of CONTEXTS)
  void test(`a trace that comes as ${format} goes on as W3C`, async () => {
    await using topics = await startTopics();
    await topics.ask('POST', '/topics/t', { body: 'x', headers });
    const [record] = await topics.queue.peek('t', { limit: 1 });
    assert.deepEqual(
      record?.headers.map(([name, value]) => [name, String(value).slice(0, 36)]),
      [['traceparent', `00-${TRACE_ID}-`]],
    );
  });

void test('a malformed traceparent starts a trace, and the record is there', async () => {
  await using topics = await startTopics();
  const answer = await topics.ask('POST', '/topics/t', { body: 'x', headers: { traceparent: 'garbage' } });
  assert.equal(answer.status, 200);
  assert.equal(topics.spans[0]?.parentSpanId, '');
});

void test('records and topics are listed, bytes as base64 and offsets as strings', async () => {
  await using topics = await startTopics();
  assert.equal((await topics.ask('PUT', '/topics/t?partitions=1')).status, 201);
  await topics.ask('POST', '/topics/t', { body: 'x', headers: { 'x-spoor-producer': 'span' } });
  await topics.ask('POST', '/topics/t', {
    headers: { 'x-record-tombstone': 'true', 'x-spoor-producer': 'span', 'x-record-key': 'k' },
  });
  const { body } = await topics.ask('GET', '/topics/t/records?partition=0&offset=0&limit=5');
  const records = body as Record<string, unknown>[];
  assert.deepEqual(
    records.map(({ offset, key, value, headers }) => ({ offset, key, value, headers })),
    [
      { offset: '0', key: null, value: 'eA==', headers: [] },
      { offset: '1', key: 'aw==', value: null, headers: [] },
    ],
  );
  assert.deepEqual((await topics.ask('GET', '/topics')).body, [
    { name: 't', partitions: [{ partition: 0, startOffset: '0', endOffset: '2' }], groups: [] },
  ]);
  assert.equal((await topics.ask('DELETE', '/topics/t')).status, 200);
  assert.deepEqual((await topics.ask('GET', '/topics')).body, []);
});

const BAD: readonly (readonly [
  method: string,
  path: string,
  status: number,
  reason: string,
  headers?: Record<string, string>,
])[] = [
  ['GET', '/topics/none/records', 404, 'not_found'],
  ['GET', '/topics/t/other', 404, 'not_found'],
  ['DELETE', '/topics/none', 404, 'not_found'],
  ['PATCH', '/topics/t', 405, 'method_not_allowed'],
  ['POST', '/topics/a%20b', 400, 'bad_request'],
  ['POST', '/topics/%ff', 400, 'bad_request'],
  ['GET', '/topics/t/records?limit=0', 400, 'bad_request'],
  ['GET', '/topics/t/records?offset=-1', 400, 'bad_request'],
  ['POST', '/topics/t', 400, 'bad_request', { 'x-record-binary-headers': '{' }],
  ['POST', '/topics/t', 400, 'bad_request', { 'x-record-key-base64': '***' }],
];
for (const [method, path, status, reason, headers] of BAD)
  void test(`${method} ${path} ${JSON.stringify(headers ?? {})} is ${status}`, async () => {
    await using topics = await startTopics();
    const answer = await topics.ask(method, path, { headers });
    assert.equal(answer.status, status);
    assert.equal((answer.body as { reason: string }).reason, reason);
  });

void test('a body past the limit is 413', async () => {
  await using topics = await startTopics();
  const answer = await topics.ask('POST', '/topics/t', { body: Buffer.alloc(1024 * 1024 + 1) });
  assert.equal(answer.status, 413);
  assert.equal((answer.body as { reason: string }).reason, 'body_too_large');
});

void test('what an error topic holds is sent back once, without the words about the failure, linked to its first trace', async () => {
  await using topics = await startTopics();
  const header = (name: string, value: string) => [name, Buffer.from(value)] as const;
  const dead = (key: string) => ({
    key: Buffer.from(key),
    value: Buffer.from([0, 255]),
    headers: [
      header('traceparent', TRACEPARENT),
      header('lang', 'en'),
      header('spoor-reason', 'function_error'),
      header('spoor-original-traceparent', `00-${TRACE_ID}-1111111111111111-01`),
    ],
  });
  await topics.queue.produce('errors', [dead('a'), dead('b')]);
  const { status, body } = await topics.ask('POST', '/topics/errors/redrive?to=again');
  assert.deepEqual({ status, body }, { status: 200, body: { redriven: 2 } });
  await topics.queue.produce('errors', [dead('c')]);
  assert.deepEqual((await topics.ask('POST', '/topics/errors/redrive?to=again')).body, { redriven: 1 });
  assert.deepEqual((await topics.ask('POST', '/topics/errors/redrive?to=again')).body, { redriven: 0 });

  const records = await topics.queue.peek('again', { limit: 10 });
  assert.deepEqual(records.map(({ key }) => String(key)).sort(), ['a', 'b', 'c']);
  for (const { value, headers } of records) {
    assert.deepEqual(value, Buffer.from([0, 255]));
    assert.deepEqual(headers.map(([name]) => name).sort(), ['lang', 'spoor-redriven-from', 'traceparent']);
  }
  assert.equal(topics.spans.length, 3);
  for (const span of topics.spans) {
    assert.equal(span.name, 'send again');
    assert.equal(span.parentSpanId, '');
    assert.deepEqual(
      span.links.map(({ context }) => `${context.traceId}/${context.spanId}`),
      [`${TRACE_ID}/00f067aa0ba902b7`, `${TRACE_ID}/1111111111111111`],
    );
  }
});

void test('a redrive to nowhere, from nowhere or in a circle is refused', async () => {
  await using topics = await startTopics();
  await topics.queue.createTopic('errors');
  for (const [path, status] of [
    ['/topics/errors/redrive', 400],
    ['/topics/errors/redrive?to=a%20b', 400],
    ['/topics/errors/redrive?to=errors', 400],
    ['/topics/nothing/redrive?to=again', 404],
  ] as const)
    assert.equal((await topics.ask('POST', path)).status, status, path);
});

async function startTopics() {
  await using starting = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'spoor-topics-'));
  starting.defer(() => rm(folder, { recursive: true, force: true }));
  const queue = starting.use(await openEmbeddedLog({ path: join(folder, 'topics.db') }));
  const { tracing, spans } = recordedTracing();
  const handle = topicsHandler({ queue, tracing });
  const server = createServer((incoming, response) => void handle(incoming, response));
  const { url } = await listen(server, { port: 0 }, 'queue');
  starting.defer(() => closeHttpServer(server, 0));
  const stack = starting.move();
  return {
    queue,
    spans,
    ask: async (
      method: string,
      path: string,
      more: { body?: string | Buffer; headers?: Record<string, string | string[]> } = {},
    ) => {
      const response = await request(url + path, { method: method as 'GET', ...more });
      return { status: response.statusCode, headers: response.headers, body: await response.body.json() };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
