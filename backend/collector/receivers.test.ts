import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { connect } from 'node:http2';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { ZipkinExporter } from '@opentelemetry/exporter-zipkin';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace';
import { SPAN_KIND, STATUS_CODE, type SpanData } from '../../function/span/span-data.ts';
import { silentLog } from '../../server/log.ts';
import { openStore, type OpenStore } from '../store/open-store.ts';
import { span, spanIdOf, temporaryFolder, traceIdOf } from '../store/testing.ts';
import { startCollector, type Collector } from './collector.ts';
import { logsProtobuf, tracesProtobuf } from './testing.ts';

void describe('receivers', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let store: OpenStore;
  let collector: Collector;
  before(async () => {
    folder = await temporaryFolder();
    store = await openStore({ dataDir: folder.path });
    collector = await startCollector({
      store: store.writer,
      httpPort: 0,
      grpcPort: 0,
      jaegerHttpPort: 0,
      jaegerUdpPort: 0,
      zipkinPort: 0,
      samplingPort: 0,
      samplingStrategies: {
        default_strategy: { type: 'probabilistic', param: 0.5 },
        service_strategies: [
          { service: 'limited', type: 'ratelimiting', param: 42 },
          {
            service: 'split',
            type: 'probabilistic',
            param: 0.1,
            operation_strategies: [{ operation: 'GET /', type: 'probabilistic', param: 1 }],
          },
        ],
      },
      log: silentLog(),
      limits: { batchWaitMs: 5, maxBodyBytes: 1_000_000 },
    });
  });
  after(async () => {
    await collector[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const openTelemetry: readonly [string, () => SpanExporter][] = [
    ['OTLP/JSON', () => new JsonExporter({ url: `${collector.url}/v1/traces` })],
    ['OTLP/protobuf', () => new ProtoExporter({ url: `${collector.url}/v1/traces` })],
    ['OTLP/gRPC', () => new GrpcExporter({ url: collector.grpcUrl as string })],
    [
      'OTLP/gRPC, gzip',
      () => new GrpcExporter({ url: collector.grpcUrl as string, compression: 'gzip' as never }),
    ],
  ];
  for (const [name, exporter] of openTelemetry)
    void test(`OpenTelemetry's own exporter round-trips every field: ${name}`, async () => {
      const linked = { traceId: traceIdOf(), spanId: spanIdOf(), traceFlags: 1 };
      const [parent, child] = await send(exporter(), linked);
      const found = await store.reader.trace(parent.traceId);
      assert.equal(found.length, 2);
      const one = found.find(({ spanId }) => spanId === child.spanId) as SpanData;
      assert.equal(one.parentSpanId, parent.spanId);
      assert.equal(one.name, 'send greetings');
      assert.equal(one.kind, SPAN_KIND.producer);
      assert.deepEqual(one.status, { code: STATUS_CODE.error, message: 'no broker' });
      assert.deepEqual(one.attributes, {
        text: 'ünï',
        int: 7n,
        double: 1.5,
        bool: true,
        texts: ['a', 'b'],
        numbers: [1n, 2n],
      });
      assert.equal(one.resource['service.name'], 'sender');
      assert.deepEqual([one.scope.name, one.scope.version], ['receivers', '1.2']);
      assert.deepEqual(
        one.events.map(({ name, attributes }) => [name, attributes]),
        [['retry', { attempt: 2n }]],
      );
      assert.deepEqual(
        one.links.map(({ traceId, spanId, attributes }) => ({ traceId, spanId, attributes })),
        [{ traceId: linked.traceId, spanId: linked.spanId, attributes: { why: 'batch' } }],
      );
      assert.ok(one.endTimeUnixNano - one.startTimeUnixNano === 25_000_000n);
    });

  void test("OpenTelemetry's Zipkin exporter arrives", async () => {
    const linked = { traceId: traceIdOf(), spanId: spanIdOf(), traceFlags: 1 };
    const [parent, child] = await send(
      new ZipkinExporter({ url: `${collector.zipkinUrl}/api/v2/spans` }),
      linked,
    );
    const found = await store.reader.trace(parent.traceId);
    assert.equal(found.length, 2);
    const one = found.find(({ spanId }) => spanId === child.spanId) as SpanData;
    assert.equal(one.parentSpanId, parent.spanId);
    assert.equal(one.kind, SPAN_KIND.producer);
    assert.deepEqual(one.status, { code: STATUS_CODE.error, message: 'no broker' });
    assert.equal(one.attributes['text'], 'ünï');
    assert.equal(one.attributes['int'], '7');
    assert.equal(one.resource['service.name'], 'sender');
    assert.equal(one.events[0]?.name, 'retry');
    assert.equal(one.endTimeUnixNano - one.startTimeUnixNano, 25_000_000n);
  });

  void test('Zipkin spans of both versions, with 64-bit ids; what is wrong is told', async () => {
    const id = spanIdOf();
    const post = async (body: unknown, path = '/api/v2/spans') =>
      await fetch(`${collector.zipkinUrl}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
    const v1 = {
      traceId: id,
      id: spanIdOf(),
      parentId: id,
      name: 'get',
      annotations: [
        {
          timestamp: 1_772_366_400_000_100,
          value: 'cs',
          endpoint: { serviceName: 'front', ipv4: '10.0.0.1', port: 80 },
        },
        { timestamp: 1_772_366_400_000_300, value: 'cr', endpoint: { serviceName: 'front' } },
        { timestamp: 1_772_366_400_000_200, value: 'half way', endpoint: { serviceName: 'front' } },
      ],
      binaryAnnotations: [
        { key: 'http.path', value: '/cards' },
        { key: 'sa', value: true, endpoint: { serviceName: 'cards', ipv4: '10.0.0.2' } },
      ],
    };
    const v2 = {
      traceId: id,
      id,
      name: 'root',
      kind: 'SERVER',
      timestamp: 1_772_366_400_000_000,
      duration: 1_000,
      localEndpoint: { serviceName: 'front' },
      tags: { error: 'boom', code: '7' },
    };
    assert.equal((await post([v2, { id: 'no' }, 7])).status, 202);
    assert.equal((await post([v1], '/api/v1/spans')).status, 202);
    const found = await store.reader.trace(id.padStart(32, '0'));
    const root = found.find(({ parentSpanId }) => parentSpanId === '') as SpanData;
    assert.deepEqual(root.status, { code: STATUS_CODE.error, message: 'boom' });
    assert.deepEqual(root.attributes, { code: '7', error: 'boom' });
    const old = found.find(({ parentSpanId }) => parentSpanId !== '') as SpanData;
    assert.equal(old.kind, SPAN_KIND.client);
    assert.equal(old.endTimeUnixNano - old.startTimeUnixNano, 200_000n);
    assert.deepEqual(old.attributes, {
      'http.path': '/cards',
      'network.local.address': '10.0.0.1',
      'network.local.port': 80n,
      'peer.service': 'cards',
      'network.peer.address': '10.0.0.2',
    });
    assert.deepEqual(
      old.events.map(({ name }) => name),
      ['half way'],
    );
    for (const [body, path, status] of [
      ['{', '/api/v2/spans', 400],
      [{}, '/api/v2/spans', 400],
      [[{ traceId: 'x', id: 'y' }], '/api/v2/spans', 400],
      [[], '/api/v2/spans', 202],
      [[], '/spans', 404],
    ] as const)
      assert.equal((await post(body, path)).status, status, path);
  });

  for (const [name, reporter] of [
    ['UDP', () => ({ agentHost: '127.0.0.1', agentPort: collector.jaegerUdpPort })],
    ['HTTP', () => ({ collectorEndpoint: `${collector.jaegerHttpUrl}/api/traces` })],
  ] as const)
    void test(`jaeger-client arrives over ${name}`, async () => {
      const { initTracer } = createRequire(import.meta.url)('jaeger-client') as JaegerClient;
      const tracer = initTracer(
        {
          serviceName: 'jaeger sender',
          sampler: { type: 'const', param: 1 },
          reporter: { ...reporter(), flushIntervalMs: 20 },
        },
        { tags: { region: 'here' } },
      );
      const parent = tracer.startSpan('parent', { tags: { 'span.kind': 'server' } });
      const child = tracer.startSpan('child', {
        childOf: parent.context(),
        tags: { 'span.kind': 'client', error: true, text: 'ünï', double: 1.5, yes: true },
      });
      child.log({ event: 'retry', attempt: '2' });
      child.finish();
      parent.finish();
      const traceId = parent.context().traceIdStr.padStart(32, '0');
      await new Promise<void>((done) => tracer.close(() => done()));
      let found = await store.reader.trace(traceId);
      // UDP has no acknowledgement to wait for.
      for (let tries = 0; tries < 200 && found.length < 2; tries += 1) {
        await sleep(20);
        found = await store.reader.trace(traceId);
      }
      assert.equal(found.length, 2);
      const root = found.find(({ name }) => name === 'parent') as SpanData;
      const one = found.find(({ name }) => name === 'child') as SpanData;
      assert.equal(one.parentSpanId, root.spanId);
      assert.deepEqual([root.kind, one.kind], [SPAN_KIND.server, SPAN_KIND.client]);
      assert.equal(one.status.code, STATUS_CODE.error);
      assert.deepEqual(
        [one.attributes['text'], Number(one.attributes['double']), one.attributes['yes']],
        ['ünï', 1.5, true],
      );
      assert.equal(one.resource['service.name'], 'jaeger sender');
      assert.equal(one.resource['region'], 'here');
      assert.deepEqual(
        one.events.map(({ name, attributes }) => [name, attributes]),
        [['retry', { attempt: '2' }]],
      );
      assert.equal(one.links.length, 0);
    });

  void test('gRPC says what is wrong by its own status', async () => {
    const good = [span()];
    const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
    const cases: readonly [string, string, Buffer, Record<string, string>, string][] = [
      ['stored', path, framed(tracesProtobuf(good)), {}, '0'],
      ['compressed', path, framed(gzipSync(tracesProtobuf([span()])), 1), { 'grpc-encoding': 'gzip' }, '0'],
      ['empty', path, framed(Buffer.alloc(0)), {}, '0'],
      ['no such method', '/x.Y/Z', framed(Buffer.alloc(0)), {}, '12'],
      ['cut off', path, framed(tracesProtobuf(good)).subarray(0, 20), {}, '3'],
      ['no protobuf', path, framed(Buffer.from([0xff, 0xff])), {}, '3'],
      ['unknown compression', path, framed(Buffer.alloc(3), 1), { 'grpc-encoding': 'snappy' }, '3'],
      ['too large', path, framed(Buffer.alloc(1_000_001)), {}, '8'],
    ];
    for (const [name, to, body, headers, status] of cases)
      assert.equal((await grpc(collector.grpcUrl as string, to, body, headers)).status, status, name);
    assert.equal((await store.reader.trace((good[0] as SpanData).traceId)).length, 1);
    const log = {
      timeUnixNano: 1n,
      observedTimeUnixNano: 1n,
      severityNumber: 9,
      severityText: 'INFO',
      body: 'by gRPC',
      traceId: traceIdOf(),
      spanId: spanIdOf(),
      attributes: {},
      resource: { 'service.name': 'a' },
      scope: { name: '', version: '' },
    };
    const logs = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
    assert.equal((await grpc(collector.grpcUrl as string, logs, framed(logsProtobuf([log])))).status, '0');
    assert.equal((await store.reader.logs(log.traceId))[0]?.body, 'by gRPC');
  });

  void test('samplers are told what to sample', async () => {
    const ask = async (query: string) => {
      const response = await fetch(`${collector.samplingUrl}/sampling${query}`);
      return response.status === 200 ? await response.json() : response.status;
    };
    assert.deepEqual(await ask('?service=any'), {
      strategyType: 'PROBABILISTIC',
      probabilisticSampling: { samplingRate: 0.5 },
    });
    assert.deepEqual(await ask('?service=limited'), {
      strategyType: 'RATE_LIMITING',
      rateLimitingSampling: { maxTracesPerSecond: 42 },
    });
    assert.deepEqual(await ask('?service=split'), {
      strategyType: 'PROBABILISTIC',
      probabilisticSampling: { samplingRate: 0.1 },
      operationSampling: {
        defaultSamplingProbability: 0.1,
        defaultLowerBoundTracesPerSecond: 0,
        perOperationStrategies: [{ operation: 'GET /', probabilisticSampling: { samplingRate: 1 } }],
      },
    });
    assert.equal(await ask(''), 400);
    assert.equal(await ask('?service=a&service=b'), 400);
  });

  void test('a taken port of an extra is passed over when nobody asked for it, and fails when somebody did', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const options = { store: store.writer, httpPort: 0, log: silentLog() };
    await using lenient = await startCollector({ ...options, zipkinPort: { port, ifFree: true } });
    assert.equal(lenient.zipkinUrl, undefined);
    await assert.rejects(startCollector({ ...options, zipkinPort: port }), { reason: 'conflict' });
    await assert.rejects(startCollector({ ...options, jaegerUdpPort: collector.jaegerUdpPort }), {
      reason: 'conflict',
    });
    await new Promise((done) => other.close(done));
  });
});

/** A parent and a child with everything a span can have. */
async function send(exporter: SpanExporter, linked: { traceId: string; spanId: string; traceFlags: number }) {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'sender' }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  const tracer = provider.getTracer('receivers', '1.2');
  const parent = tracer.startSpan('POST /greetings', { kind: SpanKind.SERVER });
  const start = Date.now();
  const child = tracer.startSpan(
    'send greetings',
    {
      kind: SpanKind.PRODUCER,
      startTime: start,
      attributes: { text: 'ünï', int: 7, double: 1.5, bool: true, texts: ['a', 'b'], numbers: [1, 2] },
      links: [{ context: linked, attributes: { why: 'batch' } }],
    },
    trace.setSpan(context.active(), parent),
  );
  child.addEvent('retry', { attempt: 2 });
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'no broker' });
  child.end(start + 25);
  parent.end();
  await provider.forceFlush();
  await provider.shutdown();
  return [parent.spanContext(), child.spanContext()] as const;
}

interface JaegerClient {
  readonly initTracer: (config: object, options: object) => JaegerTracer;
}
interface JaegerTracer {
  startSpan(name: string, fields: object): JaegerSpan;
  close(done: () => void): void;
}
interface JaegerSpan {
  context(): { readonly traceIdStr: string };
  log(fields: object): void;
  finish(): void;
}

function framed(message: Buffer, compressed = 0): Buffer {
  const bytes = Buffer.alloc(5 + message.length);
  bytes[0] = compressed;
  bytes.writeUInt32BE(message.length, 1);
  message.copy(bytes, 5);
  return bytes;
}

async function grpc(url: string, path: string, body: Buffer, headers: Record<string, string> = {}) {
  const session = connect(url);
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let status = '';
  stream.on('response', (head) => (status ||= String(head['grpc-status'] ?? '')));
  stream.on('trailers', (trailers) => (status ||= String(trailers['grpc-status'] ?? '')));
  stream.on('error', () => {});
  stream.resume();
  stream.end(body);
  await once(stream, 'close');
  session.destroy();
  return { status };
}
