import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { queueContract } from '../../platform/queue/contract.ts';
import { openKafka } from '../../platform/queue/kafka.ts';
import type { QueueRecord } from '../../platform/queue/queue.ts';
import { startKafka, type Kafka } from './brokers.ts';

let kafka: Kafka;
before(async () => {
  kafka = await startKafka();
});
after(async () => {
  await kafka[Symbol.asyncDispose]();
});

queueContract('Kafka', () => openKafka({ brokers: kafka.brokers }));

test(
  'Kafka: who joins is given its share, and what the others keep goes on undisturbed',
  { timeout: 60_000 },
  async () => {
    await using first = await openKafka({ brokers: kafka.brokers });
    await using second = await openKafka({ brokers: kafka.brokers });
    const topic = `cooperative-${Date.now()}`;
    await first.createTopic(topic, { partitions: 4 });
    const held = new Map<number, 'under way' | 'taken away' | 'done'>();
    const allHeld = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const options = { topic, group: 'g', offsetReset: 'earliest' as const, maxBatchSize: 10 };
    const onError = (error: Error) => {
      throw error;
    };
    await using _first = await first.subscribe({
      ...options,
      onError,
      async onRecords([record], signal) {
        const { partition } = record as QueueRecord;
        held.set(partition, 'under way');
        if (held.size === 4) allHeld.resolve();
        const aborted = new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        });
        try {
          await Promise.race([release.promise, aborted]);
          held.set(partition, 'done');
        } catch (error) {
          held.set(partition, 'taken away');
          throw error;
        }
      },
    });
    await first.produce(
      topic,
      [0, 1, 2, 3].map((partition) => ({ key: null, value: Buffer.from('x'), headers: [], partition })),
    );
    await allHeld.promise;
    const moved = new Set<number>();
    const both = Promise.withResolvers<void>();
    await using _second = await second.subscribe({
      ...options,
      onError,
      async onRecords(records) {
        for (const { partition } of records) moved.add(partition);
        if (moved.size === 2) both.resolve();
      },
    });
    await both.promise;
    const now = (what: string) =>
      [...held].filter(([, state]) => state === what).map(([partition]) => partition);
    assert.deepEqual(new Set(now('taken away')), moved);
    assert.equal(now('under way').length, 2);
    release.resolve();
    for (;;) {
      const [group] = (await first.topics()).find(({ name }) => name === topic)?.groups ?? [];
      if (group?.partitions.every(({ lag }) => lag === 0n)) break;
    }
    assert.equal(now('done').length, 2);
  },
);
