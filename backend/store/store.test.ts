import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SPAN_KIND, STATUS_CODE, type Attributes, type LogData } from '../../function/span/span-data.ts';
import { Failure } from '../../server/failure.ts';
import { openStore, type OpenStore } from './open-store.ts';
import type { TraceQuery } from './store.ts';
import { NOON, span, spanIdOf, temporaryFolder, traceIdOf } from './testing.ts';

const HOUR = 3_600_000_000_000n;
const range = { startUnixNano: NOON - HOUR, endUnixNano: NOON + HOUR };
const query = (fields: Partial<TraceQuery> = {}): TraceQuery => ({
  range,
  attributes: {},
  limit: 20,
  ...fields,
});

const HOSTILE = [
  '',
  "it's",
  '"; DROP TABLE spans; --',
  "x'\n\nDROP TABLE spans\n\n",
  '\\',
  "\\'",
  'a\0b',
  '🦊 ünï',
  '{x:String}',
  '%s $1 ${y}',
  '/* */ -- #',
  'x'.repeat(70_000),
  '__proto__',
  '\u2028\r\n\t',
];

const VALUES: Attributes = {
  string: 'text',
  empty: '',
  yes: true,
  no: false,
  zero: 0n,
  minInt: -(2n ** 63n),
  maxInt: 2n ** 63n - 1n,
  double: 72.5,
  whole: 1,
  minusZero: -0,
  nan: NaN,
  infinite: Infinity,
  minusInfinite: -Infinity,
  tiny: 5e-324,
  huge: 1.7976931348623157e308,
  bytes: new Uint8Array([0, 10, 10, 255]),
  noBytes: new Uint8Array([]),
  null: null,
  array: ['a', 1n, 1, true, null, new Uint8Array([1]), NaN, ['b'], { k: 'v' }],
  noArray: [],
  map: { $double: 'x', $bytes: 1n, plain: -0, nested: { deep: [2n ** 62n] } },
  noMap: {},
  "key with \n\n and \0 and '": 'v',
};

void describe('store', () => {
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

  void test('every field of a span comes back as it went in', async () => {
    const attributes: Record<string, string> = {};
    for (const [index, value] of HOSTILE.entries()) attributes[`hostile.${index}`] = value;
    for (const value of HOSTILE) if (value !== '__proto__') attributes[value] = 'key';
    const full = span({
      parentSpanId: spanIdOf(),
      name: HOSTILE[3] as string,
      kind: SPAN_KIND.consumer,
      status: { code: STATUS_CODE.error, message: HOSTILE[2] as string },
      attributes: { ...VALUES, ...attributes },
      events: [
        { timeUnixNano: NOON + 1n, name: 'exception', attributes: VALUES, droppedAttributesCount: 3 },
        { timeUnixNano: NOON + 2n, name: 'a\0', attributes: {}, droppedAttributesCount: 0 },
      ],
      links: [
        {
          traceId: traceIdOf(),
          spanId: spanIdOf(),
          traceState: 'a=1',
          flags: 0x301,
          attributes: VALUES,
          droppedAttributesCount: 7,
        },
        {
          traceId: traceIdOf(),
          spanId: spanIdOf(),
          traceState: '',
          flags: 0,
          attributes: { ...attributes },
          droppedAttributesCount: 0,
        },
      ],
      traceState: 'vendor=a,b=c',
      flags: 0xffff_ffff,
      resource: { 'service.name': "o'brien\n\n", ...VALUES },
      scope: { name: 'scope', version: '1.2', attributes: { ...VALUES } },
      droppedAttributesCount: 1,
      droppedEventsCount: 2,
      droppedLinksCount: 4_000_000_000,
      endTimeUnixNano: NOON + 123_456_789_012n,
    });
    await store.writer.writeSpans([full, span()]);
    assert.deepEqual(await store.reader.trace(full.traceId), [full]);
    assert.deepEqual(await store.reader.trace(full.traceId, range), [full]);
  });

  void test('far-off times and negative durations are repaired, not refused', async () => {
    const traceId = traceIdOf();
    const times = [0n, 1n, 2n ** 63n - 1n, 2n ** 64n - 1n, NOON];
    await store.writer.writeSpans(
      times.map((time) => span({ traceId, startTimeUnixNano: time, endTimeUnixNano: time / 2n })),
    );
    const found = await store.reader.trace(traceId);
    assert.equal(found.length, times.length);
    for (const one of found) assert.equal(one.startTimeUnixNano, one.endTimeUnixNano);
  });

  void test('a span that is sent twice is shown once', async () => {
    const once = span({ name: 'twice' });
    await store.writer.writeSpans([once, once]);
    await store.writer.writeSpans([once]);
    assert.deepEqual(await store.reader.trace(once.traceId), [once]);
    assert.deepEqual(await store.reader.findTraces(query({ operation: 'twice' })), [[once]]);
    const [summary] = await store.reader.summaries(query({ operation: 'twice' }));
    assert.equal(summary?.spanCount, 1);
  });

  void test('a filter matches by value whatever the type, span or resource', async () => {
    const one = span({
      name: 'typed',
      attributes: { int: 123n, double: 72.5, bool: true, empty: '', $odd: 'dollar' },
      resource: { 'service.name': 'typed', 'process.pid': 41n, $odd: 'other' },
      events: [
        {
          timeUnixNano: NOON,
          name: 'exception',
          attributes: { 'exception.type': 'TypeError' },
          droppedAttributesCount: 0,
        },
      ],
      status: { code: STATUS_CODE.error, message: 'no' },
      scope: { name: 'my-scope', version: '9' },
    });
    await store.writer.writeSpans([one]);
    const cases: readonly [Record<string, string | null>, boolean][] = [
      [{ int: '123' }, true],
      [{ double: '72.5' }, true],
      [{ bool: 'true' }, true],
      [{ empty: '' }, true],
      [{ empty: null }, true],
      [{ missing: '' }, false],
      [{ missing: null }, false],
      [{ int: '124' }, false],
      [{ 'process.pid': '41' }, true],
      [{ 'resource.process.pid': '41' }, true],
      [{ 'resource.int': '123' }, false],
      [{ $odd: 'other' }, true],
      [{ $odd: 'dollar' }, true],
      [{ 'exception.type': 'TypeError' }, true],
      [{ 'event.exception.type': 'TypeError' }, true],
      [{ error: 'true', 'span.kind': 'server' }, true],
      [{ error: 'false' }, false],
      [{ 'span.kind': 'client' }, false],
      [{ 'otel.status_code': 'ERROR', 'otel.status_description': 'no' }, true],
      [{ 'otel.scope.name': 'my-scope', 'otel.scope.version': '9' }, true],
    ];
    for (const [attributes, found] of cases) {
      const ids = await store.reader.findTraceIds(query({ service: 'typed', attributes }));
      assert.equal(ids.length, found ? 1 : 0, JSON.stringify(attributes));
    }
  });

  void test('no parameter of a query can leave its literal', async () => {
    const one = span({ name: 'victim', resource: { 'service.name': 'victim' } });
    await store.writer.writeSpans([one]);
    for (const value of HOSTILE) {
      assert.deepEqual(await store.reader.operations({ service: `${value}!` }), []);
      const asked = query({ service: `${value}!`, operation: value, attributes: { [value]: value } });
      assert.deepEqual(await store.reader.findTraceIds(asked), []);
      assert.deepEqual(await store.reader.summaries(asked), []);
      assert.deepEqual(await store.reader.findTraces(asked), []);
      await store.reader.findTraceIds(
        query({ attributes: { [`resource.${value}`]: value, [`event.${value}`]: null } }),
      );
      for (const id of [value, `') OR 1=1 --`, `${'0'.repeat(31)}'`]) {
        const refused = (error: unknown) => error instanceof Failure && error.reason === 'bad_request';
        await assert.rejects(store.reader.trace(id), refused);
        await assert.rejects(store.reader.logs(id), refused);
        await assert.rejects(store.reader.linksTo({ traceId: id }), refused);
        await assert.rejects(store.reader.linksTo({ traceId: one.traceId, spanId: id }), refused);
      }
    }
    for (const limit of [0, -1, 1.5, 1501, NaN])
      await assert.rejects(store.reader.findTraceIds(query({ limit })), Failure);
    assert.deepEqual(await store.reader.trace(one.traceId), [one]);
  });

  void test('the most recent traces come first, and one span must satisfy every predicate', async () => {
    const resource = { 'service.name': 'recent' };
    const traceIds = [traceIdOf(), traceIdOf(), traceIdOf()];
    await store.writer.writeSpans(
      traceIds.flatMap((traceId, at) => {
        const startTimeUnixNano = NOON + BigInt(at) * 1_000_000n;
        const endTimeUnixNano = startTimeUnixNano + BigInt(at + 1) * 1_000_000n;
        return [
          span({ traceId, resource, startTimeUnixNano, endTimeUnixNano, attributes: { half: 'a' } }),
          span({ traceId, resource, startTimeUnixNano, endTimeUnixNano, attributes: { other: 'b' } }),
        ];
      }),
    );
    const ids = async (fields: Partial<TraceQuery>) =>
      (await store.reader.findTraceIds(query({ service: 'recent', ...fields }))).map(
        ({ traceId }) => traceId,
      );
    assert.deepEqual(await ids({}), traceIds.toReversed());
    assert.deepEqual(await ids({ limit: 1 }), traceIds.slice(2));
    assert.deepEqual(await ids({ minDurationNano: 2_000_000n, maxDurationNano: 2_000_000n }), [traceIds[1]]);
    assert.deepEqual(await ids({ attributes: { half: 'a', other: 'b' } }), []);
    assert.deepEqual(await ids({ range: { startUnixNano: NOON - 2n, endUnixNano: NOON - 1n } }), []);
    await assert.rejects(ids({ range: { startUnixNano: NOON, endUnixNano: NOON - 1n } }), Failure);
    const traces = await store.reader.findTraces(query({ service: 'recent', limit: 2 }));
    assert.deepEqual(
      traces.map((spans) => [spans.length, spans[0]?.traceId]),
      [
        [2, traceIds[2]],
        [2, traceIds[1]],
      ],
    );
  });

  void test('services, operations and summaries', async () => {
    const traceId = traceIdOf();
    const root = span({ traceId, name: 'root', resource: { 'service.name': 'sum-a' } });
    const child = span({
      traceId,
      parentSpanId: root.spanId,
      name: 'child',
      kind: SPAN_KIND.client,
      resource: { 'service.name': 'sum-b' },
      startTimeUnixNano: NOON - 1n,
      endTimeUnixNano: NOON + 9_000_000n,
      status: { code: STATUS_CODE.error, message: '' },
    });
    const orphan = span({
      traceId,
      parentSpanId: spanIdOf(),
      name: 'child',
      resource: { 'service.name': 'sum-b' },
    });
    await store.writer.writeSpans([root, child, orphan]);
    const services = await store.reader.services();
    assert.ok(services.includes('sum-a') && services.includes('sum-b'));
    assert.deepEqual(await store.reader.operations({ service: 'sum-b' }), [
      { name: 'child', kind: SPAN_KIND.server },
      { name: 'child', kind: SPAN_KIND.client },
    ]);
    assert.deepEqual(await store.reader.operations({ service: 'sum-b', kind: SPAN_KIND.client }), [
      { name: 'child', kind: SPAN_KIND.client },
    ]);
    assert.deepEqual(await store.reader.summaries(query({ service: 'sum-a' })), [
      {
        traceId,
        rootService: 'sum-a',
        rootOperation: 'root',
        startUnixNano: NOON - 1n,
        endUnixNano: NOON + 9_000_000n,
        spanCount: 3,
        errorSpanCount: 1,
        orphanSpanCount: 1,
        services: [
          { name: 'sum-a', spanCount: 1, errorSpanCount: 0 },
          { name: 'sum-b', spanCount: 2, errorSpanCount: 1 },
        ],
      },
    ]);
  });

  void test('links are walked backwards, and count as calls like parents do', async () => {
    const day = { startUnixNano: NOON + 100n * HOUR, endUnixNano: NOON + 101n * HOUR };
    const at = { startTimeUnixNano: day.startUnixNano + 1n, endTimeUnixNano: day.startUnixNano + 2n };
    const producer = span({ ...at, kind: SPAN_KIND.producer, resource: { 'service.name': 'maker' } });
    const link = {
      traceId: producer.traceId,
      spanId: producer.spanId,
      traceState: '',
      flags: 0,
      attributes: { 'messaging.kafka.offset': 4n },
      droppedAttributesCount: 0,
    };
    const byLink = span({ ...at, links: [link], resource: { 'service.name': 'by-link' } });
    const byBoth = span({
      ...at,
      traceId: producer.traceId,
      parentSpanId: producer.spanId,
      links: [link],
      resource: { 'service.name': 'by-both' },
    });
    const byParent = span({
      ...at,
      traceId: producer.traceId,
      parentSpanId: producer.spanId,
      resource: { 'service.name': 'by-parent' },
    });
    await store.writer.writeSpans([producer, byLink, byBoth, byParent]);
    const links = await store.reader.linksTo({ traceId: producer.traceId, spanId: producer.spanId });
    assert.deepEqual(
      new Set(links.map(({ fromSpanId }) => fromSpanId)),
      new Set([byLink.spanId, byBoth.spanId]),
    );
    assert.deepEqual(links[0]?.attributes, link.attributes);
    assert.equal((await store.reader.linksTo({ traceId: producer.traceId })).length, 2);
    assert.deepEqual(await store.reader.dependencies(day), [
      { parent: 'maker', child: 'by-both', callCount: 1 },
      { parent: 'maker', child: 'by-link', callCount: 1 },
      { parent: 'maker', child: 'by-parent', callCount: 1 },
    ]);
  });

  void test('every field of a log record comes back as it went in', async () => {
    const { traceId, spanId } = span();
    const log: LogData = {
      traceId,
      spanId,
      timeUnixNano: NOON,
      observedTimeUnixNano: NOON + 1n,
      severityNumber: 9,
      severityText: 'INFO',
      body: HOSTILE[3],
      attributes: VALUES,
      resource: { 'service.name': 'logger' },
      scope: { name: '', version: '' },
    };
    const structured: LogData = { ...log, timeUnixNano: NOON + 5n, body: VALUES, spanId: '' };
    const bare: LogData = { ...log, timeUnixNano: NOON + 6n, body: undefined };
    await store.writer.writeLogs([log, structured, bare]);
    assert.deepEqual(await store.reader.logs(traceId), [log, structured, bare]);
  });

  void test('a second process on the same data directory is refused', async () => {
    await assert.rejects(
      openStore({ dataDir: folder.path }),
      (error: unknown) =>
        error instanceof Failure && error.reason === 'conflict' && error.message.includes(folder.path),
    );
    assert.ok((await store.reader.services()).length > 0);
  });

  void test('an unknown trace is an empty answer', async () => {
    assert.deepEqual(await store.reader.trace(traceIdOf()), []);
  });
});
