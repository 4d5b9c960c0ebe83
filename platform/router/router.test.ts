import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'undici';
import { Failure } from '../../server/failure.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import { environment, triggerOf } from '../executor/test/memory-catalog.ts';
import { until } from '../executor/test/test-executor.ts';
import { rawRequest, startTestRouter } from './test/test-router.ts';

/** Answers what it was asked. */
const ECHO = `export default (request, response) => {
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    response.setHeader('set-cookie', ['a=1', 'b=2']);
    response.setHeader('x-fission-request-id', 'forged');
    response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }));
  });
}`;
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

interface Echo {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

async function startEcho(options?: Parameters<typeof startTestRouter>[0]) {
  const router = await startTestRouter(options);
  router.catalog.putFunction('echo', ECHO);
  router.catalog.put(triggerOf('greetings', 'echo', { methods: ['GET', 'POST', 'HEAD'] }));
  return router;
}

const parentOf = (spans: readonly SpanData[], span: SpanData | undefined) =>
  spans.find((other) => other.spanId === span?.parentSpanId)?.name;

test('a request goes through as it came, with the headers the function is promised', async () => {
  await using router = await startEcho();
  const answer = await fetch(`${router.url}/greetings?x=1&y=%20`, {
    method: 'POST',
    body: 'hello',
    headers: {
      traceparent: TRACEPARENT,
      baggage: 'who=me',
      'x-fission-request-id': 'my-id',
      'x-fission-params-id': 'forged',
      'x-fission-function-name': 'forged',
      'x-spoor-attempt': '7',
      'x-spoor-trigger': 'timer',
      'x-forwarded-for': '10.0.0.1',
    },
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('x-fission-request-id'), 'my-id');
  assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2']);
  assert.match(
    answer.headers.get('traceresponse') ?? '',
    /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/,
  );
  const seen = (await answer.json()) as Echo;
  assert.equal(seen.method, 'POST');
  assert.equal(seen.url, '/?x=1&y=%20', 'a relativeurl is always / to the function');
  assert.equal(seen.body, 'hello');
  const { headers } = seen;
  assert.equal(headers['x-fission-function-name'], 'echo');
  assert.equal(headers['x-fission-function-namespace'], 'default');
  assert.equal(headers['x-fission-function-uid'], 'uid-echo');
  assert.equal(headers['x-fission-function-resourceversion'], '1');
  assert.equal(headers['x-fission-full-url'], '/greetings?x=1&y=%20');
  assert.equal(headers['x-fission-request-id'], 'my-id');
  assert.equal(headers['x-fission-params-id'], undefined);
  assert.equal(headers['x-spoor-attempt'], undefined);
  assert.equal(headers['x-spoor-trigger'], 'http');
  assert.equal(headers['x-spoor-coldstart'], 'true');
  assert.equal(headers['x-forwarded-for'], '10.0.0.1, 127.0.0.1');
  assert.equal(headers['x-forwarded-host'], new URL(router.url).host);
  assert.match(headers['forwarded'] ?? '', /^for=127\.0\.0\.1;host="127/);
  assert.equal(headers['baggage'], 'who=me');

  await until(() => router.span('POST /greetings') !== undefined);
  const invoke = router.span('invoke echo');
  assert.equal(headers['traceparent'], `00-0af7651916cd43dd8448eb211c80319c-${invoke?.spanId}-01`);
});

test('the spans of a first and of a second request', async () => {
  await using router = await startEcho();
  await router.platform.warm();
  await (await fetch(`${router.url}/greetings`, { headers: { traceparent: TRACEPARENT } })).text();
  await until(() => router.span('GET /greetings') !== undefined);
  const spans = router.spans();
  const server = router.span('GET /greetings');
  const invoke = router.span('invoke echo');
  assert.equal(server?.kind, 2);
  assert.equal(server.parentSpanId, 'b7ad6b7169203331');
  const { attributes } = server;
  assert.equal(attributes['http.route'], '/greetings');
  assert.equal(attributes['http.response.status_code'], 200n);
  assert.equal(attributes['url.path'], '/greetings');
  assert.equal(attributes['client.address'], '127.0.0.1');
  assert.equal(attributes['server.address'], '127.0.0.1');
  assert.equal(attributes['spoor.trigger.name'], 'greetings');
  assert.equal(invoke?.kind, 3);
  assert.equal(parentOf(spans, invoke), 'GET /greetings');
  assert.equal(invoke.attributes['faas.invoked_name'], 'echo');
  assert.equal(invoke.attributes['faas.coldstart'], true);
  assert.equal(invoke.attributes['spoor.attempt'], 1n);
  assert.ok(invoke.attributes['faas.instance']);
  assert.equal(
    parentOf(
      spans,
      spans.find((span) => span.name === 'load function'),
    ),
    'invoke echo',
  );
  for (const span of spans) assert.equal(span.traceId, '0af7651916cd43dd8448eb211c80319c');
  assert.ok(server.startTimeUnixNano <= invoke.startTimeUnixNano);
  assert.ok(server.endTimeUnixNano >= invoke.endTimeUnixNano);

  const before = router.spans().length;
  await (await fetch(`${router.url}/greetings`)).text();
  await until(() => router.spans().length >= before + 2);
  assert.deepEqual(
    router
      .spans()
      .filter((span) => span.traceId !== server.traceId)
      .map((span) => span.name),
    ['invoke echo', 'GET /greetings'],
    'nothing had to be started',
  );
});

for (const traceparent of [
  'garbage',
  '00-00000000000000000000000000000000-b7ad6b7169203331-01',
  '00-short-x-01',
]) {
  test(`a malformed traceparent [${traceparent}] begins a new trace`, async () => {
    await using router = await startEcho();
    const answer = await fetch(`${router.url}/greetings`, { headers: { traceparent } });
    assert.equal(answer.status, 200);
    await answer.text();
    await until(() => router.span('GET /greetings') !== undefined);
    assert.equal(router.span('GET /greetings')?.parentSpanId, '');
  });
}

test('what cannot be served gets a structured error and the status that says why', async () => {
  await using router = await startEcho();
  const { catalog, url, internalUrl } = router;
  catalog.put(triggerOf('nobody', 'nobody'));
  catalog.putFunction('broken', 'syntax error here');
  catalog.put(triggerOf('broken', 'broken'));
  for (const [method, address, status, component, reason] of [
    ['GET', `${url}/nothing`, 404, 'router', 'not_found'],
    ['DELETE', `${url}/greetings`, 405, 'router', 'method_not_allowed'],
    ['GET', `${url}/nobody`, 404, 'executor', 'not_found'],
    ['GET', `${url}/broken`, 500, 'executor', 'specialization_failed'],
    ['GET', `${internalUrl}/fission-function/nobody`, 404, 'router', 'not_found'],
    ['GET', `${internalUrl}/nothing`, 404, 'router', 'not_found'],
    ['GET', `${url}/fission-function/echo`, 404, 'router', 'not_found'],
  ] as const) {
    const answer = await fetch(address, { method });
    assert.equal(answer.status, status, address);
    assert.equal(answer.headers.get('x-fission-component'), component);
    const body = (await answer.json()) as Record<string, string>;
    assert.equal(body['component'], component);
    assert.equal(body['reason'], reason);
    assert.equal(body['requestId'], answer.headers.get('x-fission-request-id'));
    assert.match(body['traceId'] ?? '', /^[0-9a-f]{32}$/);
    assert.match(body['message'] ?? '', /^cannot /);
    if (status === 405) assert.equal(answer.headers.get('allow'), 'GET, POST, HEAD');
  }
  const failed = router.spans().find((span) => span.name === 'invoke broken');
  assert.equal(failed?.status.code, 2);
  assert.equal(failed.attributes['spoor.reason'], 'specialization_failed');
});

test('reserved paths are answered by the router itself, and leave no trace', async () => {
  await using router = await startEcho({ version: '1.2.3' });
  for (const path of ['/', '/router-healthz', '/readyz'])
    assert.equal((await fetch(router.url + path)).status, 200, path);
  assert.deepEqual(await (await fetch(`${router.url}/_version`)).json(), { name: 'spoor', version: '1.2.3' });
  assert.deepEqual(router.spans(), []);
});

test('a function past its time-out: 504, and the instance is killed for it', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction('slow', 'export default () => {}', { functionTimeout: 0.2 });
  router.catalog.put(triggerOf('slow', 'slow'));
  const answer = await fetch(`${router.url}/slow`);
  assert.equal(answer.status, 504);
  assert.equal(answer.headers.get('x-fission-component'), 'timeout');
  assert.equal(((await answer.json()) as Record<string, string>)['reason'], 'function_timeout');
  await until(() => router.span('GET /slow') !== undefined);
  const invoke = router.span('invoke slow');
  assert.equal(invoke?.attributes['error.type'], 'function_timeout');
  assert.equal(router.span('GET /slow')?.attributes['http.response.status_code'], 504n);
  const id = invoke?.attributes['faas.instance'] as string;
  await until(() => !router.executor.instances().some((instance) => instance.id === id));
  assert.equal(router.platform.endOf(id)['reason'], 'timeout');
});

test('an instance killed in the middle: 502 with the signal, and the body of the request does not matter', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction(
    'dies',
    `export default (request) => request.once('data', () => process.kill(process.pid, 'SIGKILL'))`,
  );
  router.catalog.put(triggerOf('dies', 'dies', { methods: ['POST'] }));
  const answer = await fetch(`${router.url}/dies`, { method: 'POST', body: 'x'.repeat(100_000) });
  assert.equal(answer.status, 502);
  const body = (await answer.json()) as Record<string, string>;
  assert.equal(body['reason'], 'instance_died');
  assert.match(body['message'] ?? '', /killed by SIGKILL/);
  await until(() => router.span('POST /dies') !== undefined);
  const invoke = router.span('invoke dies');
  assert.equal(invoke?.attributes['spoor.end.signal'], 'SIGKILL');
  assert.equal(invoke.attributes['spoor.end.reason'], 'signal');
  assert.equal(invoke.status.code, 2);
});

test('an instance that dies half way through its answer cuts the client off', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction(
    'half',
    `export default (request, response) => { response.write('half'); setTimeout(() => process.exit(1), 50) }`,
  );
  router.catalog.put(triggerOf('half', 'half'));
  const answer = await fetch(`${router.url}/half`);
  assert.equal(answer.status, 200);
  await assert.rejects(answer.text());
  await until(() => router.span('GET /half') !== undefined);
  assert.equal(router.span('invoke half')?.attributes['spoor.reason'], 'instance_died');
});

test('a 5xx of the function passes through and marks the invocation', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction('bad', 'export default (q, r) => r.writeHead(503).end("later")');
  router.catalog.put(triggerOf('bad', 'bad'));
  const answer = await fetch(`${router.url}/bad`);
  assert.equal(answer.status, 503);
  assert.equal(await answer.text(), 'later');
  await until(() => router.span('GET /bad') !== undefined);
  assert.equal(router.span('invoke bad')?.attributes['error.type'], '503');
  assert.equal(router.span('GET /bad')?.status.code, 2);
});

test('bodies stream both ways at the same time', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction('pipe', 'export default (request, response) => request.pipe(response)');
  router.catalog.put(triggerOf('pipe', 'pipe', { methods: ['POST'] }));
  let writer!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (writer = controller) });
  writer.enqueue(Buffer.from('first'));
  const answer = await fetch(`${router.url}/pipe`, { method: 'POST', body, duplex: 'half' });
  const reader = answer.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), 'first');
  writer.enqueue(Buffer.from('second'));
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), 'second');
  const big = Buffer.alloc(8 * 1024 * 1024, 'z');
  writer.enqueue(big);
  writer.close();
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) size += part.value.length;
  assert.equal(size, big.length);
});

test('a client that goes away: the function is cut off, its place is free, and the trace says 499', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction(
    'waits',
    'export default (request, response) => { if (request.url !== "/wait") response.end("ok") }',
    {
      concurrency: 1,
    },
  );
  router.catalog.put(triggerOf('waits', 'waits', { relativeurl: '', prefix: '/waits' }));
  assert.equal(await (await fetch(`${router.url}/waits/ok`)).text(), 'ok');
  await assert.rejects(fetch(`${router.url}/waits/wait`, { signal: AbortSignal.timeout(100) }));
  assert.equal(await (await fetch(`${router.url}/waits/ok`)).text(), 'ok');
  await until(() => router.spans().filter((span) => span.name === 'GET /waits').length === 3);
  const gone = router.spans().find((span) => span.attributes['spoor.reason'] === 'client_disconnect');
  assert.ok(gone);
  const statuses = router
    .spans()
    .filter((span) => span.name === 'GET /waits')
    .map((span) => span.attributes['http.response.status_code']);
  assert.deepEqual(statuses, [200n, 499n, 200n]);
});

test('more requests than the function may have in flight: 429', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction('one', 'export default (q, r) => setTimeout(() => r.end("ok"), 300)', {
    concurrency: 1,
  });
  router.catalog.put(triggerOf('one', 'one'));
  const statuses = await Promise.all([1, 2, 3].map(async () => (await fetch(`${router.url}/one`)).status));
  assert.deepEqual(
    statuses.toSorted((a, b) => a - b),
    [200, 429, 429],
  );
});

test('only a failed dial is tried again, each try an attempt of its own', async () => {
  let dials = 0;
  await using router = await startEcho({
    wrap: (executor) => ({
      async acquire(fn, options) {
        const lease = await executor.acquire(fn, options);
        dials += 1;
        if (dials > 2) return lease;
        return Object.create(lease, {
          socketPath: { value: '/nowhere/s' },
          release: { value: () => lease.release() },
          instanceId: { value: lease.instanceId },
          coldStart: { value: false },
          functionUid: { value: '' },
          functionResourceVersion: { value: '' },
          functionTimeoutMs: { value: 1000 },
          died: { value: lease.died },
        }) as typeof lease;
      },
    }),
  });
  const answer = await fetch(`${router.url}/greetings`, { method: 'POST', body: 'kept' });
  assert.equal(((await answer.json()) as Echo).body, 'kept');
  await until(() => router.span('POST /greetings') !== undefined);
  const attempts = router.spans().filter((span) => span.name === 'invoke echo');
  assert.deepEqual(
    attempts.map((span) => [span.attributes['spoor.attempt'], span.attributes['spoor.reason']]),
    [
      [1n, 'dial_error'],
      [2n, 'dial_error'],
      [3n, undefined],
    ],
  );
});

test('an internal caller with a span of its own gets no span of the router, and learns of the cold start', async () => {
  await using router = await startEcho();
  const call = () =>
    fetch(`${router.internalUrl}/fission-function/echo/sub/path?q=1`, {
      headers: { traceparent: TRACEPARENT, 'x-spoor-attempt': '2', 'x-spoor-trigger': 'pubsub' },
    });
  const answer = await call();
  assert.equal(answer.headers.get('x-spoor-coldstart'), 'true');
  assert.ok(answer.headers.get('x-spoor-instance'));
  const seen = (await answer.json()) as Echo;
  assert.equal(seen.url, '/sub/path?q=1');
  assert.equal(seen.headers['traceparent'], TRACEPARENT);
  assert.equal(seen.headers['x-spoor-trigger'], 'pubsub');
  const again = await call();
  assert.equal(again.headers.get('x-spoor-coldstart'), 'false');
  await again.text();
  const spans = router.spans();
  assert.ok(spans.every((span) => ['fetch package', 'start instance', 'load function'].includes(span.name)));
  assert.ok(spans.every((span) => span.parentSpanId === 'b7ad6b7169203331'));
});

test('an internal call names a function with or without its namespace', async () => {
  await using router = await startEcho();
  for (const path of ['/fission-function/echo', '/fission-function/default/echo']) {
    const answer = await fetch(router.internalUrl + path);
    assert.equal(((await answer.json()) as Echo).url, '/');
  }
  await until(() => router.spans().filter((span) => span.name === 'GET /fission-function/echo').length === 2);
});

test('other parts of the internal listener answer by prefix, and what they throw becomes an answer', async () => {
  await using router = await startEcho({
    internalHandlers: [
      { prefix: '/topics/', handle: (_request, response) => void response.end('topics') },
      {
        prefix: '/topics/bad',
        handle: async () => {
          throw new Failure('queue', 'conflict', 'cannot do that');
        },
      },
    ],
  });
  assert.equal(await (await fetch(`${router.internalUrl}/topics/x`)).text(), 'topics');
  const bad = await fetch(`${router.internalUrl}/topics/bad`);
  assert.equal(bad.status, 409);
  assert.equal(((await bad.json()) as Record<string, string>)['component'], 'queue');
});

test('headers past 64 KiB get 431, and what is not HTTP gets 400', async () => {
  await using router = await startEcho();
  const big = await rawRequest(router.url, { path: '/greetings', headers: { 'x-big': 'x'.repeat(70_000) } });
  assert.equal(big.status, 431);
  const { hostname, port } = new URL(router.url);
  const socket = connect(Number(port), hostname);
  socket.end('this is not HTTP\r\n\r\n');
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  assert.match(chunk.toString(), /^HTTP\/1\.1 400 /);
});

test('a body past the limit gets 413, whether it says its length or not', async () => {
  await using router = await startEcho({ bodyLimitBytes: 1000 });
  const said = await fetch(`${router.url}/greetings`, { method: 'POST', body: 'x'.repeat(2000) });
  assert.equal(said.status, 413);
  await said.text();
  const body = new ReadableStream({
    async pull(controller) {
      await sleep(5);
      controller.enqueue(Buffer.alloc(400));
    },
  });
  const streamed = await fetch(`${router.url}/greetings`, {
    method: 'POST',
    body,
    duplex: 'half',
  });
  assert.equal(streamed.status, 413);
  await streamed.text();
});

test('HEAD, 204 and a trailer come through', async () => {
  await using router = await startEcho();
  const head = await fetch(`${router.url}/greetings`, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), '');
  router.catalog.putFunction(
    'trailer',
    `export default (request, response) => {
       if (request.url === '/none') return void response.writeHead(204).end();
       response.writeHead(200, { trailer: 'x-sum' }); response.write('body'); response.addTrailers({ 'x-sum': '42' }); response.end();
     }`,
  );
  router.catalog.put(triggerOf('trailer', 'trailer', { relativeurl: '', prefix: '/trailer' }));
  assert.equal((await fetch(`${router.url}/trailer/none`)).status, 204);
  const { hostname, port } = new URL(router.url);
  const socket = connect(Number(port), hostname);
  socket.write('GET /trailer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
  let text = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString();
  assert.match(text, /x-sum: 42/);
});

test('a prefix is taken off unless it is kept; variables become headers', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction('echo', ECHO);
  router.catalog.put(triggerOf('api', 'echo', { relativeurl: '', prefix: '/api' }));
  router.catalog.put(triggerOf('kept', 'echo', { relativeurl: '', prefix: '/kept', keepPrefix: true }));
  router.catalog.put(triggerOf('user', 'echo', { relativeurl: '/users/{id}/{rest:.*}' }));
  const seen = async (path: string) => JSON.parse((await rawRequest(router.url, { path })).body) as Echo;
  assert.equal((await seen('/api/a/b?c=d')).url, '/a/b?c=d');
  assert.equal((await seen('/api')).url, '/');
  assert.equal((await seen('/kept/a')).url, '/kept/a');
  const user = await seen('/users/J%C3%BCrgen/a/b');
  assert.equal(user.headers['x-fission-params-id'], 'J%C3%BCrgen', 'no header can carry it decoded');
  assert.equal(user.headers['x-fission-params-rest'], 'a/b');
});

test('an absolute-form target is matched as a path, as a proxy gets it', async () => {
  await using router = await startEcho();
  const path = 'http://router.fission.svc/greetings?q=1';
  for (const url of [router.url, router.internalUrl]) {
    const answer = await rawRequest(url, { path });
    assert.equal((JSON.parse(answer.body) as Echo).headers['x-fission-full-url'], '/greetings?q=1');
  }
});

test('CONNECT on the internal listener leads to the router and to no other host', async () => {
  await using router = await startEcho();
  const { hostname, port } = new URL(router.internalUrl);
  const through = async (authority: string) => {
    const socket = connect({ host: hostname, port: Number(port) });
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await once(socket, 'data');
    if (text.startsWith('HTTP/1.1 200'))
      socket.write(`GET /greetings HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
    await once(socket, 'close');
    return text;
  };
  for (const name of ['router.fission.svc:80', 'router.fission:80', 'router.other.svc.cluster.local:80'])
    assert.match(await through(name), /^HTTP\/1\.1 200 \r\n\r\nHTTP\/1\.1 200 OK[^]*"url":"\/"/);
  for (const name of ['example.com:80', 'routers:80', 'router.fission.svc.example.com:80'])
    assert.match(await through(name), /^HTTP\/1\.1 403 [^]*cannot connect/);
});

test('CORS: a preflight is answered for the function, an answer carries the allowed origin', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction('echo', ECHO);
  const corsConfig = {
    allowOrigins: ['https://a.example'],
    allowMethods: [],
    allowHeaders: ['x-a'],
    exposeHeaders: ['x-b'],
    allowCredentials: true,
    maxAge: 60,
  };
  router.catalog.put(triggerOf('cors', 'echo', { corsConfig }));
  const ask = (origin: string, method: string) =>
    fetch(`${router.url}/cors`, { method, headers: { origin, 'access-control-request-method': 'GET' } });
  const preflight = await ask('https://a.example', 'OPTIONS');
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get('access-control-allow-methods'), 'GET');
  assert.equal(preflight.headers.get('access-control-max-age'), '60');
  const plain = await ask('https://a.example', 'GET');
  assert.equal(plain.headers.get('access-control-allow-origin'), 'https://a.example');
  assert.equal(plain.headers.get('access-control-expose-headers'), 'x-b');
  await plain.text();
  const stranger = await ask('https://b.example', 'GET');
  assert.equal(stranger.headers.get('access-control-allow-origin'), null);
  await stranger.text();
});

test('a silent stream is ended by its watchdog, not by the time-out', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction(
    'stream',
    `export default (request, response) => {
       let n = 0;
       const timer = setInterval(() => { response.write('tick'); if (++n === 6) clearInterval(timer) }, 100);
     }`,
    { functionTimeout: 0.2, streaming: { idleTimeout: 0.4 } },
  );
  router.catalog.put(triggerOf('stream', 'stream'));
  const answer = await fetch(`${router.url}/stream`);
  let text = '';
  await assert.rejects(async () => {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) text += Buffer.from(chunk).toString();
  });
  assert.equal(text, 'tick'.repeat(6));
  await until(() => router.span('GET /stream') !== undefined);
  assert.equal(router.span('invoke stream')?.attributes['spoor.reason'], 'stream_idle');
});

test('a stream that is never silent ends at its maxDuration', { timeout: 60_000 }, async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction(
    'stream',
    `export default (request, response) => {
       const timer = setInterval(() => response.write('tick'), 20);
       response.on('close', () => clearInterval(timer));
     }`,
    { streaming: { idleTimeout: 60, maxDuration: 0.3 } },
  );
  router.catalog.put(triggerOf('stream', 'stream'));
  const answer = await fetch(`${router.url}/stream`);
  await assert.rejects(answer.text());
  await until(() => router.span('GET /stream') !== undefined);
  assert.equal(router.span('invoke stream')?.attributes['spoor.reason'], 'stream_max_duration');
});

test('a websocket passes through, and its spans last as long as it does', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction(
    'ws',
    `import { createHash } from 'node:crypto';
     export function upgrade(request, socket) {
       const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
       socket.write('HTTP/1.1 101 Switching Protocols\\r\\nupgrade: websocket\\r\\nconnection: Upgrade\\r\\nsec-websocket-accept: ' + accept + '\\r\\n\\r\\n');
       const text = Buffer.from(request.headers.traceparent);
       socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]));
       socket.on('data', () => socket.end());
     }
     export default { upgrade };`,
  );
  router.catalog.put(triggerOf('ws', 'ws'));
  const socket = new WebSocket(`${router.url.replace('http', 'ws')}/ws`);
  const message = await new Promise<string>((resolve) => {
    socket.addEventListener('message', (event) => resolve(String(event.data)));
  });
  assert.equal(router.span('GET /ws'), undefined, 'still open');
  socket.close();
  await until(() => router.span('GET /ws') !== undefined);
  assert.equal(router.span('GET /ws')?.attributes['http.response.status_code'], 101n);
  assert.equal(message.split('-')[2], router.span('invoke ws')?.spanId);
});

test('a warm instance was connected to before its function is asked for; a connection that broke is dialed anew', async () => {
  await using router = await startTestRouter();
  const code = 'export default (q, r) => r.end("here")';
  router.catalog.putFunction('first', code);
  router.catalog.put(triggerOf('first', 'first'));
  await router.platform.warm();
  await sleep(100); // the dials are under way
  // Nobody gets through to it any more who is not connected already.
  for (const socketPath of router.prepared) rmSync(socketPath);
  assert.equal(await (await fetch(`${router.url}/first`)).text(), 'here');

  router.catalog.put(
    environment({
      runtime: { image: 'ghcr.io/fission/node-env', env: [{ name: 'TINY_DROPS', value: '1' }] },
    }),
  );
  router.catalog.putFunction('second', code);
  router.catalog.put(triggerOf('second', 'second'));
  await router.platform.warm();
  await sleep(200); // it has dropped them
  assert.equal(await (await fetch(`${router.url}/second`)).text(), 'here');
});

test('weights choose among functions', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction('old', 'export default (q, r) => r.end("old")');
  router.catalog.putFunction('new', 'export default (q, r) => r.end("new")');
  const functionref = (functionweights: Record<string, number>) =>
    ({ type: 'function-weights', functionweights }) as const;
  router.catalog.put(triggerOf('canary', '', { functionref: functionref({ old: 0, new: 100 }) }));
  assert.equal(await (await fetch(`${router.url}/canary`)).text(), 'new');
  router.catalog.put(triggerOf('canary', '', { functionref: functionref({ old: 100, new: 0 }) }));
  assert.equal(await (await fetch(`${router.url}/canary`)).text(), 'old');
  router.catalog.put(triggerOf('canary', '', { functionref: functionref({}) }));
  assert.equal((await fetch(`${router.url}/canary`)).status, 404);
});

test('a client that is slow with its body is told so, and the instance that waited for it goes on serving', async () => {
  await using router = await startTestRouter({ bodyIdleTimeoutMs: 100 });
  router.catalog.putFunction('echo', ECHO, { requestsPerPod: 2, functionTimeout: 1 });
  router.catalog.put(triggerOf('greetings', 'echo', { methods: ['GET', 'POST'] }));
  assert.equal((await fetch(`${router.url}/greetings`)).status, 200);
  const { hostname, port } = new URL(router.url);
  const slow = async (everyMs: number) => {
    const socket = connect(Number(port), hostname);
    socket.write('POST /greetings HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nx');
    const drip = setInterval(() => socket.write('x'), everyMs);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    clearInterval(drip);
    socket.destroy();
    return answer.toString();
  };
  // Silent; and never silent for long, but without an end.
  for (const answer of await Promise.all([slow(10_000), slow(20)])) {
    assert.match(answer, /^HTTP\/1.1 408/);
    assert.match(answer, /"reason":"request_timeout"/);
  }
  const before = router.executor.instances().find(({ fn }) => fn);
  assert.equal((await fetch(`${router.url}/greetings`)).status, 200);
  assert.equal(router.executor.instances().find(({ fn }) => fn)?.id, before?.id);
});

test('a client that is slow with its headers is told so', async () => {
  await using router = await startTestRouter({ headersTimeoutMs: 200 });
  const { hostname, port } = new URL(router.url);
  const socket = connect(Number(port), hostname);
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nx-a: ');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  assert.match(answer.toString(), /^HTTP\/1.1 408/);
});
