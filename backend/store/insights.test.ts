import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SPAN_KIND, STATUS_CODE, type LogData } from '../../function/span/span-data.ts';
import { openStore, type OpenStore } from './open-store.ts';
import { NOON, span, spanIdOf, temporaryFolder, traceIdOf } from './testing.ts';

const SECOND = 1_000_000_000n;
const range = { startUnixNano: NOON - 3_600n * SECOND, endUnixNano: NOON + 3_600n * SECOND };
const link = (to: { readonly traceId: string; readonly spanId: string }) => ({
  traceId: to.traceId,
  spanId: to.spanId,
  traceState: '',
  flags: 1,
  attributes: { why: 'test' },
  droppedAttributesCount: 0,
});

void describe('what is asked across traces', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let store: OpenStore;
  before(async () => {
    folder = await temporaryFolder();
    store = await openStore({ dataDir: folder.path });
  });
  after(async () => {
    await store[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  void test('a flow is every trace that links join, whichever way they point', async () => {
    // one <- two <- three, and four -> one; five has nothing to do with it, `gone` is not kept.
    const gone = { traceId: traceIdOf(), spanId: spanIdOf() };
    const one = span();
    const two = span({ links: [link(one)] });
    const three = span({ links: [link(two), link(gone)] });
    const four = span({ links: [link(one)] });
    await store.writer.writeSpans([three, one, span(), four, two]);
    const all = [one, two, three, four, gone].map(({ traceId }) => traceId).sort();
    for (const start of [one, three, four]) {
      const flow = await store.reader.flowTraceIds(start.traceId);
      assert.equal(flow.traceIds[0], start.traceId);
      assert.deepEqual([...flow.traceIds].sort(), all);
      assert.equal(flow.truncated, false);
    }
    assert.deepEqual(await store.reader.flowTraceIds(three.traceId, { maxDepth: 1 }), {
      traceIds: [three.traceId, ...[two.traceId, gone.traceId].sort()],
      truncated: true,
    });
    assert.equal((await store.reader.flowTraceIds(one.traceId, { maxTraces: 3 })).traceIds.length, 3);
    const from = await store.reader.linksFrom([three.traceId, four.traceId]);
    assert.deepEqual(
      from.map(({ toTraceId }) => toTraceId).sort(),
      [two.traceId, gone.traceId, one.traceId].sort(),
    );
    const to = await store.reader.linksToTraces([one.traceId, two.traceId]);
    assert.deepEqual(
      to.map(({ fromTraceId }) => fromTraceId).sort(),
      [two.traceId, three.traceId, four.traceId].sort(),
    );
    assert.deepEqual(to[0]?.attributes, { why: 'test' });
    assert.deepEqual(await store.reader.linksFrom([]), []);
  });

  void test('a record is found by topic, partition, offset or key, under old names and new', async () => {
    const produced = span({
      kind: SPAN_KIND.producer,
      attributes: {
        'messaging.destination.name': 'greetings',
        'messaging.destination.partition.id': '2',
        'messaging.kafka.offset': 41n,
        'messaging.kafka.message.key': 'card',
      },
    });
    const consumed = span({
      kind: SPAN_KIND.consumer,
      startTimeUnixNano: NOON + 1n,
      status: { code: STATUS_CODE.error, message: '' },
      attributes: {
        'messaging.destination': 'greetings',
        'messaging.kafka.partition': 2n,
        'messaging.kafka.message.offset': 41n,
        'messaging.kafka.message_key': 'card',
        'messaging.kafka.consumer_group': 'cards',
      },
    });
    const failed = span({ kind: SPAN_KIND.producer, attributes: { 'messaging.destination.name': 'lost' } });
    const other = span({
      kind: SPAN_KIND.producer,
      attributes: {
        'messaging.destination.name': 'greetings',
        'messaging.destination.partition.id': '2',
        'messaging.kafka.offset': 42n,
      },
    });
    await store.writer.writeSpans([consumed, produced, failed, other]);
    const both = [produced.spanId, consumed.spanId];
    const ids = async (query: object) =>
      (await store.reader.messages({ topic: 'greetings', limit: 10, ...query })).map(({ spanId }) => spanId);
    assert.deepEqual(await ids({ partition: 2, offset: 41n }), both);
    assert.deepEqual(await ids({ key: 'card' }), both);
    assert.deepEqual(await ids({ partition: 2, offset: 41n, range }), both);
    assert.equal((await ids({ partition: 2 })).length, 3);
    assert.deepEqual(await ids({ key: '' }), []);
    assert.deepEqual(await ids({ topic: "x' OR '1'='1" }), []);
    const [, found] = await store.reader.messages({ topic: 'greetings', key: 'card', limit: 10 });
    assert.deepEqual(found, {
      traceId: consumed.traceId,
      spanId: consumed.spanId,
      service: 'greeter',
      name: 'greeter',
      kind: SPAN_KIND.consumer,
      topic: 'greetings',
      partition: 2,
      offset: 41n,
      key: 'card',
      consumerGroup: 'cards',
      startUnixNano: NOON + 1n,
      durationNano: 4_999_999n,
      error: true,
    });
    const edges = await store.reader.topicEdges(range);
    assert.deepEqual(
      edges
        .filter(({ topic }) => topic === 'greetings')
        .map(({ role, consumerGroup, count, errorCount }) => [role, consumerGroup, count, errorCount]),
      [
        ['producer', '', 2, 0],
        ['consumer', 'cards', 1, 1],
      ],
    );
    // A question in one generation's words finds spans of the other.
    for (const key of ['messaging.destination.name', 'messaging.destination'])
      assert.equal(
        (await store.reader.findTraceIds({ range, attributes: { [key]: 'greetings' }, limit: 10 })).length,
        3,
      );
    const [lost] = await store.reader.messages({ topic: 'lost', limit: 1 });
    assert.deepEqual([lost?.partition, lost?.offset, lost?.key], [undefined, undefined, undefined]);
  });

  void test('log records are found by service, span, severity and text, the latest first', async () => {
    const ids = { traceId: traceIdOf(), spanId: spanIdOf() };
    const log = (at: bigint, fields: Partial<LogData> = {}): LogData => ({
      timeUnixNano: NOON + at,
      observedTimeUnixNano: NOON + at,
      severityNumber: 9,
      severityText: 'INFO',
      body: `line ${at}`,
      ...ids,
      attributes: {},
      resource: { 'service.name': 'logger' },
      scope: { name: '', version: '' },
      ...fields,
    });
    await store.writer.writeLogs([
      log(1n),
      log(2n, { severityNumber: 17, body: 'It said "NO" \n loudly' }),
      log(3n, { spanId: spanIdOf() }),
      log(4n, { resource: { 'service.name': 'another' } }),
    ]);
    const times = async (query: object) =>
      (await store.reader.recentLogs({ range, limit: 10, ...query })).map(({ timeUnixNano }) =>
        Number(timeUnixNano - NOON),
      );
    assert.deepEqual(await times({}), [4, 3, 2, 1]);
    assert.deepEqual(await times({ limit: 2 }), [4, 3]);
    assert.deepEqual(await times({ service: 'logger' }), [3, 2, 1]);
    assert.deepEqual(await times(ids), [4, 2, 1]);
    assert.deepEqual(await times({ severityAtLeast: 10 }), [2]);
    assert.deepEqual(await times({ text: 'SAID "no" \n' }), [2]);
    assert.deepEqual(await times({ range: { startUnixNano: NOON, endUnixNano: NOON + 1n } }), [1]);
  });

  void test('rate, errors and duration by the minute, and per function', async () => {
    const call = (second: number, fields: Parameters<typeof span>[0] = {}, durationMs = 10) =>
      span({
        name: 'resize',
        startTimeUnixNano: NOON + BigInt(second) * SECOND,
        endTimeUnixNano: NOON + BigInt(second) * SECOND + BigInt(durationMs) * 1_000_000n,
        attributes: { 'faas.name': 'resize', 'faas.coldstart': second === 0 },
        resource: { 'service.name': 'resize' },
        ...fields,
      });
    const invoke = (fields: object) =>
      span({
        name: 'invoke resize',
        kind: SPAN_KIND.client,
        resource: { 'service.name': 'router' },
        attributes: { 'faas.invoked_name': 'resize', 'spoor.attempt': 1n, ...fields },
      });
    const calls = Array.from({ length: 100 }, (_, second) => call(second, {}, second + 1));
    await store.writer.writeSpans([...calls, invoke({}), invoke({ 'error.type': 'function_timeout' })]);
    await store.writer.writeSpans([
      call(100, { status: { code: STATUS_CODE.error, message: '' } }),
      invoke({ 'spoor.attempt': 2n }),
    ]);
    const query = { range, service: 'resize', operation: 'resize', kind: SPAN_KIND.server };
    const [series, ...others] = await store.reader.red({ ...query, stepSeconds: 60 });
    assert.deepEqual(others, []);
    assert.deepEqual(
      series?.points.map(({ startUnixNano, count, errorCount }) => [
        Number((startUnixNano - NOON) / SECOND),
        count,
        errorCount,
      ]),
      [
        [0, 60, 0],
        [60, 41, 1],
      ],
    );
    const near = (given: number | undefined, wanted: number) =>
      assert.ok(Math.abs((given as number) / wanted - 1) < 0.023, `${given} is not near ${wanted}`);
    near(series?.points[0]?.p50Nano, 31e6);
    near(series?.points[0]?.p95Nano, 58e6);
    near(series?.points[0]?.p99Nano, 60e6);
    const [hour] = await store.reader.red({ ...query, stepSeconds: 3600 });
    assert.equal(hour?.points.length, 1);
    assert.equal(hour?.points[0]?.count, 101);
    await assert.rejects(store.reader.red({ ...query, stepSeconds: 61 }), { reason: 'bad_request' });
    const [stats, ...rest] = await store.reader.functionStats(range);
    assert.deepEqual(rest, []);
    near(stats?.p50Nano, 50e6);
    near(stats?.p99Nano, 99e6);
    assert.deepEqual(
      { ...stats, p50Nano: 0, p99Nano: 0 },
      {
        name: 'resize',
        invocations: 101,
        errors: 1,
        coldStarts: 1,
        timeouts: 1,
        retries: 1,
        p50Nano: 0,
        p99Nano: 0,
        lastSeenUnixNano: NOON + 100n * SECOND,
      },
    );
    assert.deepEqual(await store.reader.functionStats({ startUnixNano: 0n, endUnixNano: NOON - 1n }), []);
  });

  void test('keys and values are completed, and durations plotted', async () => {
    const one = span({
      name: 'plotted',
      attributes: { 'completion.a': 'x', 'completion.b': 2n },
      resource: { 'service.name': 'completed' },
    });
    const two = span({
      name: 'plotted',
      startTimeUnixNano: NOON + 1n,
      attributes: { 'completion.a': 'y' },
      resource: { 'service.name': 'completed' },
    });
    await store.writer.writeSpans([one, two, one]);
    const service = 'completed';
    assert.deepEqual(
      (await store.reader.attributeKeys({ range, service, prefix: 'completion', limit: 5 })).map(
        ({ text }) => text,
      ),
      ['completion.a', 'completion.b'],
    );
    assert.deepEqual(
      (await store.reader.attributeValues({ range, service, key: 'completion.a', limit: 5 })).map(
        ({ text }) => text,
      ),
      ['x', 'y'],
    );
    const points = await store.reader.durations({ range, service, attributes: {}, limit: 10 });
    assert.deepEqual(points[0], {
      traceId: two.traceId,
      spanId: two.spanId,
      service,
      operation: 'plotted',
      startUnixNano: NOON + 1n,
      durationNano: 4_999_999n,
      error: false,
    });
    assert.equal(points.length, 2);
  });
});
