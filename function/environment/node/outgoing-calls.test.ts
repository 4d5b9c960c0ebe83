import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SPAN_KIND, STATUS_CODE } from '../../span/span-data.ts';
import type { EnvironmentProcess } from '../conformance/environment-process.ts';
import { startWith } from './start-with.ts';

/** Answers everything with the status its path names, and keeps the headers it was sent. */
async function startCalled(): Promise<AsyncDisposable & { url: string; seen: IncomingHttpHeaders[] }> {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    response.statusCode = Number(/\d{3}/.exec(request.url ?? '')?.[0] ?? 200);
    response.end('called');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function journalOf(environment: EnvironmentProcess) {
  environment.child.kill('SIGTERM');
  await environment.ended;
  return environment.journal();
}

const calling = (call: string) => `
  const http = require('http');
  const get = (url, options) => new Promise((resolve, reject) => {
    http.get(url, options ?? {}, (response) => { response.resume(); response.on('end', () => resolve(response.statusCode)); }).on('error', reject);
  });
  module.exports = async ({ traceHeaders }) => { ${call}; return { status: 200, body: 'ok' }; };`;

for (const [name, call] of [
  ['fetch', `await (await fetch(process.env.CALLED + '/404?a=1')).text()`],
  ['http.get', `await get(process.env.CALLED + '/404?a=1')`],
] as const) {
  void test(`${name} carries the trace on below a CLIENT span`, async () => {
    await using called = await startCalled();
    await using environment = await startWith(calling(call), { env: { CALLED: called.url } });
    assert.equal((await environment.ask()).status, 200);
    const { spans, open } = await journalOf(environment);
    assert.equal(open.length, 0);
    const client = spans.find((span) => span.kind === SPAN_KIND.client);
    const server = spans.find((span) => span.kind === SPAN_KIND.server);
    assert.ok(client && server);
    assert.equal(client.parentSpanId, server.spanId);
    assert.equal(client.name, 'GET');
    assert.equal(client.attributes['url.full'], `${called.url}/404?a=1`);
    assert.equal(client.attributes['server.address'], '127.0.0.1');
    assert.equal(client.attributes['server.port'], BigInt(new URL(called.url).port));
    assert.equal(client.attributes['http.response.status_code'], 404n);
    assert.equal(client.attributes['error.type'], '404');
    assert.equal(called.seen[0]?.['traceparent'], `00-${client.traceId}-${client.spanId}-01`);
    assert.ok(client.endTimeUnixNano <= server.endTimeUnixNano);
  });
}

for (const [name, call] of [
  ['fetch', `await fetch(process.env.CALLED).catch(() => {})`],
  ['http.get', `await get(process.env.CALLED).catch(() => {})`],
] as const) {
  void test(`${name} that finds nobody is an error of its span`, async () => {
    const gone = await startCalled();
    await gone[Symbol.asyncDispose]();
    await using environment = await startWith(calling(call), { env: { CALLED: gone.url } });
    assert.equal((await environment.ask()).status, 200);
    const { spans } = await journalOf(environment);
    const client = spans.find((span) => span.kind === SPAN_KIND.client);
    assert.equal(client?.status.code, STATUS_CODE.error);
    assert.ok(client.attributes['error.type']);
    assert.equal(client.events[0]?.name, 'exception');
  });
}

void test('an http error nobody listens to ends the process, as without us', async () => {
  await using environment = await startWith(
    `module.exports = () => new Promise(() => require('http').get('http://127.0.0.1:1/'))`,
  );
  await assert.rejects(environment.ask());
  assert.equal((await environment.ended).code, 1);
});

void test('a traceparent of the function’s own is left alone', async () => {
  await using called = await startCalled();
  await using environment = await startWith(
    calling(`await (await fetch(process.env.CALLED, { headers: traceHeaders })).text();
             await get(process.env.CALLED, { headers: traceHeaders })`),
    { env: { CALLED: called.url } },
  );
  await environment.ask();
  const { spans } = await journalOf(environment);
  assert.equal(spans.length, 1);
  const own = `00-${spans[0]?.traceId}-${spans[0]?.spanId}-01`;
  assert.deepEqual(
    called.seen.map((headers) => headers['traceparent']),
    [own, own],
  );
});

void test('suppressed tracing is honoured, and calls outside an invocation start no trace', async () => {
  await using called = await startCalled();
  await using environment = await startWith(
    `const { context, createContextKey } = require('@opentelemetry/api');
     const suppressed = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
     const call = async () => (await fetch(process.env.CALLED)).text();
     const early = call();
     module.exports = async () => {
       await early;
       await context.with(context.active().setValue(suppressed, true), call);
       return { status: 200, body: 'ok' };
     };`,
    { env: { CALLED: called.url } },
  );
  await environment.ask();
  const { spans } = await journalOf(environment);
  assert.equal(spans.length, 1);
  assert.deepEqual(
    called.seen.map((headers) => headers['traceparent']),
    [undefined, undefined],
  );
});
