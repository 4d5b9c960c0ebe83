import assert from 'node:assert/strict';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { test } from 'node:test';
import { Failure } from '../../server/failure.ts';
import type { RecordHeaders, RecordToProduce } from '../queue/queue.ts';
import { headerText } from '../queue/record-headers.ts';
import { mqTrigger, startTestPlatform } from './test/test-platform.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PRODUCER_ID = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE_ID}-${PRODUCER_ID}-01`;

void test('a record is one trace: producer, process, invoke, send, each the child of the one before', async () => {
  await using platform = await startTestPlatform(() => ({
    headers: {
      'content-type': 'image/svg+xml',
      'x-card': 'yes',
      'x-spoor-coldstart': 'true',
      'x-spoor-instance': 'i-1',
    },
    body: '<svg/>',
  }));
  platform.catalog.put(mqTrigger());
  await platform.triggers.settled();
  await platform.queue.produce('greetings', [
    record('{"name":"Ada"}', {
      key: 'ada',
      headers: [
        ['traceparent', TRACEPARENT],
        ['baggage', 'tenant=blue'],
      ],
    }),
  ]);
  const [card] = await platform.records('cards', 1);
  await platform.idle('greetings', 'g');
  const [process, invoke, send] = platform.spans;
  assert.ok(card && process && invoke && send);
  assert.equal(platform.spans.length, 3);
  assert.deepEqual(
    platform.spans.map(({ name, options, parentSpanId, context, ended }) => [
      name,
      options.kind,
      parentSpanId,
      context.traceId,
      ended,
    ]),
    [
      ['process greetings', SpanKind.CONSUMER, PRODUCER_ID, TRACE_ID, true],
      ['invoke image', SpanKind.CLIENT, process.context.spanId, TRACE_ID, true],
      ['send cards', SpanKind.PRODUCER, process.context.spanId, TRACE_ID, true],
    ],
  );
  assert.deepEqual(
    process.links.map(({ context }) => context.spanId),
    [PRODUCER_ID],
  );
  assert.equal(process.attributes['messaging.system'], 'spoor');
  assert.equal(process.attributes['messaging.destination.name'], 'greetings');
  assert.equal(process.attributes['messaging.destination.partition.id'], '0');
  assert.equal(process.attributes['messaging.kafka.offset'], 0);
  assert.equal(process.attributes['messaging.kafka.message.key'], 'ada');
  assert.equal(process.attributes['messaging.consumer.group.name'], 'g');
  assert.equal(process.attributes['messaging.message.body.size'], 14);
  assert.equal(process.attributes['spoor.outcome'], 'success');
  assert.equal(process.attributes['spoor.clock_skew'], undefined);
  assert.equal(invoke.attributes['faas.invoked_name'], 'image');
  assert.equal(invoke.attributes['spoor.attempt'], 1);
  assert.equal(invoke.attributes['faas.coldstart'], true);
  assert.equal(invoke.attributes['faas.instance'], 'i-1');
  const [request] = platform.requests;
  assert.equal(request?.path, '/fission-function/default/image');
  assert.equal(request.headers['traceparent'], `00-${TRACE_ID}-${invoke.context.spanId}-01`);
  assert.equal(request.headers['baggage'], 'tenant=blue');
  assert.equal(request.headers['x-spoor-attempt'], '1');
  assert.equal(request.headers['x-spoor-trigger'], 'pubsub');
  assert.equal(request.headers['x-fission-mqtrigger-topic'], 'greetings');
  assert.equal(request.headers['x-record-key'], 'ada');
  assert.equal(request.headers['content-type'], 'application/json');
  assert.equal(String(card.key), 'ada');
  assert.equal(String(card.value), '<svg/>');
  assert.deepEqual(texts(card.headers), {
    'content-type': 'image/svg+xml',
    'x-card': 'yes',
    traceparent: `00-${TRACE_ID}-${send.context.spanId}-01`,
    baggage: 'tenant=blue',
  });
});

void test('with traceContext links the consumer span is a root that links to the producer', async () => {
  await using platform = await startTestPlatform(() => ({}));
  platform.catalog.put(mqTrigger({ metadata: { traceContext: 'links' } }));
  await platform.queue.produce('greetings', [record('x', { headers: [['traceparent', TRACEPARENT]] })]);
  await platform.records('cards', 1);
  const [process] = platform.spans;
  assert.equal(process?.parentSpanId, '');
  assert.notEqual(process.context.traceId, TRACE_ID);
  assert.deepEqual(
    process.links.map(({ context }) => [context.traceId, context.spanId]),
    [[TRACE_ID, PRODUCER_ID]],
  );
});

void test('a record that fails is tried again, each attempt a span, until it succeeds', async () => {
  let calls = 0;
  await using platform = await startTestPlatform(() => {
    calls += 1;
    return calls < 3 ? { status: 500, body: 'no ink' } : { status: 204 };
  });
  platform.catalog.put(mqTrigger({ maxRetries: 5 }));
  await platform.queue.produce('greetings', [record('x')]);
  await platform.records('cards', 1);
  const invokes = platform.spans.filter(({ name }) => name === 'invoke image');
  assert.deepEqual(
    invokes.map(({ attributes, status }) => [
      attributes['spoor.attempt'],
      attributes['spoor.outcome'],
      attributes['http.response.status_code'],
      attributes['error.type'],
      status?.code,
    ]),
    [
      [1, 'retry', 500, 'function_error', SpanStatusCode.ERROR],
      [2, 'retry', 500, 'function_error', SpanStatusCode.ERROR],
      [3, 'success', 204, undefined, undefined],
    ],
  );
  assert.deepEqual(
    platform.spans[0]?.events.map(({ name, attributes }) => [name, attributes['spoor.attempt']]),
    [
      ['retry back-off', 1],
      ['retry back-off', 2],
    ],
  );
  assert.deepEqual(
    platform.requests.map(({ headers }) => headers['x-spoor-attempt']),
    ['1', '2', '3'],
  );
});

void test('a dead letter keeps the bytes, the key and the headers, and says why it is there', async () => {
  const value = Buffer.from([0, 255, 0xc3, 0x28]);
  const key = Buffer.from([1, 2, 254]);
  const headers: RecordHeaders = [
    ['kept', Buffer.from([0xff])],
    ['kept', Buffer.from('twice')],
    ['traceparent', Buffer.from(TRACEPARENT)],
    ['spoor-reason', Buffer.from('of an earlier time')],
  ];
  await using platform = await startTestPlatform(() => ({
    status: 504,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ component: 'timeout', reason: 'function_timeout', message: 'ran past 60 s' }),
  }));
  platform.catalog.put(mqTrigger({ maxRetries: 1 }));
  const timestamp = Date.now() - 5_000;
  await platform.queue.produce('greetings', [{ key, value, headers, timestamp }]);
  const [dead] = await platform.records('greetings-errors', 1);
  assert.ok(dead?.key && dead.value);
  assert.deepEqual(dead.key, key);
  assert.deepEqual(dead.value, value);
  assert.deepEqual(dead.headers.slice(0, 2), headers.slice(0, 2));
  const send = platform.spans.find(({ name }) => name === 'send greetings-errors');
  assert.ok(send);
  assert.equal(send.parentSpanId, platform.spans[0]?.context.spanId);
  assert.deepEqual(texts(dead.headers.slice(2)), {
    'spoor-reason': 'function_timeout',
    'spoor-error': 'ran past 60 s',
    'spoor-status': '504',
    'spoor-attempts': '2',
    'spoor-function': 'image',
    'spoor-trigger': 'on-greeting',
    'spoor-original-topic': 'greetings',
    'spoor-original-partition': '0',
    'spoor-original-offset': '0',
    'spoor-original-timestamp': String(timestamp),
    'spoor-original-traceparent': TRACEPARENT,
    traceparent: `00-${TRACE_ID}-${send.context.spanId}-01`,
  });
  const process = platform.spans[0];
  assert.equal(process?.attributes['spoor.outcome'], 'dead_letter');
  assert.equal(process.attributes['error.type'], 'function_timeout');
  assert.ok(Number(process.attributes['spoor.queue.wait']) >= 5_000);
});

void test('an outcome that cannot be written is tried until it can, and only then is the record committed', async () => {
  let outage = 3;
  await using platform = await startTestPlatform(() => ({ status: 500 }), {
    wrap: (queue) => {
      const produce = queue.produce.bind(queue);
      queue.produce = async (topic, records) => {
        if (topic === 'greetings-errors' && outage > 0) {
          outage -= 1;
          assert.equal(
            (await queue.topics()).find(({ name }) => name === 'greetings')?.groups[0]?.partitions[0]?.lag,
            1n,
          );
          throw new Failure('queue', 'unavailable', 'cannot write');
        }
        return produce(topic, records);
      };
      return queue;
    },
  });
  platform.catalog.put(mqTrigger());
  await platform.queue.produce('greetings', [record('x')]);
  await platform.records('greetings-errors', 1);
  await platform.idle('greetings', 'g');
  assert.equal(outage, 0);
  const send = platform.spans.find(({ name }) => name === 'send greetings-errors');
  assert.equal(send?.events.length, 3);
  assert.equal(platform.requests.length, 1);
});

void test('a response too large for a record goes to the error topic and does not stop the partition', async () => {
  await using platform = await startTestPlatform(({ body }) => ({
    body: String(body) === 'big' ? Buffer.alloc(2 * 1024 * 1024) : 'small',
  }));
  platform.catalog.put(mqTrigger({ maxRetries: 3 }));
  await platform.queue.produce('greetings', [record('big'), record('next')]);
  const [dead] = await platform.records('greetings-errors', 1);
  assert.equal(headerText(dead?.headers ?? [], 'spoor-reason'), 'body_too_large');
  const [card] = await platform.records('cards', 1);
  assert.equal(String(card?.value), 'small');
  assert.equal(platform.requests.length, 2);
});

void test('a router that has no room or is away does not use up the retries', async () => {
  let calls = 0;
  await using platform = await startTestPlatform(() => {
    calls += 1;
    if (calls > 4) return { body: 'done' };
    return {
      status: 429,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ component: 'executor', reason: 'capacity_exceeded' }),
    };
  });
  platform.catalog.put(mqTrigger({ maxRetries: 0 }));
  await platform.queue.produce('greetings', [record('x')]);
  const [card] = await platform.records('cards', 1);
  assert.equal(String(card?.value), 'done');
  const reasons = platform.spans
    .filter(({ name }) => name.startsWith('invoke'))
    .map(({ attributes }) => attributes['spoor.reason']);
  assert.deepEqual(reasons, [...Array.from({ length: 4 }, () => 'capacity_exceeded'), undefined]);
});

void test('without parallelism a partition is served in order, failing records and all', async () => {
  const failedOnce = new Set<string>();
  await using platform = await startTestPlatform(({ body }) => {
    const value = String(body);
    if (Number(value) % 3 === 0 && !failedOnce.has(value)) {
      failedOnce.add(value);
      return { status: 500 };
    }
    return { body };
  });
  platform.catalog.put(mqTrigger({ maxRetries: 1 }));
  const numbers = Array.from({ length: 30 }, (_, i) => String(i));
  await platform.queue.produce(
    'greetings',
    numbers.map((each) => record(each)),
  );
  const cards = await platform.records('cards', 30);
  assert.deepEqual(
    cards.map(({ value }) => String(value)),
    numbers,
  );
});

void test('with parallelism keys run at once, and each key in its order', async () => {
  let atOnce = 0;
  let most = 0;
  const seen: string[] = [];
  const { promise: crowd, resolve } = Promise.withResolvers<void>();
  await using platform = await startTestPlatform(async ({ body }) => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    if (atOnce === 4) resolve();
    await crowd;
    seen.push(String(body));
    atOnce -= 1;
    return {};
  });
  platform.catalog.put(mqTrigger({ metadata: { parallelism: '4' } }));
  const sent = Array.from({ length: 60 }, (_, i) => `${i % 6}:${i}`);
  await platform.queue.produce(
    'greetings',
    sent.map((each) => record(each, { key: each.slice(0, 1) })),
  );
  await platform.records('cards', 60);
  await platform.idle('greetings', 'g');
  assert.equal(most, 4);
  for (let key = 0; key < 6; key += 1) {
    const of = (values: readonly string[]) => values.filter((value) => value.startsWith(`${key}:`));
    assert.deepEqual(of(seen), of(sent));
  }
});

void test('stopping lets the attempt under way finish; what has no outcome is delivered after the restart', async () => {
  const started = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await using platform = await startTestPlatform(async ({ body }) => {
    if (String(body) === '0') {
      started.resolve();
      await go.promise;
    }
    return { body };
  });
  platform.catalog.put(mqTrigger());
  await platform.queue.produce(
    'greetings',
    ['0', '1', '2'].map((each) => record(each)),
  );
  await started.promise;
  const restarted = platform.restart();
  go.resolve();
  await restarted;
  const cards = await platform.records('cards', 3);
  assert.deepEqual(
    cards.map(({ value }) => String(value)),
    ['0', '1', '2'],
  );
  assert.equal(platform.requests.length, 3);
  assert.ok(platform.spans.every(({ ended }) => ended));
});

void test('a trigger that is deleted stops, one that is changed goes on with its change', async () => {
  await using platform = await startTestPlatform(({ path }) => ({ body: path }));
  platform.catalog.put(mqTrigger());
  await platform.queue.produce('greetings', [record('a')]);
  await platform.records('cards', 1);
  platform.catalog.put(mqTrigger({ functionref: { type: 'name', name: 'other' } }));
  await platform.triggers.settled();
  await platform.queue.produce('greetings', [record('b')]);
  const cards = await platform.records('cards', 2);
  assert.equal(String(cards[1]?.value), '/fission-function/default/other');
  platform.catalog.delete(mqTrigger());
  await platform.triggers.settled();
  await platform.queue.produce('greetings', [record('c')]);
  const topic = (await platform.queue.topics()).find(({ name }) => name === 'greetings');
  assert.equal(topic?.groups.find(({ group }) => group === 'g')?.partitions[0]?.lag, 1n);
});

const BAD_TRIGGERS: readonly (readonly [Parameters<typeof mqTrigger>[0], RegExp])[] = [
  [{ metadata: { batchSize: '0' } }, /cannot use batchSize \[0\] of trigger \[bad\]/],
  [
    { metadata: { traceContext: 'both' } },
    /cannot use traceContext \[both\] of trigger \[bad\]: it is one of parent, links/,
  ],
  [{ topic: 'a b' }, /cannot use topic name \[a b\]/],
  [
    { respTopic: 'greetings' },
    /cannot use respTopic \[greetings\] of trigger \[bad\]: it is the topic that the trigger consumes/,
  ],
  [{ contentType: 'a\nb' }, /cannot use contentType/],
];
for (const [spec, message] of BAD_TRIGGERS)
  void test(`a trigger with ${JSON.stringify(spec)} is a fault that names it; the others run`, async () => {
    await using platform = await startTestPlatform(() => ({ body: 'ok' }));
    const bad = mqTrigger(spec);
    platform.catalog.put({ ...bad, metadata: { ...bad.metadata, name: 'bad' } });
    platform.catalog.put(mqTrigger());
    await platform.triggers.settled();
    assert.match(String(platform.triggers.faults.get('default/bad')), message);
    await platform.queue.produce('greetings', [record('x')]);
    await platform.records('cards', 1);
  });

void test('of a batch only what failed is tried again, and each record has its own span and outcome', async () => {
  const tries = new Map<string, number>();
  await using platform = await startTestPlatform(({ body }) => {
    const { records } = JSON.parse(String(body)) as { records: { value: string }[] };
    const results = records.map(({ value }) => {
      tries.set(value, (tries.get(value) ?? 0) + 1);
      const fails = value === 'never' || (value === 'second' && tries.get(value) === 1);
      return fails
        ? { status: 500, error: `cannot draw ${value}` }
        : { status: 200, body: `card of ${value}` };
    });
    return { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ results }) };
  });
  await platform.queue.produce('greetings', [
    record('first', { key: 'k', headers: [['traceparent', TRACEPARENT]] }),
    record('second'),
    record('never'),
  ]);
  platform.catalog.put(mqTrigger({ maxRetries: 2, metadata: { batchSize: '10' } }));
  const [dead] = await platform.records('greetings-errors', 1);
  await platform.idle('greetings', 'g');
  assert.equal(String(dead?.value), 'never');
  assert.equal(headerText(dead?.headers ?? [], 'spoor-error'), 'cannot draw never');
  assert.equal(headerText(dead?.headers ?? [], 'spoor-attempts'), '3');
  const cards = await platform.records('cards', 2);
  assert.deepEqual(
    cards.map(({ value }) => String(value)),
    ['card of first', 'card of second'],
  );
  assert.equal(String(cards[0]?.key), 'k');
  assert.deepEqual(
    [...tries],
    [
      ['first', 1],
      ['second', 2],
      ['never', 3],
    ],
  );
  const [batch, ...rest] = platform.spans;
  assert.equal(batch?.attributes['messaging.batch.message_count'], 3);
  assert.deepEqual(
    batch.links.map(({ context, attributes }) => [context.spanId, attributes?.['messaging.kafka.offset']]),
    [[PRODUCER_ID, 0]],
  );
  const records = rest.filter(({ name }) => name === 'process greetings');
  assert.deepEqual(
    records.map(({ attributes, events }) => [
      attributes['spoor.outcome'],
      events.map(
        (event) =>
          `${String(event.attributes['spoor.attempt'])} ${String(event.attributes['spoor.outcome'])}`,
      ),
    ]),
    [
      ['success', ['1 success']],
      ['success', ['1 retry', '2 success']],
      ['dead_letter', ['1 retry', '2 retry', '3 dead_letter']],
    ],
  );
  assert.equal(records[0]?.parentSpanId, PRODUCER_ID);
  assert.deepEqual(
    rest
      .filter(({ name }) => name === 'invoke image')
      .map(({ parentSpanId, attributes }) => [parentSpanId, attributes['messaging.batch.message_count']]),
    [3, 2, 1].map((count) => [batch.context.spanId, count]),
  );
  assert.ok(platform.spans.every(({ ended }) => ended));
});

void test("a CloudEvents batch carries keys, bytes and each record's own trace", async () => {
  await using platform = await startTestPlatform(() => ({}));
  await platform.queue.produce('greetings', [
    record('text', { key: 'k', headers: [['traceparent', TRACEPARENT]] }),
    { key: null, value: Buffer.from([0xff]), headers: [] },
  ]);
  platform.catalog.put(mqTrigger({ metadata: { batchSize: '10', batchFormat: 'cloudevents' } }));
  await platform.records('cards', 1);
  const [request] = platform.requests;
  assert.equal(request?.headers['content-type'], 'application/cloudevents-batch+json');
  const events = JSON.parse(String(request.body)) as Record<string, string>[];
  assert.deepEqual(
    events.map(({ id, source, partitionkey, traceparent, data, data_base64 }) => ({
      id,
      source,
      partitionkey,
      traceparent,
      data,
      data_base64,
    })),
    [
      {
        id: 'greetings/0/0',
        source: '/topics/greetings',
        partitionkey: 'k',
        traceparent: TRACEPARENT,
        data: 'text',
        data_base64: undefined,
      },
      {
        id: 'greetings/0/1',
        source: '/topics/greetings',
        partitionkey: undefined,
        traceparent: undefined,
        data: undefined,
        data_base64: '/w==',
      },
    ],
  );
});

void test("KEDA triggers get KEDA's header names, and the record's own content type", async () => {
  await using platform = await startTestPlatform(() => ({}));
  platform.catalog.put(mqTrigger({ mqtkind: 'keda' }));
  await platform.queue.produce('greetings', [record('x', { headers: [['content-type', 'text/plain']] })]);
  await platform.records('cards', 1);
  const headers = platform.requests[0]?.headers;
  assert.equal(headers?.['keda-topic'], 'greetings');
  assert.equal(headers['keda-error-topic'], 'greetings-errors');
  assert.equal(headers['content-type'], 'text/plain');
});

function record(
  value: string,
  more: { key?: string; headers?: readonly (readonly [string, string | Buffer])[] } = {},
): RecordToProduce {
  return {
    key: more.key === undefined ? null : Buffer.from(more.key),
    value: Buffer.from(value),
    headers: (more.headers ?? []).map(([name, each]) => [name, Buffer.from(each)]),
  };
}

function texts(headers: RecordHeaders): Record<string, string> {
  return Object.fromEntries(
    headers
      .map(([name, value]) => [name, value.toString()])
      .filter(([name]) => !['date', 'connection'].includes(name as string)),
  );
}
