import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { SPAN_KIND, STATUS_CODE, type Attributes, type LogData } from '../../function/span/span-data.ts';
import { silentLog } from '../../server/log.ts';
import { openStore, type OpenStore } from '../store/open-store.ts';
import type { TraceWriter } from '../store/store.ts';
import { NOON, span, spanIdOf, temporaryFolder, traceIdOf } from '../store/testing.ts';
import { startCollector, type Collector } from './collector.ts';
import { logsProtobuf, tracesJson, tracesProtobuf } from './testing.ts';

const VALUES: Attributes = {
  string: "x'\n\nDROP TABLE spans\n\n\0🦊",
  long: 'ü'.repeat(500),
  empty: '',
  yes: true,
  no: false,
  minInt: -(2n ** 63n),
  maxInt: 2n ** 63n - 1n,
  small: 7n,
  double: 72.5,
  whole: 3,
  minusZero: -0,
  nan: NaN,
  infinite: -Infinity,
  bytes: new Uint8Array([0, 10, 10, 255]),
  null: null,
  array: ['a', 1n, 1.5, true, null, ['b'], { k: 'v' }],
  noArray: [],
  map: { nested: { deep: [2n ** 62n] } },
};

const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';

void describe('collector', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let store: OpenStore;
  let collector: Collector;
  before(async () => {
    folder = await temporaryFolder();
    store = await openStore({ dataDir: folder.path });
    collector = await startCollector({
      store: store.writer,
      httpPort: 0,
      log: silentLog(),
      limits: { maxBodyBytes: 200_000, maxDecompressedBytes: 300_000, batchWaitMs: 5 },
    });
  });
  after(async () => {
    await collector[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const send = (
    body: Uint8Array<ArrayBuffer> | string,
    type = PROTOBUF,
    headers: Record<string, string> = {},
    path = '/v1/traces',
  ) =>
    fetch(collector.url + path, {
      method: 'POST',
      body: body,
      headers: { 'content-type': type, ...headers },
    });

  const full = () =>
    span({
      parentSpanId: spanIdOf(),
      kind: SPAN_KIND.producer,
      status: { code: STATUS_CODE.error, message: 'it\0broke' },
      attributes: VALUES,
      events: [
        { timeUnixNano: NOON + 1n, name: 'exception', attributes: VALUES, droppedAttributesCount: 3 },
        { timeUnixNano: NOON + 2n, name: '', attributes: {}, droppedAttributesCount: 0 },
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
      ],
      traceState: 'vendor=a',
      flags: 0x101,
      resource: { ...VALUES, 'service.name': 'sender' },
      scope: { name: 'scope', version: '1.2', attributes: VALUES },
      droppedAttributesCount: 1,
      droppedEventsCount: 2,
      droppedLinksCount: 3,
    });

  void test('every field of a span arrives, in every encoding and packing', async () => {
    const sent: [string, () => ReturnType<typeof send>][] = [];
    const spans = Array.from({ length: 6 }, full);
    const protobuf = (at: number) => tracesProtobuf([spans[at] ?? full()]);
    const json = (at: number, numbers: boolean) => tracesJson([spans[at] ?? full()], numbers);
    sent.push(['protobuf', () => send(protobuf(0))]);
    sent.push(['gzip', () => send(gzipSync(protobuf(1)), PROTOBUF, { 'content-encoding': 'gzip' })]);
    sent.push(['zstd', () => send(zstdCompressSync(protobuf(2)), PROTOBUF, { 'content-encoding': 'zstd' })]);
    sent.push(['deflate', () => send(deflateSync(protobuf(3)), PROTOBUF, { 'content-encoding': 'deflate' })]);
    sent.push(['json', () => send(json(4, false), `${JSON_TYPE}; charset=utf-8`)]);
    sent.push(['json numbers', () => send(json(5, true), JSON_TYPE)]);
    for (const [at, [name, post]] of sent.entries()) {
      const response = await post();
      assert.equal(response.status, 200, `${name}: ${await response.clone().text()}`);
      assert.deepEqual(await store.reader.trace(spans[at]?.traceId ?? ''), [spans[at]], name);
    }
  });

  void test('log records arrive', async () => {
    const log: LogData = {
      traceId: traceIdOf(),
      spanId: spanIdOf(),
      timeUnixNano: NOON,
      observedTimeUnixNano: NOON + 1n,
      severityNumber: 17,
      severityText: 'ERROR',
      body: VALUES,
      attributes: VALUES,
      resource: { 'service.name': 'sender' },
      scope: { name: 's', version: '1' },
    };
    assert.equal((await send(logsProtobuf([log]), PROTOBUF, {}, '/v1/logs')).status, 200);
    assert.deepEqual(await store.reader.logs(log.traceId), [log]);
    const { traceId } = span();
    const record = { timeUnixNano: '5', traceId, body: { stringValue: 'hello' }, severityNumber: 9 };
    const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] });
    assert.equal((await send(body, JSON_TYPE, {}, '/v1/logs')).status, 200);
    assert.equal((await store.reader.logs(traceId))[0]?.body, 'hello');
  });

  void test('the good part of a batch is kept, and the sender told of the rest', async () => {
    const good = span();
    const bad = [
      span({ traceId: '00' }),
      span({ traceId: '0'.repeat(32) }),
      span({ spanId: '' }),
      span({ parentSpanId: '0102' }),
    ];
    for (const type of [PROTOBUF, JSON_TYPE]) {
      const one = { ...good, spanId: spanIdOf() };
      const batch = [...bad, one];
      const response = await send(type === PROTOBUF ? tracesProtobuf(batch) : tracesJson(batch), type);
      assert.equal(response.status, 200);
      const told = await response.text();
      if (type === JSON_TYPE)
        assert.match(told, /^\{"partialSuccess":\{"rejectedSpans":"4","errorMessage":".+"\}\}$/);
      else assert.match(told, /trace id is not 16 bytes/);
      assert.ok((await store.reader.trace(good.traceId)).some(({ spanId }) => spanId === one.spanId));
    }
    assert.equal((await store.reader.trace(good.traceId)).length, 2);
  });

  void test('small faults are repaired: no name, no service, an end before the start, bad UTF-8', async () => {
    const traceId = traceIdOf();
    const faulty = span({
      traceId,
      name: '',
      resource: {},
      endTimeUnixNano: NOON - 5n,
      attributes: { text: 'ab~~' },
      events: [{ timeUnixNano: NOON, name: 'e~~', attributes: {}, droppedAttributesCount: 0 }],
    });
    const body = tracesProtobuf([faulty]);
    for (let at = body.indexOf('~~'); at >= 0; at = body.indexOf('~~', at)) body.fill(0xff, at, at + 2);
    assert.equal((await send(body)).status, 200);
    const [found] = await store.reader.trace(traceId);
    assert.equal(found?.name, 'unnamed');
    assert.equal(found?.endTimeUnixNano, NOON);
    assert.equal(found?.attributes['text'], 'ab\ufffd\ufffd');
    assert.equal(found?.events[0]?.name, 'e\ufffd\ufffd');
    assert.ok((await store.reader.services()).includes('unknown_service'));
  });

  void test('what cannot be read gets a clear 4xx as an OTLP Status', async () => {
    const bomb = gzipSync(Buffer.alloc(5_000_000));
    const cases: readonly [
      number,
      Uint8Array<ArrayBuffer> | string,
      string,
      Record<string, string>,
      string?,
    ][] = [
      [415, 'x', 'text/plain', {}],
      [415, 'x', PROTOBUF, { 'content-encoding': 'br' }],
      [400, 'x', PROTOBUF, { 'content-encoding': 'gzip' }],
      [400, 'x', PROTOBUF, {}],
      [400, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), PROTOBUF, {}],
      [400, '{', JSON_TYPE, {}],
      [400, '[]', JSON_TYPE, {}],
      [400, '{"resourceSpans":{}}', JSON_TYPE, {}],
      [400, '{"resourceSpans":[1]}', JSON_TYPE, {}],
      [413, Buffer.alloc(200_001), PROTOBUF, {}],
      [413, bomb, PROTOBUF, { 'content-encoding': 'gzip' }],
      [404, 'x', JSON_TYPE, {}, '/v1/metrics'],
    ];
    for (const [status, body, type, headers, path] of cases) {
      const response = await send(body, type, headers, path);
      const told = await response.text();
      assert.equal(response.status, status, told);
      assert.match(told, /cannot/);
      if (response.headers.get('content-type') === JSON_TYPE)
        assert.equal(typeof (JSON.parse(told) as { code: unknown }).code, 'number');
    }
    assert.equal((await fetch(`${collector.url}/v1/traces`)).status, 405);
  });

  void test('mutated bodies are refused or read in part, and the rest of the batch is safe', async () => {
    const body = tracesProtobuf([full(), span(), full()]);
    const text = Buffer.from(tracesJson([full(), span()]));
    const safe: string[] = [];
    for (let round = 0; round < 30; round += 1) {
      const posts = Array.from({ length: 20 }, (_, at) => {
        const mutated = Buffer.from(at % 4 === 3 ? text : body);
        for (let bytes = randomInt(1, 8); bytes > 0; bytes -= 1)
          mutated[randomInt(mutated.length)] = randomInt(256);
        const cut = at % 5 === 0 ? mutated.subarray(0, randomInt(mutated.length)) : mutated;
        return send(cut, at % 4 === 3 ? JSON_TYPE : PROTOBUF);
      });
      const good = span();
      safe.push(good.traceId);
      posts.push(send(tracesProtobuf([good])));
      for (const response of await Promise.all(posts)) {
        await response.arrayBuffer();
        assert.ok(response.status === 200 || response.status === 400, `status ${response.status}`);
      }
    }
    for (const traceId of safe) assert.equal((await store.reader.trace(traceId)).length, 1);
  });

  void test('a token, when there is one, is needed', async () => {
    await using guarded = await startCollector({
      store: store.writer,
      httpPort: 0,
      log: silentLog(),
      token: 'secret',
    });
    const post = (authorization?: string) =>
      fetch(`${guarded.url}/v1/traces`, {
        method: 'POST',
        body: tracesProtobuf([span()]),
        headers: { 'content-type': PROTOBUF, ...(authorization ? { authorization } : {}) },
      });
    assert.equal((await post()).status, 401);
    assert.equal((await post('Bearer secreT')).status, 401);
    assert.equal((await post('Bearer secret')).status, 200);
  });

  void test('a full collector and a failing store ask the sender to come again', async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const writes: number[] = [];
    const slow: TraceWriter = {
      writeSpans: () => opened,
      writeLogs: () => opened,
      async writeSpanColumns() {
        const second = writes.push(1) === 2;
        await opened;
        if (second) throw new Error('disk full');
      },
    };
    await using small = await startCollector({
      store: slow,
      httpPort: 0,
      log: silentLog(),
      limits: { maxHeldBytes: 1000, batchRows: 1 },
    });
    const post = (size: number) =>
      fetch(`${small.url}/v1/traces`, {
        method: 'POST',
        body: tracesProtobuf([span({ attributes: { a: 'x'.repeat(size) } })]),
        headers: { 'content-type': PROTOBUF },
      });
    const first = post(600);
    const failing = post(10);
    while (writes.length < 2) await sleep(2);
    const refused = await post(900);
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get('retry-after'), '1');
    open();
    const answers = await Promise.all([first, failing]);
    assert.deepEqual(
      answers.map(({ status }) => status).toSorted((a, b) => a - b),
      [200, 503],
    );
  });
});
