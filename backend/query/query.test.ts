import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { SpanData } from '../../function/span/span-data.ts';
import { silentLog } from '../../server/log.ts';
import type { TraceQuery, StoreReader } from '../store/store.ts';
import { startQuery, type QueryOptions } from './query.ts';
import { greeting, greetingLogs } from './test/greetings.ts';
import { memoryReader } from './test/memory-reader.ts';

const START = 1_795_000_000_000_000_000n;
const MICROS = START / 1_000n;
const RANGE = `start=${MICROS - 10_000_000n}&end=${MICROS + 60_000_000n}`;
const good = greeting(1, START, 'none');
const crashed = greeting(2, START + 2_000_000_000n, 'crash');
const slow = greeting(3, START + 4_000_000_000n, 'slow');
const all = [...good, ...crashed, ...slow];
const goodId = idOf(good);

void test('services and operations come in the envelope, with their count', async () => {
  await using api = await start();
  const services = await api.get('/api/services');
  assert.deepEqual(services.body, {
    data: ['executor', 'greeter', 'image', 'router', 'trigger', 'validator'],
    total: 6,
    limit: 0,
    offset: 0,
    errors: null,
  });
  assert.match(services.headers.get('content-type') ?? '', /^application\/json/);

  const names = await api.get('/api/services/greeter/operations');
  assert.deepEqual(names.body.data, ['GET', 'greeter', 'send greetings']);
  const withKinds = await api.get('/api/operations?service=greeter&spanKind=producer');
  assert.deepEqual(withKinds.body.data, [{ name: 'send greetings', spanKind: 'producer' }]);
  assert.equal(withKinds.body.total, 1);
});

void test('an empty store answers with empty lists, not null', async () => {
  await using api = await start({ reader: memoryReader([]) });
  assert.deepEqual((await api.get('/api/services')).body.data, []);
  assert.deepEqual((await api.get('/api/services/a%2Fb/operations')).body.data, []);
  assert.deepEqual((await api.get('/api/traces?service=none')).body, {
    data: [],
    total: 0,
    limit: 0,
    offset: 0,
    errors: null,
  });
});

void test('a trace is found by any way of writing its id', async () => {
  await using api = await start();
  const bytes = Buffer.from(goodId, 'hex');
  for (const id of [
    goodId,
    goodId.toUpperCase(),
    encodeURIComponent(bytes.toString('base64')),
    bytes.toString('base64url'),
  ]) {
    const { status, body } = await api.get(`/api/traces/${id}`);
    assert.equal(status, 200, id);
    assert.equal(body.data[0].traceID, goodId);
    assert.equal(body.data[0].spans.length, good.length);
  }
});

void test('an id without its leading zeros is the same id, and is printed with 16 digits when the high half is zero', async () => {
  const short = good.map((span) => ({ ...span, traceId: '00000000000000000abc000000000001' }));
  await using api = await start({ reader: memoryReader(short) });
  const { body } = await api.get('/api/traces/abc000000000001');
  assert.equal(body.data[0].traceID, '0abc000000000001');
  assert.equal(body.data[0].spans[0].traceID, '0abc000000000001');
});

void test('the good greeting is one tree in which the consumer keeps its parent and its link', async () => {
  await using api = await start();
  const { body } = await api.get(`/api/traces/${goodId}`);
  const spans: {
    spanID: string;
    operationName: string;
    references: { refType: string; spanID: string }[];
  }[] = body.data[0].spans;
  const ids = new Set(spans.map((span) => span.spanID));
  const roots = spans.filter((span) => span.references.length === 0);
  assert.deepEqual(
    roots.map((span) => span.operationName),
    ['POST /greetings'],
  );
  for (const span of spans)
    for (const reference of span.references) assert.ok(ids.has(reference.spanID), span.operationName);
  const consumer = spans.find((span) => span.operationName === 'process greetings');
  assert.deepEqual(
    consumer?.references.map((reference) => reference.refType),
    ['CHILD_OF', 'FOLLOWS_FROM'],
  );
});

void test('an unknown trace is 404 in the envelope', async () => {
  await using api = await start();
  const { status, body } = await api.get(`/api/traces/${'f'.repeat(32)}`);
  assert.equal(status, 404);
  assert.deepEqual(body, {
    data: null,
    total: 0,
    limit: 0,
    offset: 0,
    errors: [{ code: 404, msg: 'trace not found' }],
  });
});

void test('several traces by id: those that are there, and an error for each that is not', async () => {
  await using api = await start();
  const { status, body } = await api.get(
    `/api/traces?traceID=${goodId}&traceID=${'e'.repeat(32)}&traceID=${idOf(slow)}`,
  );
  assert.equal(status, 200);
  assert.deepEqual(
    body.data.map((trace: { traceID: string }) => trace.traceID),
    [goodId, idOf(slow)],
  );
  assert.deepEqual(body.errors, [{ msg: 'trace not found', traceID: 'e'.repeat(32) }]);
});

const searches: readonly (readonly [string, readonly (readonly SpanData[])[]])[] = [
  ['service=greeter', [slow, crashed, good]],
  ['service=greeter&limit=1', [slow]],
  ['service=greeter&operation=send%20greetings&minDuration=3ms&maxDuration=4ms', [slow, crashed, good]],
  ['service=validator&minDuration=1s', [slow]],
  ['service=image&tags=%7B%22error%22%3A%22true%22%7D', [crashed]],
  ['service=router&tag=error:true', []],
  ['service=trigger&tag=spoor.attempt:2', [crashed]],
  ['service=image&tag=spoor.unfinished', [crashed]],
  [
    'service=image&tags=%7B%22card.width%22%3A%222400%22%2C%22card.scale%22%3A%221.5%22%7D',
    [slow, crashed, good],
  ],
  ['service=image&tags=%7B%22card.width%22%3A2400%7D', [slow, crashed, good]],
  ['tag=http.route:/validate', [slow, crashed, good]],
  ['tag=url.full:http://127.0.0.1:8888/validate?name=Ada%26language=en', [slow, crashed, good]],
];
for (const [query, found] of searches) {
  void test(`search: ${decodeURIComponent(query)}`, async () => {
    await using api = await start();
    const { status, body } = await api.get(`/api/traces?${query}&${RANGE}`);
    assert.equal(status, 200);
    assert.deepEqual(
      body.data.map((trace: { traceID: string }) => trace.traceID),
      found.map(idOf),
    );
  });
}

void test('what a search asks of the store: units, defaults and names', async () => {
  const asked: TraceQuery[] = [];
  const reader: StoreReader = {
    ...memoryReader([]),
    findTraces: async (query) => {
      asked.push(query);
      return [];
    },
  };
  await using api = await start({ reader });
  await api.get(
    '/api/traces?service=a&operation=b&start=1000&end=2000&minDuration=1.5ms&maxDuration=1h2m&limit=7&tag=k:v:w&tag=there&tags={"error":"true"}',
  );
  assert.deepEqual(asked[0], {
    service: 'a',
    operation: 'b',
    range: { startUnixNano: 1_000_000n, endUnixNano: 2_000_000n },
    minDurationNano: 1_500_000n,
    maxDurationNano: 3_720_000_000_000n,
    attributes: { k: 'v:w', there: null },
    errorOnly: true,
    limit: 7,
  });
  await api.get('/api/traces?service=a&tags={"error":"false","__proto__":"x"}');
  assert.equal(asked[1]?.limit, 100);
  assert.equal(asked[1]?.errorOnly, undefined);
  assert.deepEqual(Object.entries(asked[1]?.attributes ?? {}), [
    ['error', 'false'],
    ['__proto__', 'x'],
  ]);
  const range = asked[1]?.range;
  assert.equal((range?.endUnixNano ?? 0n) - (range?.startUnixNano ?? 0n), 172_800_000_000_000n);
});

const refused: readonly (readonly [path: string, named: string])[] = [
  ['/api/traces?service=a&start=yesterday', '[yesterday]'],
  ['/api/traces?service=a&end=-5', '[-5]'],
  ['/api/traces?service=a&start=99999999999999999999', '[99999999999999999999]'],
  ['/api/traces?service=a&start=9999999999999999999', '[9999999999999999999]'],
  ['/api/traces?service=a&start=20&end=10', 'start time must be before end time'],
  ['/api/traces?service=a&minDuration=10x', '[10x]'],
  ['/api/traces?service=a&maxDuration=5', '[5]'],
  ['/api/traces?service=a&minDuration=-1s', '[-1s]'],
  [
    '/api/traces?service=a&minDuration=2s&maxDuration=1s',
    "'maxDuration' should be greater than 'minDuration'",
  ],
  ['/api/traces?service=a&limit=0', '[0]'],
  ['/api/traces?service=a&limit=1501', '[1501]'],
  ['/api/traces?service=a&limit=many', '[many]'],
  ['/api/traces?service=a&tag=:v', '[:v]'],
  ['/api/traces?service=a&tags=a=b', '[a=b]'],
  ['/api/traces?service=a&tags=[1]', '[[1]]'],
  ['/api/traces?service=a&tags={"a":{}}', '"a"'],
  ['/api/traces?service=a&raw=perhaps', '[perhaps]'],
  ['/api/traces?traceID=xyz', '[xyz]'],
  ['/api/traces/%27;DROP%20TABLE%20spans--', "[';DROP TABLE spans--]"],
  [`/api/traces/${'0'.repeat(32)}`, `[${'0'.repeat(32)}]`],
  [`/api/traces/${'a'.repeat(33)}`, `[${'a'.repeat(33)}]`],
  [`/api/traces/${goodId}?start=soon`, '[soon]'],
  [`/api/traces/${goodId}?raw=2`, '[2]'],
  ['/api/operations', "'service' is required"],
  ['/api/operations?service=a&spanKind=upside', '[upside]'],
  ['/api/operations?service=a&spanKind=constructor', '[constructor]'],
  ['/api/dependencies?endTs=x', '[x]'],
  ['/api/dependencies?lookback=-1', '[-1]'],
  ['/api/traces/nope/logs', '[nope]'],
];
for (const [path, named] of refused) {
  void test(`400 that names the value: ${path}`, async () => {
    await using api = await start();
    const { status, body } = await api.get(path);
    assert.equal(status, 400);
    assert.equal(body.data, null);
    assert.equal(body.errors[0].code, 400);
    assert.ok(body.errors[0].msg.includes(named), body.errors[0].msg);
  });
}

void test('prettyPrint indents by four', async () => {
  await using api = await start();
  const text = await (await fetch(`${api.url}/api/services?prettyPrint=true`)).text();
  assert.match(text, /^\{\n {4}"data": \[\n {8}"executor"/);
});

void test('dependencies are summed per pair, and kept to those that touch a service', async () => {
  await using api = await start();
  const { body } = await api.get('/api/dependencies?lookback=1000');
  const pair = body.data.find(
    (edge: { parent: string; child: string }) => edge.parent === 'router' && edge.child === 'greeter',
  );
  assert.equal(pair.callCount, 3);
  const touching = (await api.get('/api/dependencies?service=image')).body.data;
  assert.deepEqual(touching, [{ parent: 'trigger', child: 'image', callCount: 4 }]);
});

void test('a topic that is called like a service is told from it', async () => {
  const named = good.map((span) =>
    span.attributes['messaging.destination.name'] === 'greetings'
      ? { ...span, attributes: { ...span.attributes, 'messaging.destination.name': 'greeter' } }
      : span,
  );
  await using api = await start({ reader: memoryReader(named) });
  const { data } = (await api.get('/api/dependencies?service=topic%20greeter')).body;
  assert.deepEqual(data, [
    { parent: 'greeter', child: 'topic greeter', callCount: 1 },
    { parent: 'topic greeter', child: 'trigger', callCount: 1 },
  ]);
});

void test('raw leaves a trace as it was stored, adjusted warns of a missing parent', async () => {
  const orphaned = good.filter((span) => span.name !== 'GET');
  await using api = await start({ reader: memoryReader([...orphaned, ...orphaned.slice(0, 1)]) });
  const adjusted = (await api.get(`/api/traces/${goodId}`)).body.data[0].spans;
  const raw = (await api.get(`/api/traces/${goodId}?raw=true`)).body.data[0].spans;
  assert.equal(adjusted.length, orphaned.length);
  assert.equal(raw.length, orphaned.length + 1);
  const warned = adjusted.filter((span: { warnings: unknown }) => span.warnings !== null);
  assert.equal(warned.length, 1);
  assert.match(warned[0].warnings[0], /^parent span ID=[0-9a-f]{16} is not in the trace/);
  assert.ok(raw.every((span: { warnings: unknown }) => span.warnings === null));
});

void test('transform turns OTLP JSON into traces, and refuses what is none', async () => {
  await using api = await start();
  const otlp = (await api.get(`/api/v3/traces/${goodId}`)).body.result;
  const { status, body } = await api.post('/api/transform', JSON.stringify(otlp));
  assert.equal(status, 200);
  assert.equal(body.data[0].spans.length, good.length);
  for (const [json, named] of [
    ['{', 'JSON'],
    ['[]', 'the body'],
    ['{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"12"}]}]}]}', 'spans[0].traceId'],
    ['{"resourceSpans":7}', 'resourceSpans'],
  ] as const) {
    const refused = await api.post('/api/transform', json);
    assert.equal(refused.status, 400, json);
    assert.ok(refused.body.errors[0].msg.includes(named), refused.body.errors[0].msg);
  }
});

void test('v3: services, operations, summaries, and a trace as OTLP', async () => {
  await using api = await start();
  assert.deepEqual((await api.get('/api/v3/services')).body.services.slice(0, 2), ['executor', 'greeter']);
  assert.deepEqual((await api.get('/api/v3/operations?service=image')).body.operations, [
    { name: 'image', spanKind: 'server' },
    { name: 'layout card', spanKind: 'internal' },
    { name: 'render svg', spanKind: 'internal' },
  ]);
  const range = 'query.startTimeMin=2026-01-01T00:00:00Z&query.startTimeMax=2030-01-01T00:00:00.5%2B01:00';
  const { summaries } = (
    await api.get(
      `/api/v3/trace-summaries?${range}&query.serviceName=image&query.attributes={"error":"true"}`,
    )
  ).body;
  assert.equal(summaries.length, 1);
  assert.equal(summaries[0].traceId, idOf(crashed));
  assert.equal(summaries[0].rootOperationName, 'POST /greetings');
  assert.equal(summaries[0].minStartTimeUnixNano, (START + 2_000_000_000n).toString());
  assert.equal(summaries[0].errorSpanCount, 2);

  const snake =
    'query.start_time_min=2026-01-01T00:00:00Z&query.start_time_max=2030-01-01T00:00:00+01:00&query.num_traces=1';
  const found = await api.get(`/api/v3/traces?${snake}&query.service_name=greeter`);
  assert.equal(found.status, 200);
  const none = await api.get(`/api/v3/traces?${range}&query.serviceName=nobody`);
  assert.equal(none.status, 404);
  assert.deepEqual(none.body, { error: { httpCode: 404, message: 'No traces found' } });
  assert.equal((await api.get('/api/v3/traces?query.serviceName=a')).status, 400);
  assert.equal((await api.get(`/api/v3/traces?${range}&query.filter={}`)).status, 501);
  assert.equal((await api.get(`/api/v3/traces/${'f'.repeat(32)}`)).status, 404);
  const bad = await api.get('/api/v3/traces?query.startTimeMin=2026-13-01T00:00:00Z&query.startTimeMax=x');
  assert.equal(bad.status, 400);
  assert.ok(bad.body.error.message.includes('[2026-13-01T00:00:00Z]'));
});

void test("ours: a trace's log lines in order, and the links that point at it from elsewhere", async () => {
  const later = slow.map((span) =>
    span.name === 'POST /greetings'
      ? {
          ...span,
          links: [
            {
              traceId: goodId,
              spanId: good[0]?.spanId ?? '',
              traceState: '',
              flags: 1,
              attributes: { 'messaging.kafka.offset': 5n },
              droppedAttributesCount: 0,
            },
          ],
        }
      : span,
  );
  await using api = await start({ reader: memoryReader([...good, ...later], greetingLogs(good)) });
  const { logs } = (await api.get(`/api/traces/${goodId}/logs`)).body;
  assert.deepEqual(
    logs.map((log: { body: string }) => log.body),
    ['greeter got a greeting', 'validator got a greeting', 'image got a greeting'],
  );
  assert.deepEqual((await api.get(`/api/traces/${goodId}/links`)).body.links, [
    {
      fromTraceId: idOf(slow),
      fromSpanId: slow[0]?.spanId,
      toSpanId: good[0]?.spanId,
      attributes: [{ key: 'messaging.kafka.offset', value: { intValue: '5' } }],
    },
  ]);
});

void test('an unknown /api path is a plain 404, never a page', async () => {
  await using ui = await uiFolder();
  await using api = await start({ uiDir: ui.path });
  for (const path of ['/api/nope', '/api', '/api/v3/nope', '/assets/none.js', '/missing.png']) {
    const response = await fetch(api.url + path);
    assert.equal(response.status, 404, path);
    assert.match(response.headers.get('content-type') ?? '', /^(text\/plain|application\/json)/);
    assert.doesNotMatch(await response.text(), /html/i);
  }
});

void test('the screens: index.html for every page, assets kept for ever and sent compressed, nothing inline allowed', async () => {
  await using ui = await uiFolder();
  await using api = await start({ uiDir: ui.path });
  for (const path of ['/', '/search?service=a', `/trace/${goodId}`]) {
    const page = await fetch(api.url + path);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<title>Spoor/);
    assert.equal(page.headers.get('cache-control'), 'no-cache');
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.match(policy, /script-src 'self'(;|$)/);
    assert.doesNotMatch(policy, /unsafe/);
  }
  const asset = await fetch(`${api.url}/assets/a-1234.js`, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(asset.headers.get('content-encoding'), 'gzip');
  assert.match(asset.headers.get('cache-control') ?? '', /immutable/);
  assert.equal(await asset.text(), 'let a;');
  assert.equal(
    (await fetch(`${api.url}/..%2f..%2fetc/passwd`)).headers.get('content-type'),
    'text/html; charset=utf-8',
  );
});

void test('with a token set, the APIs answer only to it; the screens are open', async () => {
  await using ui = await uiFolder();
  await using api = await start({ uiDir: ui.path, token: 'secret' });
  assert.equal((await api.get('/api/services')).status, 401);
  const wrong = await fetch(`${api.url}/api/services`, { headers: { authorization: 'Bearer secreT' } });
  assert.equal(wrong.status, 401);
  const right = await fetch(`${api.url}/api/services`, { headers: { authorization: 'Bearer secret' } });
  assert.equal(right.status, 200);
  assert.equal((await fetch(`${api.url}/`)).status, 200);
});

const hosts: readonly (readonly [host: string, status: number])[] = [
  ['127.0.0.1:1', 200],
  ['localhost', 200],
  ['LOCALHOST:16686', 200],
  ['[::1]:16686', 200],
  ['evil.example', 403],
  ['127.0.0.1.evil.example:16686', 403],
  ['localhost.evil.example', 403],
];
for (const [host, status] of hosts)
  void test(`without a token, asked as ${host}: ${status}`, async () => {
    await using api = await start();
    const got = await new Promise<number | undefined>((resolve, reject) => {
      request(`${api.url}/api/services`, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    assert.equal(got, status);
  });

void test('an address that others reach needs a token; a taken port says so', async () => {
  await assert.rejects(
    startQuery({ reader: memoryReader([]), host: '0.0.0.0', port: 0, log: silentLog() }),
    /needs a token/,
  );
  await using api = await start();
  const port = Number(new URL(api.url).port);
  await assert.rejects(
    startQuery({ reader: memoryReader([]), port, log: silentLog() }),
    /another program has that port/,
  );
});

void test('a store that fails is a 500 in the envelope, and the server goes on', async () => {
  const reader: StoreReader = {
    ...memoryReader(all),
    services: () => Promise.reject(new Error('the engine is away')),
  };
  await using api = await start({ reader });
  const { status, body } = await api.get('/api/services');
  assert.equal(status, 500);
  assert.deepEqual(body.errors, [{ code: 500, msg: 'the engine is away' }]);
  assert.equal((await api.get(`/api/traces/${goodId}`)).status, 200);
});

interface Api extends AsyncDisposable {
  readonly url: string;
  get(path: string): Promise<Answer>;
  post(path: string, body: string): Promise<Answer>;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- JSON of many shapes, asserted on field by field
  readonly body: any;
}

async function start(options: Partial<QueryOptions> = {}): Promise<Api> {
  const server = await startQuery({ reader: memoryReader(all), port: 0, log: silentLog(), ...options });
  const ask = async (path: string, init?: RequestInit): Promise<Answer> => {
    const response = await fetch(server.url + path, init);
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: JSON.parse(text) };
  };
  return {
    url: server.url,
    get: (path) => ask(path),
    post: (path, body) =>
      ask(path, { method: 'POST', body, headers: { 'content-type': 'application/json' } }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function uiFolder() {
  const path = await mkdtemp(join(tmpdir(), 'spoor-ui-'));
  await mkdir(join(path, 'assets'));
  await writeFile(join(path, 'index.html'), '<!doctype html><title>Spoor</title>');
  await writeFile(join(path, 'assets/a-1234.js'), 'let a;');
  await writeFile(join(path, 'assets/a-1234.js.gz'), gzipSync('let a;'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

function idOf(spans: readonly SpanData[]): string {
  return spans[0]?.traceId ?? '';
}
