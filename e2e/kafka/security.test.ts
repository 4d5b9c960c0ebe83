import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { openKafka, type KafkaOptions } from '../../platform/queue/kafka.ts';
import type { SubscribeOptions } from '../../platform/queue/queue.ts';
import { mqTrigger, startTestPlatform } from '../../platform/trigger/test/test-platform.ts';
import { Failure } from '../../server/failure.ts';
import { startKafka, USER, type Kafka } from './brokers.ts';

let kafka: Kafka;
before(async () => {
  kafka = await startKafka({ security: true });
});
after(async () => {
  await kafka[Symbol.asyncDispose]();
});

const record = { key: null, value: Buffer.from('secret'), headers: [] };

for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
  for (const tls of [false, true]) {
    test(`${mechanism} ${tls ? 'over TLS' : 'in the clear'} produces, reads and consumes`, async () => {
      await using queue = await openKafka({
        brokers: tls ? kafka.saslTls : kafka.sasl,
        sasl: { mechanism, ...USER },
        tls: tls && { ca: kafka.certificate },
        compression: 'zstd',
      });
      const topic = `${mechanism}-${tls}`;
      await queue.produce(topic, [record]);
      assert.deepEqual((await queue.peek(topic, { limit: 1 }))[0]?.value, record.value);
      const { promise, resolve } = Promise.withResolvers<Buffer | null | undefined>();
      await using _subscription = await queue.subscribe({
        ...consumer(topic),
        onRecords: async ([first]) => resolve(first?.value),
      });
      assert.deepEqual(await promise, record.value);
    });
  }
}

const refused: readonly [string, (kafka: Kafka) => KafkaOptions, RegExp][] = [
  [
    'a wrong password',
    ({ sasl }) => ({ brokers: sasl, sasl: { mechanism: 'PLAIN', ...USER, password: 'wrong' } }),
    /authentication/i,
  ],
  [
    'a certificate that nobody vouches for',
    ({ saslTls }) => ({ brokers: saslTls, sasl: { mechanism: 'PLAIN', ...USER }, tls: true }),
    /certificate/i,
  ],
  ['a broker that is not there', () => ({ brokers: ['127.0.0.1:1'] }), /ECONNREFUSED|127\.0\.0\.1:1/],
];

for (const [what, options, words] of refused) {
  test(`${what} is a clear failure, and a subscription tries again`, async () => {
    await using queue = await openKafka(options(kafka));
    await assert.rejects(queue.topics(), (error) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.reason, 'unavailable');
      assert.match(error.message, words);
      return true;
    });
    const errors: Error[] = [];
    const { promise: twice, resolve } = Promise.withResolvers<void>();
    await using _subscription = await queue.subscribe({
      ...consumer('any'),
      onRecords: async () => {},
      onError: (error) => {
        if (errors.push(error) === 2) resolve();
      },
    });
    await twice;
    assert.match(errors[0]?.message ?? '', words);
  });
}

test('a trigger whose credentials are refused says so, and goes at once when it is told to', async () => {
  const queue = await openKafka({
    brokers: kafka.sasl,
    sasl: { mechanism: 'SCRAM-SHA-256', ...USER, password: 'wrong' },
  });
  await using stack = new AsyncDisposableStack();
  stack.use(queue);
  const lines = new PassThrough();
  const platform = stack.use(await startTestPlatform(() => ({}), { queue, log: pino(lines) }));
  platform.catalog.put(mqTrigger());
  await platform.triggers.settled();
  const [line] = (await once(createInterface({ input: lines }), 'line')) as [string];
  const said = JSON.parse(line) as Record<string, string>;
  assert.equal(said['msg'], 'cannot deliver records, trying again');
  assert.equal(said['topic'], 'greetings');
  assert.match(said['error'] ?? '', /authentication/i);
  assert.deepEqual(
    [...platform.triggers.faults],
    [],
    'it goes on trying: the broker may be told the password later',
  );
});

function consumer(topic: string): Omit<SubscribeOptions, 'onRecords'> {
  return {
    topic,
    group: 'g',
    offsetReset: 'earliest',
    maxBatchSize: 10,
    onError: (error) => {
      throw error;
    },
  };
}
