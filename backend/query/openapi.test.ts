import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { SpanData } from '../../function/span/span-data.ts';
import { silentLog } from '../../server/log.ts';
import { openStore, type OpenStore } from '../store/open-store.ts';
import { ENDPOINTS, type Endpoint, type Param } from './endpoints.ts';
import { answerSchema } from './openapi.ts';
import { startQuery } from './query.ts';
import { shapeSchemas, type Schema } from './shape-schemas.ts';
import { greeting, greetingLogs } from './test/greetings.ts';
import { schemaErrors } from './test/schema-errors.ts';

const now = BigInt(Date.now()) * 1_000_000n;
const spans = (['none', 'crash', 'slow', 'error'] as const).flatMap((fault, i) =>
  greeting(i + 1, now - BigInt(60 - i * 10) * 1_000_000_000n, fault),
);
const traceId = spans[0]?.traceId ?? '';
const iso = (offsetMs: number) => new Date(Date.now() + offsetMs).toISOString();

/** A value that each parameter takes, by its name where the type does not say enough. */
const VALUES: Readonly<Record<string, string>> = {
  service: 'greeter',
  'query.serviceName': 'greeter',
  name: 'greeter',
  operation: 'greeter',
  'query.operationName': 'greeter',
  topic: 'greetings',
  key: 'http.route',
  prefix: 'h',
  group: 'default/image',
  text: 'a',
  tag: 'http.route:/validate',
  namespace: 'default',
  start: String((now - 3_600_000_000_000n) / 1_000n),
  end: String((now + 3_600_000_000_000n) / 1_000n),
  endTs: String(now / 1_000_000n + 60_000n),
  lookback: '3600000',
  limit: '5',
  'query.searchDepth': '5',
  maxTraces: '20',
  maxSpans: '1000',
  step: '60000',
  rows: '12',
  bins: '30',
  ratePer: '1000',
  partition: '0',
  offset: '3',
  'query.startTimeMin': iso(-3_600_000),
  'query.startTimeMax': iso(3_600_000),
  startTime: iso(-3_600_000),
  endTime: iso(3_600_000),
  quantile: '0.95',
  span: spans[0]?.spanId ?? '',
};

/** What nobody can read as a value of the type. */
const NONSENSE: Readonly<Record<string, string>> = {
  integer: 'many',
  number: 'many',
  boolean: 'perhaps',
  duration: '5 parsecs',
  time: 'yesterday',
  traceId: 'zz!',
  spanId: 'zz!',
  json: '{not json',
  query: 'a AND (',
  cursor: 'zz!',
  words: 'sideways',
};

const INJECTIONS = [`' OR 1=1 --`, `\\'); SELECT sleep(3) --`, `x\n\nDROP TABLE spans`, `{y:String}\u0000"`];

/** Numbers at the edges of what a database takes. */
const EXTREMES = ['0', '-1', '1e9', '2147483648', '9223372036854775808', '9'.repeat(40)];

describe('the documented API', { timeout: 240_000 }, () => {
  const cleanup = new AsyncDisposableStack();
  let store: OpenStore;
  let url = '';
  const routes: string[] = [];
  /** Spans that were stored since. */
  let told = 0;
  before(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'spoor-openapi-'));
    cleanup.defer(() => rm(dataDir, { recursive: true, force: true }));
    const log = silentLog();
    store = cleanup.use(await openStore({ dataDir, log }));
    await store.writer.writeSpans(spans);
    await store.writer.writeLogs(greetingLogs(spans));
    const platform = cleanup.use(await platformDouble());
    const server = await startQuery({
      reader: store.reader,
      port: 0,
      log,
      platform: async () => platform.url,
      onRoute: (route) => routes.push(route),
    });
    url = cleanup.use(server).url;
  });
  after(() => cleanup[Symbol.asyncDispose]());

  test('is what the server serves, no more and no less', () => {
    const documented = ENDPOINTS.map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(documented.toSorted(), routes.toSorted());
  });

  test('is served as an OpenAPI document whose every reference is in it', async () => {
    const document = await (await fetch(`${url}/api/openapi.json`)).text();
    const { paths, components } = JSON.parse(document) as {
      paths: Record<string, Record<string, { operationId: string }>>;
      components: { schemas: Record<string, Schema> };
    };
    for (const [, name] of document.matchAll(/#\/components\/schemas\/(\w+)/g))
      assert.ok(components.schemas[name as string], name);
    const ids = Object.values(paths).flatMap((each) =>
      Object.values(each).map(({ operationId }) => operationId),
    );
    assert.equal(new Set(ids).size, ENDPOINTS.length);
  });

  for (const endpoint of ENDPOINTS) {
    const name = `${endpoint.method} ${endpoint.path}`;
    const { answer } = endpoint;

    test(`${name} answers as documented`, async () => {
      if (answer.kind === 'events') {
        const [event, ...others] = eventsOf(await tellOf(endpoint, greeting(99, atOnce(), 'slow')));
        assert.deepEqual([event?.name, others], ['trace', []]);
        assert.deepEqual(schemaErrors(event?.data, SCHEMAS[answer.of] as Schema, SCHEMAS), []);
      }
      for (const params of [required(endpoint), all(endpoint)]) {
        const response = await ask(endpoint, params);
        if (answer.kind === 'events') {
          assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
          await textOf(endpoint, response);
          continue;
        }
        const body: unknown = await response.json();
        // Some of the values together find nothing, and v3 calls that a 404.
        if (response.status === 404 && params.size > required(endpoint).size) continue;
        assert.equal(response.status, 200, `${params.toString()}: ${JSON.stringify(body)}`);
        assert.deepEqual(schemaErrors(body, answerSchema(answer) as Schema, SCHEMAS), []);
      }
    });

    test(`${name} refuses what it cannot read, in the documented shape`, async () => {
      for (const param of endpoint.params) {
        const nonsense = NONSENSE[typeof param.type === 'object' ? 'words' : param.type];
        if (nonsense === undefined) continue;
        const params = required(endpoint);
        params.set(param.name, nonsense);
        const response = await ask(endpoint, params);
        assert.equal(response.status, 400, `${param.name}=${nonsense}: ${await response.clone().text()}`);
        assertError(endpoint, await response.json());
      }
      if (endpoint.body !== undefined)
        for (const body of [
          '{not json',
          '[]',
          '"text"',
          '{"to":1,"method":2,"headers":3,"resourceSpans":4}',
        ]) {
          const response = await ask(endpoint, required(endpoint), {}, body);
          assert.equal(response.status, 400, `${body}: ${await response.clone().text()}`);
          assertError(endpoint, await response.json());
        }
      for (const param of endpoint.params.filter(({ isRequired }) => isRequired)) {
        const params = required(endpoint);
        params.delete(param.name);
        const response = await ask(endpoint, params);
        assert.equal(response.status, 400, `without ${param.name}`);
        assertError(endpoint, await response.json());
      }
      if (endpoint.path.includes('{traceId}'))
        for (const [id, status] of [
          ['zz!', 400],
          ['f'.repeat(32), /\/(?:logs|links|sampling)$/.test(endpoint.path) ? 200 : 404],
        ] as const) {
          const response = await ask(endpoint, required(endpoint), { traceId: id });
          assert.equal(response.status, status, id);
          if (status !== 200) assertError(endpoint, await response.json());
        }
    });

    test(`${name} passes nothing on to the engine as a statement`, async () => {
      const inPath = [...endpoint.path.matchAll(/\{(\w+)\}/g)].map(([, each]) => each as string);
      const asked: (() => Promise<void>)[] = [];
      const harmless = async (params: URLSearchParams, path: Record<string, string>, what: string) => {
        const response = await ask(endpoint, params, path);
        const body = await textOf(endpoint, response);
        assert.ok(
          [200, 400, 404].includes(response.status),
          `${what}: ${response.status} ${body.slice(0, 500)}`,
        );
        assert.doesNotMatch(body, /DB::|SYNTAX_ERROR|UNKNOWN_|system\.tables\b.*system\.tables/, what);
      };
      for (const injection of INJECTIONS) {
        for (const param of endpoint.params) {
          const params = required(endpoint);
          params.set(param.name, injectionFor(param, injection));
          asked.push(() => harmless(params, {}, `${param.name}=${injection}`));
        }
        for (const part of inPath)
          asked.push(() => harmless(required(endpoint), { [part]: injection }, `{${part}}=${injection}`));
      }
      for (const param of endpoint.params.filter(({ type }) => type === 'integer'))
        for (const number of EXTREMES) {
          const params = required(endpoint);
          params.set(param.name, number);
          asked.push(() => harmless(params, {}, `${param.name}=${number}`));
        }
      // There may be but so many streams at a time.
      if (answer.kind === 'events') for (const each of asked) await each();
      else await Promise.all(asked.map((each) => each()));
    });
  }

  test('after all that, the store is as it was', async () => {
    const [row] = await store.engine.rows('SELECT count() FROM spans');
    assert.deepEqual(row, [String(spans.length + told)]);
  });

  test('a stream past the most there may be is refused, in the documented shape', async () => {
    const endpoint = ENDPOINTS.find(({ answer }) => answer.kind === 'events') as Endpoint;
    const leaving = new AbortController();
    const streams: Response[] = [];
    for (let i = 0; i < 40; i += 1)
      streams.push(await fetch(`${url}${endpoint.path}`, { signal: leaving.signal }));
    assert.equal(streams.filter(({ status }) => status === 200).length, 32);
    const refused = streams.find(({ status }) => status === 503);
    assertError(endpoint, await refused?.json());
    leaving.abort();
  });

  /** What a stream says of a trace that comes while it is open. */
  async function tellOf(endpoint: Endpoint, trace: readonly SpanData[]): Promise<string> {
    const response = await ask(endpoint, required(endpoint));
    told += trace.length;
    await store.writer.writeSpans(trace);
    return await textOf(endpoint, response, /^data: .*\n\n/m);
  }

  function ask(
    endpoint: Endpoint,
    params: URLSearchParams,
    inPath: Readonly<Record<string, string>> = {},
    body = BODIES[endpoint.path] ?? '{}',
  ): Promise<Response> {
    const path = endpoint.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(inPath[name] ?? (name === 'traceId' ? traceId : (VALUES[name] ?? ''))),
    );
    return fetch(`${url}${path}?${params.toString()}`, {
      method: endpoint.method,
      signal: AbortSignal.timeout(60_000),
      ...(endpoint.method === 'POST' ? { body, headers: { 'content-type': 'application/json' } } : {}),
    });
  }
});

/** All of an answer; of a stream what comes until the store has answered once. */
async function textOf(endpoint: Endpoint, response: Response, isEnough = /^:$/m): Promise<string> {
  if (endpoint.answer.kind !== 'events' || response.status !== 200) return await response.text();
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (isEnough.test(text)) return text;
  }
  throw new Error(`the stream ended: ${text}`);
}

function eventsOf(text: string): { readonly name: string; readonly data: unknown }[] {
  return [...text.matchAll(/^event: (.*)\ndata: (.*)\n\n/gm)].map(([, name = '', data = '']) => ({
    name,
    data: JSON.parse(data) as unknown,
  }));
}

/** Later than a stream that is opened now. */
function atOnce(): bigint {
  return BigInt(Date.now() + 500) * 1_000_000n;
}

const SCHEMAS = shapeSchemas();
const BODIES: Readonly<Record<string, string>> = {
  '/api/platform/topics/{topic}/redrive': '{"to":"greetings"}',
  '/api/transform': '{"resourceSpans":[]}',
};

function required(endpoint: Endpoint): URLSearchParams {
  return paramsOf(endpoint.params.filter(({ isRequired }) => isRequired));
}

/** `traceID` asks for traces by id whatever else is asked: it is tried by the search's own tests. */
function all(endpoint: Endpoint): URLSearchParams {
  return paramsOf(endpoint.params.filter(({ name }) => name !== 'cursor' && name !== 'traceID'));
}

function paramsOf(params: readonly Param[]): URLSearchParams {
  return new URLSearchParams(params.map((param): [string, string] => [param.name, valueOf(param)]));
}

function valueOf({ name, type }: Param): string {
  if (typeof type === 'object') return type.words.at(-1) ?? '';
  const named = VALUES[name];
  if (named !== undefined) return named;
  switch (type) {
    case 'boolean':
      return 'true';
    case 'duration':
      return name.toLowerCase().includes('max') ? '1h' : '1ns';
    case 'traceId':
      return traceId;
    case 'json':
      return '{"http.route":"/validate"}';
    case 'query':
      return 'service:greeter (error OR duration>=1ns) NOT http.route:/x*';
    default:
      throw new Error(`there is no value for [${name}]`);
  }
}

/** Where a grammar would refuse it, it goes in as a value and as a key of that grammar. */
function injectionFor({ type }: Param, injection: string): string {
  if (type === 'json') return JSON.stringify({ [injection]: injection });
  if (type === 'query') {
    const quoted = `"${injection.replaceAll(/["\\]/g, '\\$&')}"`;
    return `${quoted}:${quoted} OR resource.a:${quoted}* OR NOT ${quoted}>5 OR service:${quoted} OR name!=${quoted}`;
  }
  return injection;
}

function assertError(endpoint: Endpoint, body: unknown): void {
  const schema: Schema = endpoint.path.startsWith('/api/v3/')
    ? { type: 'object', required: ['error'] }
    : { type: 'object', required: ['data', 'errors'] };
  assert.deepEqual(schemaErrors(body, schema, SCHEMAS), []);
  assert.match(JSON.stringify(body), /"(?:msg|message)":"[^"]{10}/);
}

/** A platform with one topic and nothing else. */
async function platformDouble(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const body =
      path === '/topics'
        ? [
            {
              name: 'greetings',
              partitions: [{ partition: 0, startOffset: '0', endOffset: '9' }],
              groups: [],
            },
          ]
        : path.endsWith('/records')
          ? [
              {
                topic: 'greetings',
                partition: 0,
                offset: '3',
                timestamp: 1,
                key: null,
                value: 'YQ==',
                headers: [],
              },
            ]
          : path.endsWith('/redrive')
            ? { redriven: 3 }
            : { items: [] };
    request.resume();
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
