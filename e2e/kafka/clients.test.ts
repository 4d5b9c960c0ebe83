import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { EnvironmentProcess } from '../../function/environment/conformance/environment-process.ts';
import { environmentProgram } from '../../function/environment/node/bundle.ts';
import { pythonProgram } from '../../function/environment/python/program.ts';
import { SPAN_KIND, STATUS_CODE, type SpanData } from '../../function/span/span-data.ts';
import { openKafka } from '../../platform/queue/kafka.ts';
import type { Queue, QueueRecord } from '../../platform/queue/queue.ts';
import { headerText } from '../../platform/queue/record-headers.ts';
import { startKafka, type Kafka } from './brokers.ts';
import { pythonClients } from './python-clients.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const TRACEPARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const OWN = `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01`;
const MODULES = resolve(import.meta.dirname, '../../node_modules');

let kafka: Kafka;
let queue: Queue;
before(async () => {
  kafka = await startKafka();
  queue = await openKafka({ brokers: kafka.brokers });
});
after(async () => {
  await queue[Symbol.asyncDispose]();
  await kafka[Symbol.asyncDispose]();
});

/**
 * Each sends to TOPIC, which has one partition, in this order: `a` with key `k` and a header of its own; `b` and `c` at once; `own`,
 * with a traceparent of its own; and then one that is too large, which fails.
 */
const NODE: readonly (readonly [client: string, file: string, source: string])[] = [
  [
    'kafkajs, required',
    'index.cjs',
    `const { Kafka } = require('kafkajs');
     module.exports = async () => {
       const producer = new Kafka({ brokers: [process.env.BROKER], logLevel: 0, retry: { retries: 0 } }).producer();
       await producer.connect();
       const topic = process.env.TOPIC;
       const first = { key: 'k', value: 'a', headers: { mine: 'yes' } };
       await producer.send({ topic, messages: [first] });
       await producer.sendBatch({ topicMessages: [{ topic, messages: [{ value: 'b' }, { value: Buffer.from('c') }] }] });
       await producer.send({ topic, messages: [{ value: 'own', headers: { traceparent: process.env.OWN } }] });
       const failed = await producer.send({ topic, messages: [{ value: 'x'.repeat(2_000_000) }] }).then(() => 'sent', () => 'failed');
       await producer.disconnect();
       return { status: 200, body: failed + ' ' + Object.keys(first.headers) };
     };`,
  ],
  [
    'kafkajs, imported',
    'index.mjs',
    `import kafkajs from 'kafkajs';
     export default async () => {
       const producer = new kafkajs.Kafka({ brokers: [process.env.BROKER], logLevel: 0, retry: { retries: 0 } }).producer();
       await producer.connect();
       const topic = process.env.TOPIC;
       const first = { key: 'k', value: 'a', headers: { mine: 'yes' } };
       await producer.send({ topic, messages: [first] });
       await producer.send({ topic, messages: [{ value: 'b' }, { value: 'c' }] });
       await producer.send({ topic, messages: [{ value: 'own', headers: { traceparent: process.env.OWN } }] });
       const failed = await producer.send({ topic, messages: [{ value: 'x'.repeat(2_000_000) }] }).then(() => 'sent', () => 'failed');
       await producer.disconnect();
       return { status: 200, body: failed + ' ' + Object.keys(first.headers) };
     };`,
  ],
  ...(['', 'serializers: stringSerializers, '] as const).map(
    (serializers) =>
      [
        `@platformatic/kafka, ${serializers ? 'text' : 'bytes'}`,
        'index.mjs',
        `import { Producer, stringSerializers } from '@platformatic/kafka';
         const of = (text) => ${serializers ? 'text' : 'Buffer.from(text)'};
         export default async () => {
           const producer = new Producer({ ${serializers}clientId: 'mine', bootstrapBrokers: [process.env.BROKER], retries: 0 });
           const topic = process.env.TOPIC;
           const headers = new Map([[of('mine'), of('yes')]]);
           await producer.send({ messages: [{ topic, key: of('k'), value: of('a'), headers }] });
           await producer.send({ messages: [{ topic, value: of('b') }, { topic, value: of('c') }] });
           await producer.send({ messages: [{ topic, value: of('own'), headers: new Map([[of('traceparent'), of(process.env.OWN)]]) }] });
           const big = of('x'.repeat(2_000_000));
           const failed = await producer.send({ messages: [{ topic, value: big }] }).then(() => 'sent', () => 'failed');
           await producer.close();
           return { status: 200, body: failed + ' ' + [...headers.keys()].map(String) };
         };`,
      ] as const,
  ),
];

const PYTHON: readonly (readonly [client: string, source: string])[] = [
  [
    'kafka-python',
    `import os
from kafka import KafkaProducer

def main():
    topic = os.environ["TOPIC"]
    producer = KafkaProducer(bootstrap_servers=os.environ["BROKER"], linger_ms=20)
    headers = [("mine", b"yes")]
    producer.send(topic, b"a", key=b"k", headers=headers).get(20)
    both = [producer.send(topic, b"b"), producer.send(topic, value=b"c")]
    for each in both:
        each.get(20)
    producer.send(topic, b"own", headers=[("traceparent", os.environ["OWN"].encode())]).get(20)
    try:
        producer.send(topic, b"x" * 2_000_000).get(20)
        failed = "sent"
    except Exception:
        failed = "failed"
    producer.close()
    return failed + " " + ",".join(name for name, _ in headers)
`,
  ],
  [
    'confluent-kafka',
    `import os
from confluent_kafka import KafkaException, Producer

def main():
    topic = os.environ["TOPIC"]
    told = []
    producer = Producer({"bootstrap.servers": os.environ["BROKER"], "linger.ms": 20})
    headers = {"mine": b"yes"}
    producer.produce(topic, b"a", b"k", headers=headers, on_delivery=lambda error, message: told.append(error))
    producer.flush(20)
    producer.produce(topic, "b")
    producer.produce(topic, value=b"c", callback=lambda error, message: told.append(error))
    producer.flush(20)
    producer.produce(topic, b"own", headers=[("traceparent", os.environ["OWN"])])
    producer.flush(20)
    assert told == [None, None], told
    try:
        producer.produce(topic, b"x" * 2_000_000)
        failed = "sent"
    except KafkaException:
        failed = "failed"
    return failed + " " + ",".join(headers)
`,
  ],
];

void describe('records of a function’s own client are in its trace', { timeout: 240_000 }, () => {
  for (const [client, file, source] of NODE)
    void test(client, async () => {
      const command = { program: process.execPath, args: [await environmentProgram()] };
      await check(command, {}, (environment) => {
        const folder = environment.write({ [file]: source });
        symlinkSync(MODULES, join(folder, 'node_modules'));
        return environment.specialize(join(folder, file));
      });
    });

  for (const [client, source] of PYTHON)
    void test(client, async () => {
      const { command, args } = await pythonProgram();
      const PYTHONPATH = await pythonClients(command);
      await check({ program: command, args }, { PYTHONPATH }, (environment) =>
        environment.specialize(environment.write({ 'main.py': source }), 'main'),
      );
    });
});

/** The instrumentation that a function brings along stands in front of ours: its span is the one. */
const INSTRUMENTED = `
  const { registerInstrumentations } = require('@opentelemetry/instrumentation');
  const { KafkaJsInstrumentation } = require('@opentelemetry/instrumentation-kafkajs');
  registerInstrumentations({ instrumentations: [new KafkaJsInstrumentation()] });
  const { Kafka } = require('kafkajs');
  module.exports = async () => {
    const producer = new Kafka({ brokers: [process.env.BROKER], logLevel: 0 }).producer();
    await producer.connect();
    await producer.send({ topic: process.env.TOPIC, messages: [{ value: 'a' }] });
    await producer.disconnect();
    return { status: 200, body: 'sent' };
  };`;

void test(
  'kafkajs with OpenTelemetry’s own instrumentation makes one span, in the trace',
  { timeout: 60_000 },
  async () => {
    const topic = `sent-${crypto.randomUUID()}`;
    await queue.createTopic(topic, { partitions: 1 });
    const command = { program: process.execPath, args: [await environmentProgram()] };
    await using environment = await EnvironmentProcess.start(command, {
      env: { TOPIC: topic, BROKER: String(kafka.brokers[0]) },
    });
    const folder = environment.write({ 'index.cjs': INSTRUMENTED });
    symlinkSync(MODULES, join(folder, 'node_modules'));
    assert.equal((await environment.specialize(join(folder, 'index.cjs'))).status, 202);
    const answer = await environment.ask({ headers: { traceparent: TRACEPARENT } });
    assert.deepEqual([answer.status, answer.text], [200, 'sent'], environment.stderr);
    environment.child.kill('SIGTERM');
    await environment.ended;
    const { spans } = environment.journal();
    const [send, ...others] = spans.filter(({ kind }) => kind === SPAN_KIND.producer);
    assert.deepEqual(others, []);
    assert.equal(send?.parentSpanId, spans.find(({ kind }) => kind === SPAN_KIND.server)?.spanId);
    const [record] = await queue.peek(topic, { partition: 0, offset: 0n, limit: 1 });
    assert.equal(headerText(record?.headers ?? [], 'traceparent'), `00-${TRACE}-${send?.spanId}-01`);
  },
);

async function check(
  command: Parameters<typeof EnvironmentProcess.start>[0],
  env: Readonly<Record<string, string>>,
  load: (environment: EnvironmentProcess) => ReturnType<EnvironmentProcess['specialize']>,
): Promise<void> {
  const topic = `sent-${crypto.randomUUID()}`;
  await queue.createTopic(topic, { partitions: 1 });
  await using environment = await EnvironmentProcess.start(command, {
    env: { ...env, TOPIC: topic, BROKER: String(kafka.brokers[0]), OWN },
  });
  const loaded = await load(environment);
  assert.ok(loaded.status < 300, loaded.text);
  const answer = await environment.ask({ headers: { traceparent: TRACEPARENT, baggage: 'tenant=blue' } });
  assert.deepEqual([answer.status, answer.text], [200, 'failed mine'], environment.stderr);
  environment.child.kill('SIGTERM');
  await environment.ended;

  const { spans, open } = environment.journal();
  assert.deepEqual(
    open.map(({ name }) => name),
    [],
  );
  const server = spans.find(({ kind }) => kind === SPAN_KIND.server);
  const sends = spans
    .filter(({ kind }) => kind === SPAN_KIND.producer)
    .sort((a, b) => Number(a.startTimeUnixNano - b.startTimeUnixNano));
  assert.ok(sends.every((span) => span.name === `send ${topic}` && span.traceId === TRACE));
  assert.ok(sends.every((span) => span.parentSpanId === server?.spanId));
  assert.deepEqual(
    sends.map(({ status }) => status.code === STATUS_CODE.error),
    [false, false, false, true],
  );
  const records = await queue.peek(topic, { partition: 0, offset: 0n, limit: 10 });
  assert.deepEqual(
    records.map(({ value }) => String(value)),
    ['a', 'b', 'c', 'own'],
  );
  for (const [i, span] of sends.slice(0, 3).entries()) assertSent(span, records[i]);
  const [first, , , own] = records;
  assert.equal(String(first?.key), 'k');
  assert.equal(headerText(first?.headers ?? [], 'mine'), 'yes');
  assert.equal(sends[0]?.attributes['messaging.kafka.message.key'], 'k');
  assert.equal(headerText(own?.headers ?? [], 'traceparent'), OWN);
}

/** The record names the span, and the span the record. */
function assertSent(span: SpanData, record: QueueRecord | undefined): void {
  assert.ok(record);
  const { attributes } = span;
  assert.equal(headerText(record.headers, 'traceparent'), `00-${span.traceId}-${span.spanId}-01`);
  assert.equal(headerText(record.headers, 'baggage'), 'tenant=blue');
  assert.equal(attributes['messaging.system'], 'kafka');
  assert.equal(attributes['messaging.message.body.size'], 1n);
  assert.equal(attributes['messaging.destination.partition.id'], '0');
  assert.equal(attributes['messaging.kafka.offset'], record.offset);
}
