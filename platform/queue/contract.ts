import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Failure } from '../../server/failure.ts';
import type { Queue, QueueRecord, RecordToProduce, SubscribeOptions } from './queue.ts';

/** What every maker of topics keeps to. Each test opens its own queue, so `open` may hand out views of one shared broker. */
export function queueContract(maker: string, open: () => Promise<Queue>): void {
  const check = (name: string, run: (queue: Queue, topic: string) => Promise<void>): void => {
    void test(`${maker}: ${name}`, async () => {
      await using queue = await open();
      await run(queue, `topic-${randomUUID()}`);
    });
  };

  check('a record comes back byte for byte', async (queue, topic) => {
    const sent: RecordToProduce = {
      key: Buffer.from([0, 255, 128]),
      value: Buffer.from([0xc3, 0x28, 0, 10, 13]),
      headers: [
        ['a', Buffer.from([0xff, 0xfe])],
        ['a', Buffer.alloc(0)],
        ['Ünïcode', Buffer.from('é')],
      ],
      timestamp: 1_700_000_000_123,
    };
    const [position] = await queue.produce(topic, [sent]);
    const [record] = await queue.peek(topic, { limit: 10 });
    assert.ok(position && record);
    assert.deepEqual({ ...record }, { ...position, key: sent.key, value: sent.value, headers: sent.headers });
    assert.equal(record.timestamp, sent.timestamp);
  });

  check('null and empty are told apart, in keys and in values', async (queue, topic) => {
    const empty = Buffer.alloc(0);
    await queue.produce(topic, [
      { key: null, value: null, headers: [], partition: 0 },
      { key: empty, value: empty, headers: [], partition: 0 },
    ]);
    const records = await queue.peek(topic, { limit: 10, partition: 0 });
    assert.deepEqual(
      records.map(({ key, value }) => [key, value]),
      [
        [null, null],
        [empty, empty],
      ],
    );
  });

  check('offsets of a partition count up from 0 in the order of produce', async (queue, topic) => {
    const all = await Promise.all(
      [0, 1, 2, 3].map((i) =>
        queue.produce(topic, [text(`${i}a`, { partition: 1 }), text(`${i}b`, { partition: 1 })]),
      ),
    );
    assert.deepEqual(
      all.flat().map((position) => position.offset),
      [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n],
    );
    const records = await queue.peek(topic, { partition: 1, offset: 0n, limit: 100 });
    assert.deepEqual(values(records), ['0a', '0b', '1a', '1b', '2a', '2b', '3a', '3b']);
  });

  check('records of one key go to one partition', async (queue, topic) => {
    await queue.createTopic(topic, { partitions: 8 });
    const positions = await queue.produce(
      topic,
      Array.from({ length: 20 }, () => text('v', { key: 'customer-7' })),
    );
    assert.equal(new Set(positions.map((position) => position.partition)).size, 1);
  });

  check('a 900 KB value passes, one past the limit is refused', async (queue, topic) => {
    const value = Buffer.alloc(900 * 1024, 7);
    await queue.produce(topic, [{ key: null, value, headers: [] }]);
    const [record] = await queue.peek(topic, { limit: 1 });
    assert.ok(record?.value?.equals(value));
    await rejectsWith(
      'body_too_large',
      queue.produce(topic, [{ key: null, value: Buffer.alloc(3 * 1024 * 1024), headers: [] }]),
    );
  });

  check('a bad topic name is refused by its value', async (queue) => {
    for (const name of ['', '.', '..', 'a b', 'a/b', 'ü', 'x'.repeat(250)])
      await rejectsWith('bad_request', queue.produce(name, [text('v')]));
  });

  check('what is not there is named', async (queue, topic) => {
    await rejectsWith('not_found', queue.peek(topic, { limit: 1 }));
    await rejectsWith('not_found', queue.deleteTopic(topic));
    await queue.createTopic(topic, { partitions: 2 });
    await rejectsWith('conflict', queue.createTopic(topic));
    await rejectsWith('bad_request', queue.produce(topic, [text('v', { partition: 2 })]));
  });

  check('a new group starts where it asks to', async (queue, topic) => {
    await queue.produce(topic, [text('old', { partition: 0 })]);
    await using late = await collect(queue, { topic, group: 'late', offsetReset: 'latest' });
    await using early = await collect(queue, { topic, group: 'early', offsetReset: 'earliest' });
    await early.count(1);
    await queue.produce(topic, [text('new', { partition: 0 })]);
    await Promise.all([late.count(1), early.count(2)]);
    assert.deepEqual(values(late.records), ['new']);
    assert.deepEqual(values(early.records), ['old', 'new']);
  });

  check('a group goes on after what it committed', async (queue, topic) => {
    await queue.produce(topic, [text('a', { partition: 0 }), text('b', { partition: 0 })]);
    {
      await using first = await collect(queue, { topic, group: 'g' });
      await first.count(2);
    }
    await queue.produce(topic, [text('c', { partition: 0 })]);
    await using second = await collect(queue, { topic, group: 'g' });
    await second.count(1);
    assert.deepEqual(values(second.records), ['c']);
  });

  check('what a rejected batch had not declared done is delivered again, in order', async (queue, topic) => {
    await queue.produce(
      topic,
      ['a', 'b', 'c', 'd'].map((value) => text(value, { partition: 0 })),
    );
    const seen: string[][] = [];
    const errors: string[] = [];
    const { promise: finished, resolve } = Promise.withResolvers<void>();
    await using _subscription = await queue.subscribe({
      ...defaults(topic),
      onError: (error) => void errors.push(error.message),
      onRecords: async (records, _signal, done) => {
        seen.push(values(records));
        if (seen.length === 1) {
          done(records.findIndex((record) => String(record.value) === 'b') + 1);
          throw new Error('the third would not go');
        }
        if (values(records).includes('d')) resolve();
      },
    });
    await finished;
    const first = seen[0] ?? [];
    assert.deepEqual(
      [...first.slice(0, Math.min(2, first.length)), ...seen.slice(1).flat()],
      ['a', 'b', 'c', 'd'],
    );
    assert.deepEqual(errors, ['the third would not go']);
  });

  check('a batch is of one partition and no larger than asked for', async (queue, topic) => {
    await queue.createTopic(topic, { partitions: 2 });
    await queue.produce(
      topic,
      Array.from({ length: 50 }, (_, i) => text(String(i), { partition: i % 2 })),
    );
    const batches: (readonly QueueRecord[])[] = [];
    await using all = await collect(
      queue,
      { topic, group: 'g', maxBatchSize: 7 },
      (batch) => void batches.push(batch),
    );
    await all.count(50);
    for (const batch of batches) {
      assert.ok(batch.length <= 7);
      assert.equal(new Set(batch.map((record) => record.partition)).size, 1);
    }
  });

  check('members of a group share the partitions; each record goes to one of them', async (queue, topic) => {
    await queue.createTopic(topic, { partitions: 4 });
    await using one = await collect(queue, { topic, group: 'g' });
    await using two = await collect(queue, { topic, group: 'g' });
    await queue.produce(
      topic,
      Array.from({ length: 80 }, (_, i) => text(String(i), { partition: i % 4 })),
    );
    while (one.records.length + two.records.length < 80) await Promise.race([one.next(), two.next()]);
    const of = (records: readonly QueueRecord[]) => new Set(records.map((record) => record.partition));
    assert.equal(of(one.records).intersection(of(two.records)).size, 0);
    assert.deepEqual(
      values([...one.records, ...two.records])
        .map(Number)
        .sort((a, b) => a - b),
      Array.from({ length: 80 }, (_, i) => i),
    );
  });

  check('when a member leaves, the others take its partitions and nothing is lost', async (queue, topic) => {
    await queue.createTopic(topic, { partitions: 2 });
    await using stays = await collect(queue, { topic, group: 'g' });
    {
      await using leaves = await collect(queue, { topic, group: 'g' });
      await queue.produce(topic, [text('a', { partition: 0 }), text('b', { partition: 1 })]);
      while (stays.records.length + leaves.records.length < 2)
        await Promise.race([stays.next(), leaves.next()]);
    }
    const before = stays.records.length;
    await queue.produce(topic, [text('c', { partition: 0 }), text('d', { partition: 1 })]);
    await stays.count(before + 2);
    assert.deepEqual(values(stays.records).slice(before).sort(), ['c', 'd']);
  });

  check('a paused subscription takes nothing until it is resumed', async (queue, topic) => {
    await using paused = await collect(queue, { topic, group: 'paused' });
    await using other = await collect(queue, { topic, group: 'other' });
    paused.subscription.pause();
    await queue.produce(topic, [text('a', { partition: 0 })]);
    await other.count(1);
    await queue.produce(topic, [text('b', { partition: 0 })]);
    await other.count(2);
    // A fetch under way when it was paused may still bring the first.
    assert.ok(paused.records.length <= 1);
    paused.subscription.resume();
    await paused.count(2);
    assert.deepEqual(values(paused.records), ['a', 'b']);
  });

  check('topics tells offsets, committed positions and lag', async (queue, topic) => {
    await queue.createTopic(topic, { partitions: 2 });
    await queue.produce(topic, [text('a', { partition: 0 }), text('b', { partition: 0 })]);
    {
      await using member = await collect(queue, { topic, group: 'g' });
      await member.count(2);
    }
    await queue.produce(topic, [text('c', { partition: 0 })]);
    const description = (await queue.topics()).find(({ name }) => name === topic);
    assert.deepEqual(description?.partitions, [
      { partition: 0, startOffset: 0n, endOffset: 3n },
      { partition: 1, startOffset: 0n, endOffset: 0n },
    ]);
    const group = description.groups.find((each) => each.group === 'g');
    assert.deepEqual(group?.partitions[0], { partition: 0, committed: 2n, lag: 1n });
  });

  check(
    'a topic deleted while it is consumed may come back, and the subscription with it',
    async (queue, topic) => {
      await using member = await collect(queue, {
        topic,
        group: 'g',
        // A partition made a moment ago may have no leader yet: that is told, and tried again.
        onError: (error) => {
          if (!(error instanceof Failure) || error.reason !== 'unavailable') throw error;
        },
      });
      await queue.produce(topic, [text('before', { partition: 0 })]);
      await member.count(1);
      await queue.deleteTopic(topic);
      assert.equal(
        (await queue.topics()).some(({ name }) => name === topic),
        false,
      );
      await queue.produce(topic, [text('after', { partition: 0 })]);
      await member.count(2);
      assert.deepEqual(values(member.records), ['before', 'after']);
    },
  );
}

function text(value: string, more: { key?: string; partition?: number } = {}): RecordToProduce {
  return {
    key: more.key === undefined ? null : Buffer.from(more.key),
    value: Buffer.from(value),
    headers: [],
    partition: more.partition,
  };
}

function values(records: readonly QueueRecord[]): string[] {
  return records.map((record) => String(record.value));
}

function defaults(topic: string): Omit<SubscribeOptions, 'onRecords' | 'onError'> {
  return { topic, group: 'g', offsetReset: 'earliest', maxBatchSize: 100 };
}

/** A subscription that keeps what it gets, and lets a test wait for it. */
async function collect(
  queue: Queue,
  options: { topic: string; group: string } & Partial<SubscribeOptions>,
  onBatch: (records: readonly QueueRecord[]) => void = () => {},
) {
  const records: QueueRecord[] = [];
  let more = Promise.withResolvers<void>();
  const subscription = await queue.subscribe({
    ...defaults(options.topic),
    onError: (error) => {
      throw error;
    },
    ...options,
    onRecords: async (batch) => {
      records.push(...batch);
      onBatch(batch);
      more.resolve();
      more = Promise.withResolvers<void>();
    },
  });
  return {
    records,
    subscription,
    next: () => more.promise,
    count: async (count: number) => {
      while (records.length < count) await more.promise;
    },
    [Symbol.asyncDispose]: () => subscription[Symbol.asyncDispose](),
  };
}

async function rejectsWith(reason: Failure['reason'], promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.reason, reason);
    return true;
  });
}
