import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SPAN_KIND, STATUS_CODE } from '../../span/span-data.ts';
import { startWith } from './start-with.ts';

interface Received {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** The internal listener's `POST /topics/NAME`: answers as docs/instance.md says, or with `status`. */
async function startTopics(status = 200): Promise<AsyncDisposable & { url: string; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      received.push({ url: request.url, headers: request.headers, body });
      response.statusCode = status;
      response.end(
        status === 200
          ? JSON.stringify({ topic: 'greetings', partition: 2, offset: 41, timestamp: 1_790_000_000_000 })
          : 'the queue is full',
      );
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const PUBLISH = `
  module.exports = async ({ publish, request }) => {
    const where = await publish('greetings', { hello: 'Ada' }, { key: 'ключ', headers: { color: 'blue' } });
    return { status: 200, body: where };
  };`;

void test('publish sends one record below a PRODUCER span whose context goes with it', async () => {
  await using topics = await startTopics();
  await using environment = await startWith(PUBLISH, { env: { SPOOR_INTERNAL_URL: topics.url } });
  assert.equal(JSON.parse((await environment.ask()).text).offset, 41);
  environment.child.kill('SIGTERM');
  await environment.ended;

  const { spans } = environment.journal();
  assert.equal(spans.length, 2, 'a PRODUCER and a SERVER, no CLIENT');
  const producer = spans.find((span) => span.kind === SPAN_KIND.producer);
  const server = spans.find((span) => span.kind === SPAN_KIND.server);
  assert.equal(producer?.name, 'send greetings');
  assert.equal(producer.parentSpanId, server?.spanId);
  assert.equal(producer.attributes['messaging.destination.name'], 'greetings');
  assert.equal(producer.attributes['messaging.destination.partition.id'], '2');
  assert.equal(producer.attributes['messaging.kafka.offset'], 41n);
  assert.equal(producer.attributes['messaging.kafka.message.key'], 'ключ');

  const [record] = topics.received;
  assert.equal(record?.url, '/topics/greetings');
  assert.equal(record.body, '{"hello":"Ada"}');
  assert.equal(record.headers['x-spoor-producer'], 'span');
  assert.equal(Buffer.from(String(record.headers['x-record-key']), 'latin1').toString('utf8'), 'ключ');
  assert.equal(record.headers['x-record-header-color'], 'blue');
  assert.equal(record.headers['traceparent'], `00-${producer.traceId}-${producer.spanId}-01`);
});

void test('publish works after the answer, from outside any request', async () => {
  await using topics = await startTopics();
  await using environment = await startWith(
    `let publish;
     const { context, ROOT_CONTEXT } = require('@opentelemetry/api');
     setInterval(() => {}, 1000);
     process.on('SIGUSR2', () => context.with(ROOT_CONTEXT, () => publish('greetings', 'late').then(() => process.stdout.write('published'))));
     module.exports = (context) => { publish = context.publish; return { status: 200 }; };`,
    { env: { SPOOR_INTERNAL_URL: topics.url } },
  );
  await environment.ask();
  environment.child.kill('SIGUSR2');
  await environment.printed('published');
  assert.equal(topics.received[0]?.body, 'late');
});

void test('publish that fails says why, and so does its span', async () => {
  const tell = `
    module.exports = async ({ publish }) => {
      const why = async (...args) => { try { await publish(...args); return 'no error'; } catch (error) { return error.message; } };
      return { status: 200, body: [await why('greetings', 'x'), await why('', 'x'), await why('greetings', undefined)] };
    };`;
  await using topics = await startTopics(503);
  await using refused = await startWith(tell, { env: { SPOOR_INTERNAL_URL: topics.url } });
  assert.deepEqual(JSON.parse((await refused.ask()).text), [
    'cannot publish to topic [greetings]: the queue answered 503: the queue is full',
    'cannot publish to topic [""]: it must have a name',
    'cannot publish undefined to topic [greetings]: give a string, a Buffer or a value for JSON',
  ]);
  refused.child.kill('SIGTERM');
  await refused.ended;
  const producer = refused.journal().spans.find((span) => span.kind === SPAN_KIND.producer);
  assert.equal(producer?.status.code, STATUS_CODE.error);

  await using alone = await startWith(tell);
  assert.match((await alone.ask()).text, /SPOOR_INTERNAL_URL is not set/);
});
