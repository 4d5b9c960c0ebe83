import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue, QueueRecord, RecordHeaders, RecordToProduce } from '../../queue/queue.ts';
import type { RecordedSpan } from './recorded-tracing.ts';
import { mqTrigger, startTestPlatform, type TestRequest } from './test-platform.ts';

const TIMEOUT_MS = 30_000;
const POLL_MS = 10;
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const EMPTY = Buffer.alloc(0);

/** A record that breaks somebody, and what is to be seen of it besides that it arrives byte for byte. */
interface Poison {
  readonly what: string;
  readonly record: RecordToProduce;
  readonly request?: (request: TestRequest) => void;
  readonly process?: (span: RecordedSpan) => void;
}

const POISON: readonly Poison[] = [
  {
    what: 'a tombstone',
    record: { key: Buffer.from('gone'), value: null, headers: [] },
    request({ headers, body }) {
      assert.deepEqual(
        [headers['x-record-tombstone'], headers['x-record-key'], body],
        ['true', 'gone', EMPTY],
      );
    },
    process: ({ attributes }) => assert.equal(attributes['messaging.kafka.message.tombstone'], true),
  },
  {
    what: 'no key, an empty value',
    record: { key: null, value: EMPTY, headers: [] },
    request({ headers }) {
      assert.deepEqual([headers['x-record-tombstone'], headers['x-record-key']], [undefined, undefined]);
    },
  },
  {
    what: 'an empty key',
    record: { key: EMPTY, value: Buffer.from('empty key'), headers: [] },
    request: ({ headers }) => assert.equal(headers['x-record-key'], ''),
  },
  {
    what: 'a key of bytes',
    record: { key: Buffer.from([0xff, 0, 10]), value: Buffer.from('x'), headers: [] },
    request: ({ headers }) => assert.equal(headers['x-record-key-base64'], '/wAK'),
    process: ({ attributes }) => assert.equal(attributes['messaging.kafka.message.key'], undefined),
  },
  {
    what: 'a key of 100 kB',
    record: { key: Buffer.alloc(100_000, 65), value: Buffer.from('x'), headers: [] },
    request: ({ headers }) => assert.equal(headers['x-record-key-bytes'], '100000'),
  },
  {
    what: 'a value of 900 KB',
    record: { key: null, value: Buffer.alloc(900 * 1024, 'ÿ\0\r\n'), headers: [] },
  },
  {
    what: 'headers that are not UTF-8, no token, or speak for others',
    record: record('bad headers', [
      ['bytes', Buffer.from([0xff, 0xfe])],
      ['line', 'a\r\nX-Injected: 1'],
      ['not a token', 'v'],
      ['', 'no name'],
      ['Ünï', 'é'],
      ['host', 'evil.example'],
      ['content-length', '3'],
      ['transfer-encoding', 'chunked'],
      ['x-spoor-attempt', '99'],
      ['__proto__', 'v'],
    ]),
    request({ headers }) {
      assert.deepEqual(
        [headers['x-injected'], headers['x-spoor-attempt'], headers['bytes']],
        [undefined, '1', undefined],
      );
      const said = JSON.parse(String(headers['x-record-binary-headers'])) as [string, string][];
      assert.deepEqual(
        said.map(([name, value]) => [name, Buffer.from(value, 'base64').toString('latin1')]),
        POISON[6]?.record.headers.map(([name, value]) => [name, value.toString('latin1')]),
      );
    },
  },
  {
    what: 'one header name three times',
    record: record('repeats', [
      ['tag', 'a'],
      ['Tag', 'b'],
      ['tag', 'c'],
    ]),
    request: ({ headers }) => assert.equal(headers['tag'], 'a, b, c'),
  },
  {
    what: 'headers of 60 kB',
    record: record(
      'long headers',
      Array.from({ length: 60 }, (_, i) => [`h${i}`, 'x'.repeat(1_000)]),
    ),
    request: ({ headers }) => assert.ok(Number(headers['x-record-headers-omitted']) > 40),
  },
  ...[
    '',
    '00-zz-zz-01',
    `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`,
    `00-${TRACE_ID}-${'0'.repeat(16)}-01`,
    `00-${TRACE_ID.toUpperCase()}-00f067aa0ba902b7-01`,
    `ff-${TRACE_ID}-00f067aa0ba902b7-01`,
    Buffer.from([0xff, 0xfe, 0]),
  ].map((traceparent): Poison => ({
    what: `traceparent [${traceparent.toString()}]`,
    record: record('malformed', [
      ['traceparent', traceparent],
      ['tracestate', ',,='],
      ['baggage', '%zz=%zz,,='],
    ]),
    process({ parentSpanId, links, context }) {
      assert.deepEqual([parentSpanId, links], ['', []]);
      assert.notEqual(context.traceId, TRACE_ID);
    },
  })),
  {
    what: 'traceparent twice, the last one counts',
    record: record('two', [
      ['traceparent', `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01`],
      ['traceparent', `00-${TRACE_ID}-00f067aa0ba902b7-01`],
    ]),
    process: ({ context }) => assert.equal(context.traceId, TRACE_ID),
  },
  {
    what: 'a timestamp in an hour',
    record: { ...record('future'), timestamp: Date.now() + 3_600_000 },
    process({ attributes }) {
      assert.deepEqual([attributes['spoor.clock_skew'], attributes['spoor.queue.wait']], [true, 0]);
    },
  },
  {
    what: 'a timestamp of 1970',
    record: { ...record('past'), timestamp: 0 },
    process: ({ attributes }) => assert.ok(Number(attributes['spoor.queue.wait']) > 1e12),
  },
];

/**
 * What a trigger must take from whoever produces, on any maker: each record reaches the function whole; when the function
 * refuses it, the error topic has it byte for byte; and the next record is served as if nothing had been.
 */
export function poisonTable(maker: string, open: () => Promise<Queue>): void {
  void describe(`poison on ${maker}`, { timeout: 240_000 }, () => {
    let bench: Awaited<ReturnType<typeof startBench>>;
    before(async () => {
      bench = await startBench(await open());
    });
    after(async () => {
      await bench[Symbol.asyncDispose]();
    });

    for (const poison of POISON)
      void test(poison.what, async () => {
        const { record: sent } = poison;
        const served = await bench.send(sent, 200);
        assert.deepEqual(served.request.body, sent.value ?? EMPTY);
        assert.deepEqual([served.outcome.key, served.outcome.value], [sent.key, sent.value ?? EMPTY]);
        poison.request?.(served.request);
        poison.process?.(served.process);

        const { outcome: dead } = await bench.send(sent, 500);
        assert.deepEqual([dead.key, dead.value], [sent.key, sent.value]);
        const kept = dead.headers.filter(([name]) => !/^(spoor-|traceparent|tracestate|baggage)/.test(name));
        const context = /^(traceparent|tracestate|baggage)$/;
        assert.deepEqual(
          kept,
          sent.headers.filter(([name]) => !context.test(name)),
        );

        const next = await bench.send(record('healthy'), 200);
        assert.equal(String(next.outcome.value), 'healthy');
      });

    void test('the topic is deleted while it is consumed, and comes back', async () => {
      await bench.send(record('before'), 200);
      await bench.deleteTopic();
      const { outcome } = await bench.send(record('after'), 200);
      assert.equal(String(outcome.value), 'after');
    });

    void test('the topics of the outcomes are deleted, and come back', async () => {
      await bench.send(record('before'), 200);
      await bench.deleteOutcomes();
      assert.equal(String((await bench.send(record('after'), 200)).outcome.value), 'after');
      assert.equal(String((await bench.send(record('dead'), 500)).outcome.value), 'dead');
    });
  });
}

/** A trigger on topics that are not there yet: its first use makes them. */
async function startBench(queue: Queue) {
  await using starting = new AsyncDisposableStack();
  starting.use(queue);
  let status = 200;
  const platform = starting.use(
    await startTestPlatform(({ body }) => ({ status, body: status === 200 ? body : 'refused' }), { queue }),
  );
  const id = randomUUID();
  const topics = { in: `in-${id}`, 200: `cards-${id}`, 500: `errors-${id}` } as const;
  const read: Record<200 | 500, Map<number, bigint>> = { 200: new Map(), 500: new Map() };
  platform.catalog.put(mqTrigger({ topic: topics.in, respTopic: topics[200], errorTopic: topics[500] }));
  await platform.triggers.settled();
  assert.deepEqual([...platform.triggers.faults], []);
  const stack = starting.move();

  /** The one record of an outcome's topic that was not seen yet. */
  async function nextOutcome(topic: 200 | 500): Promise<QueueRecord> {
    const deadline = Date.now() + TIMEOUT_MS;
    for (;;) {
      const found = (await queue.topics()).find(({ name }) => name === topics[topic])?.partitions ?? [];
      for (const { partition, endOffset } of found) {
        const offset = read[topic].get(partition) ?? 0n;
        if (endOffset <= offset) continue;
        const [record] = await queue.peek(topics[topic], { partition, offset, limit: 1 });
        assert.ok(record);
        read[topic].set(partition, offset + 1n);
        return record;
      }
      assert.ok(Date.now() < deadline, `no record in ${topics[topic]} after ${TIMEOUT_MS} ms`);
      await sleep(POLL_MS);
    }
  }

  return {
    /** Through the trigger, whose function answers `answer`, to its outcome. */
    async send(sent: RecordToProduce, answer: 200 | 500) {
      status = answer;
      const from = platform.spans.length;
      await queue.produce(topics.in, [sent]);
      const outcome = await nextOutcome(answer);
      const process = platform.spans.slice(from).find(({ name }) => name === `process ${topics.in}`);
      const request = platform.requests.at(-1);
      assert.ok(process && request);
      return { outcome, process, request };
    },
    deleteTopic: () => queue.deleteTopic(topics.in),
    async deleteOutcomes() {
      for (const answer of [200, 500] as const) {
        await queue.deleteTopic(topics[answer]);
        read[answer].clear();
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function record(
  value: string,
  headers: readonly (readonly [string, string | Buffer])[] = [],
): RecordToProduce {
  return { key: null, value: Buffer.from(value), headers: bytes(headers) };
}

function bytes(headers: readonly (readonly [string, string | Buffer])[]): RecordHeaders {
  return headers.map(([name, value]) => [name, Buffer.from(value)]);
}
