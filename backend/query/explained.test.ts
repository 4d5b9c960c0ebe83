import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { SpanData } from '../../function/span/span-data.ts';
import { silentLog } from '../../server/log.ts';
import { startQuery } from './query.ts';
import type {
  AccountJson,
  FlowJson,
  FunctionsJson,
  HeatmapJson,
  MapJson,
  MessagesJson,
  TraceEventJson,
  WhyJson,
} from './shapes.ts';
import { greeting, greetingLogs } from './test/greetings.ts';
import { memoryReader } from './test/memory-reader.ts';

const SECOND = 1_000_000_000n;
const NOW = BigInt(Date.now()) * 1_000_000n;
const START = NOW - 300n * SECOND;
const at = (second: number) => START + BigInt(second) * SECOND;
const healthy = Array.from({ length: 8 }, (_, i) => placed(i, greeting(i + 1, at(i), 'warm')));
const crashed = placed(20, greeting(20, at(20), 'crash'));
const slow = placed(21, greeting(21, at(22), 'slow'));
const spans = [...healthy.flat(), ...crashed, ...slow];
const logs = greetingLogs(spans);
const idOf = (trace: readonly { traceId: string }[]) => trace[0]?.traceId ?? '';

void test('a flow has every span once, causes before effects, and the message with its wait', async () => {
  await using api = await start();
  const flow = await api.ok<FlowJson>(`/api/flows/${idOf(crashed)}`);
  assert.equal(flow.spanCount, crashed.length);
  const seen = new Set<string>();
  for (const span of flow.spans) {
    if (span.cause) assert.ok(seen.has(span.cause.spanId));
    seen.add(span.spanId);
  }
  const message = flow.edges.filter((edge) => edge.kind === 'message');
  assert.deepEqual(
    message.map(({ topic, shape, consumerGroup }) => [topic, shape, consumerGroup]),
    [['greetings', 'both', 'greetings-to-image']],
  );
  assert.ok(Number(message[0]?.waitNano) > 30e6);
  assert.equal(flow.settled, true);
});

void test('an account sums to its wall time, as the caller saw it, end to end, and of one invocation', async () => {
  await using api = await start();
  const image = slow.find((span) => span.name === 'image');
  for (const query of ['', '?reading=caller', '?reading=end-to-end', `?span=${image?.spanId}`]) {
    const account = await api.ok<AccountJson>(`/api/traces/${idOf(slow)}/account${query}`);
    assert.equal(
      String(account.stages.reduce((sum, stage) => sum + BigInt(stage.nano), 0n)),
      account.wallNano,
      query,
    );
    const path = await api.ok<AccountJson>(`/api/traces/${idOf(slow)}/critical-path${query}`);
    assert.deepEqual(path.segments, account.segments);
  }
  const [first] = (await api.ok<AccountJson>(`/api/traces/${idOf(slow)}/account`)).stages;
  assert.deepEqual([first?.stage, first?.owner], ['handler', 'validator']);
});

void test('why: a slow handler, a healthy run, each with its spans', async () => {
  await using api = await start();
  const why = await api.ok<WhyJson>(`/api/traces/${idOf(slow)}/why`);
  assert.deepEqual(
    [why.outcome, why.determined, why.causes[0]?.kind, why.causes[0]?.owner],
    ['slow', true, 'slow handler', 'validator'],
  );
  const ids = new Set(slow.map((span) => span.spanId));
  for (const sentence of why.causes[0]?.sentences ?? [])
    assert.ok(sentence.spans.every(({ spanId }) => ids.has(spanId)));
  assert.ok(healthy.map(idOf).includes(why.twin?.traceId ?? ''));
  const fine = await api.ok<WhyJson>(`/api/traces/${idOf(healthy[3] ?? [])}/why`);
  assert.deepEqual([fine.outcome, fine.determined, fine.causes], ['healthy', false, []]);
});

void test('functions, one function, messages, map, logs, red and quality speak of the same happenings', async () => {
  await using api = await start();
  const { functions } = await api.ok<FunctionsJson>('/api/functions');
  const image = functions.find(({ name }) => name === 'image');
  assert.equal(image?.invocations, 11);
  const one = await api.ok<{ stats: unknown; sampled: number; versions: { value: string }[] }>(
    '/api/functions/image',
  );
  assert.deepEqual([one.stats, one.sampled, one.versions.map(({ value }) => value)], [image, 11, ['7']]);

  const heatmap = await api.ok<HeatmapJson>('/api/functions/image/heatmap');
  assert.equal(
    heatmap.columns.reduce((sum, column) => sum + column.counts.reduce((a, b) => a + b, 0), 0),
    11,
  );
  assert.ok(heatmap.columns.every(({ counts }) => counts.length === heatmap.boundsNano.length - 1));
  const nobody = await api.ok<HeatmapJson>('/api/functions/nobody/heatmap');
  assert.deepEqual([nobody.boundsNano, nobody.columns], [[], []]);

  const { messages } = await api.ok<MessagesJson>(`/api/messages?topic=greetings&trace=${idOf(crashed)}`);
  assert.deepEqual(
    messages.map(({ key, producer, deliveries }) => [
      key,
      producer,
      deliveries[0]?.function,
      deliveries[0]?.attempts,
    ]),
    [['Ada', 'greeter', 'image', 2]],
  );
  // Nobody reads the cards.
  assert.equal((await api.ok<MessagesJson>('/api/messages?topic=cards&state=consumed')).messages.length, 0);
  assert.equal((await api.ok<MessagesJson>('/api/messages?topic=cards&state=sent')).messages.length, 10);

  const map = await api.ok<MapJson>('/api/map');
  assert.equal(map.sampledTraces, 10);
  assert.deepEqual(map.edges.map(({ from, to, kind, calls }) => `${from} ${kind} ${to} ${calls}`).sort(), [
    'function:greeter call function:validator 10',
    'function:greeter send topic:greetings 10',
    'function:image send topic:cards 10',
    'service:router call function:greeter 10',
    'topic:greetings receive function:image 10',
  ]);
  assert.equal((await api.ok<{ logs: unknown[] }>('/api/logs?service=image&severity=error')).logs.length, 1);
  const red = await api.ok<{ series: { points: { calls: number }[] }[] }>(
    '/api/metrics/red?service=image&operation=image&kind=server',
  );
  assert.equal(
    red.series[0]?.points.reduce((sum, point) => sum + point.calls, 0),
    11,
  );
  const { findings } = await api.ok<{ findings: { kind: string }[] }>('/api/quality');
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    ['unfinished span'],
  );
});

void test("Jaeger's service performance metrics, in its shape", async () => {
  await using api = await start();
  const calls = await api.ok<{
    name: string;
    metrics: { labels: unknown; metricPoints: { gaugeValue: { doubleValue: number } }[] }[];
  }>('/api/metrics/calls?service=image&lookback=3600000');
  assert.equal(calls.name, 'service_call_rate');
  assert.deepEqual(calls.metrics[0]?.labels, [{ name: 'service_name', value: 'image' }]);
  const total =
    calls.metrics[0]?.metricPoints.reduce((sum, { gaugeValue }) => sum + gaugeValue.doubleValue * 60, 0) ?? 0;
  assert.equal(Math.round(total), 11);
  const latencies = await api.ok<{ name: string }>(
    '/api/metrics/latencies?service=image&quantile=0.75&groupByOperation=true',
  );
  assert.equal(latencies.name, 'service_operation_latencies');
  assert.equal(await api.status('/api/metrics/errors'), 400);
  assert.equal(await api.status('/api/metrics/latencies?service=image'), 400);
});

void test('wrong input is a 400 that names it, and what is not there a 404', async () => {
  await using api = await start();
  const id = idOf(slow);
  for (const path of [
    `/api/traces/${id}/account?reading=sideways`,
    `/api/traces/${id}/account?span=xyz`,
    `/api/flows/${id}?maxTraces=0`,
    '/api/flows/nothex',
    '/api/map?limit=a',
    '/api/messages?offset=-1',
    '/api/messages?partition=99999999999999999999',
    '/api/messages?state=lost',
    '/api/logs?severity=loud',
    '/api/functions?lookback=long',
    '/api/functions/image/heatmap?rows=0',
    '/api/metrics/red?kind=odd',
    '/api/metrics/calls?service=a&spanKind=odd',
  ])
    assert.equal(await api.status(path), 400, path);
  for (const path of [
    `/api/flows/${'f'.repeat(32)}`,
    `/api/traces/${'f'.repeat(32)}/why`,
    `/api/traces/${id}/account?span=${'f'.repeat(16)}`,
    '/api/functions/nobody',
  ])
    assert.equal(await api.status(path), 404, path);
});

void test('a large answer goes out as gzip to who takes it', async () => {
  await using api = await start();
  const ask = (encoding: string) =>
    new Promise<{ encoding: string | undefined; body: Buffer }>((done, fail) => {
      httpRequest(
        `${api.url}/api/flows/${idOf(slow)}`,
        { headers: { 'accept-encoding': encoding } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            done({ encoding: response.headers['content-encoding'], body: Buffer.concat(chunks) }),
          );
        },
      )
        .on('error', fail)
        .end();
    });
  const [small, plain] = [await ask('br, gzip;q=0.8'), await ask('gzip;q=0')];
  assert.deepEqual([small.encoding, plain.encoding], ['gzip', undefined]);
  assert.deepEqual(gunzipSync(small.body), plain.body);
  assert.ok(small.body.length * 4 < plain.body.length);
});

void test('a flow whose record nobody has received yet waits for the group that reads the topic', async () => {
  const sent = greeting(77, BigInt(Date.now() - 1_000) * 1_000_000n, 'none').filter(
    ({ name }) => !/^(?:process|invoke image|image|send cards)/.test(name),
  );
  const ids = new Set(sent.map(({ spanId }) => spanId));
  const open = sent.filter(({ parentSpanId }) => parentSpanId === '' || ids.has(parentSpanId));
  await using api = await start([...spans, ...open]);
  const flow = await api.ok<FlowJson>(`/api/flows/${open[0]?.traceId}`);
  assert.equal(flow.settled, false);
  assert.deepEqual(
    flow.waitingFor.map(({ topic, consumerGroup }) => [topic, consumerGroup]),
    [['greetings', 'greetings-to-image']],
  );
});

void test('a stream tells of a trace that comes in, and again when it has grown, and ends with the server', async () => {
  const incoming = [...spans];
  const api = await start(incoming);
  const response = await fetch(`${api.url}/api/traces/stream`);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  incoming.push(...greeting(99, BigInt(Date.now() + 50) * 1_000_000n, 'warm'));
  let text = '';
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  while (!text.includes('data: ')) text += decoder.decode((await reader.read()).value);
  const event = JSON.parse(/data: (.*)\n/.exec(text)?.[1] ?? '') as TraceEventJson;
  assert.deepEqual([event.change, event.summary.rootOperationName], ['new', 'POST /greetings']);
  // An open trace is told of again when more of it comes.
  const [first] = incoming.slice(-1);
  if (first) incoming.push({ ...first, spanId: 'abcdefabcdefabcd' });
  text = '';
  while (!text.includes('data: ')) text += decoder.decode((await reader.read()).value);
  const next = JSON.parse(/data: (.*)\n/.exec(text)?.[1] ?? '') as TraceEventJson;
  assert.deepEqual(
    [next.change, next.summary.traceId, next.summary.spanCount],
    ['grown', event.summary.traceId, event.summary.spanCount + 1],
  );
  await api[Symbol.asyncDispose]();
  for (let last = await reader.read(); !last.done; last = await reader.read());
});

void test('docs/api.md names every route of the server, and no other', async () => {
  const routes: string[] = [];
  await using api = await start(spans, (route) => routes.push(route));
  const page = await readFile(join(import.meta.dirname, '../../docs/api.md'), 'utf8');
  const documented = [...page.matchAll(/^(?:#+|\|) ?`(GET|POST) (\/api\/[^`?]*)/gm)].map(
    ([, method, path]) => `${method} ${path}`,
  );
  assert.ok(api.url);
  assert.deepEqual([...new Set(documented)].sort(), [...new Set(routes)].sort());
});

/** Each trace's records at an offset of their own. */
function placed(offset: number, trace: readonly SpanData[]): SpanData[] {
  return trace.map((span) =>
    'messaging.kafka.offset' in span.attributes
      ? { ...span, attributes: { ...span.attributes, 'messaging.kafka.offset': BigInt(offset) } }
      : span,
  );
}

async function start(of = spans, onRoute?: (route: string) => void) {
  const server = await startQuery({
    // A list that grows is read anew each time.
    reader: new Proxy(memoryReader(of, logs), {
      get: (_, name) => Reflect.get(memoryReader(of, logs), name) as unknown,
    }),
    port: 0,
    log: silentLog(),
    ...(onRoute ? { onRoute } : {}),
  });
  return {
    url: server.url,
    ok: async <Body>(path: string): Promise<Body> => {
      const response = await fetch(server.url + path);
      assert.equal(response.status, 200, path);
      return (await response.json()) as Body;
    },
    status: async (path: string): Promise<number> => {
      const response = await fetch(server.url + path);
      const { errors } = (await response.json()) as { errors: { msg: string }[] };
      assert.ok((errors[0]?.msg ?? '').length > 10, path);
      return response.status;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
