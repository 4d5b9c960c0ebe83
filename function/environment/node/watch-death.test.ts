import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import type { EnvironmentProcess } from '../conformance/environment-process.ts';
import { startWith, textOf } from './start-with.ts';

const ids = { 'x-spoor-invocation-id': 'invocation-1' };

/** The request that kills: its connection breaks. */
async function askToDie(environment: EnvironmentProcess): Promise<void> {
  await assert.rejects(environment.ask({ headers: ids }), /ECONNRESET|socket hang up/);
}

for (const { name, source, reason } of [
  {
    name: 'an uncaught exception',
    reason: 'uncaughtException',
    source: `module.exports = () => new Promise(() => setTimeout(() => { throw new RangeError('out of paint'); }, 1))`,
  },
  {
    name: 'an unhandled rejection',
    reason: 'unhandledRejection',
    source: `module.exports = () => new Promise(() => setTimeout(() => Promise.reject(new RangeError('out of paint')), 1))`,
  },
]) {
  void test(`${name} ends the process as Node would, and the journal says why`, async () => {
    await using environment = await startWith(source);
    await askToDie(environment);
    assert.deepEqual(await environment.ended, { code: 1, signal: null });
    assert.match(environment.stderr, /RangeError: out of paint\n\s+at /);
    assert.deepEqual(await environment.said('goodbye'), {
      event: 'goodbye',
      reason,
      message: 'out of paint',
    });

    const { open, logs, goodbyes } = environment.journal();
    assert.equal(open.length, 1);
    const [event] = open[0]?.events ?? [];
    assert.equal(event?.name, 'exception');
    assert.equal(event?.attributes['exception.type'], 'RangeError');
    assert.match(textOf(event?.attributes['exception.stacktrace']), /out of paint\n\s+at /);
    assert.equal(open[0]?.attributes['faas.invocation_id'], 'invocation-1');
    const crash = logs.find((log) => log.severityNumber === 21);
    assert.match(textOf(crash?.body), /RangeError: out of paint/);
    assert.equal(crash?.traceId, open[0]?.traceId);
    assert.equal(crash?.attributes['faas.invocation_id'], 'invocation-1');
    assert.equal(goodbyes[0]?.['exception.message'], 'out of paint');
    assert.equal(goodbyes[0]?.['spoor.end.exit_code'], 1n);
  });
}

void test('of two invocations under way, only the one at fault gets the exception', async () => {
  await using environment = await startWith(
    `module.exports = ({ request }) => new Promise(() => {
       if (request.query.fatal) setTimeout(() => { throw new Error('mine'); }, 1);
     })`,
  );
  const bystander = environment.ask({ headers: { 'x-spoor-invocation-id': 'bystander' } });
  const guilty = environment.ask({ path: '/?fatal=1', headers: { 'x-spoor-invocation-id': 'guilty' } });
  await Promise.allSettled([bystander, guilty]);
  await environment.ended;
  const { open } = environment.journal();
  const withException = open.filter((span) => span.events.length > 0);
  assert.equal(open.length, 2);
  assert.deepEqual(
    withException.map((span) => span.attributes['faas.invocation_id']),
    ['guilty'],
  );
});

void test('a function that handles its uncaught exceptions lives on', async () => {
  await using environment = await startWith(
    `process.on('uncaughtException', () => {});
     module.exports = () => new Promise((resolve) => {
       setTimeout(() => resolve({ status: 200, body: 'alive' }), 20);
       setTimeout(() => { throw new Error('handled'); }, 1);
     })`,
  );
  assert.equal((await environment.ask()).text, 'alive');
  environment.child.kill('SIGTERM');
  await environment.ended;
  const { spans, goodbyes } = environment.journal();
  assert.equal(spans[0]?.events[0]?.attributes['exception.message'], 'handled');
  assert.equal(goodbyes[0]?.['exception.message'], undefined);
});

void test('process.exit leaves a goodbye with its code', async () => {
  await using environment = await startWith(`module.exports = () => process.exit(7)`);
  await askToDie(environment);
  assert.deepEqual(await environment.ended, { code: 7, signal: null });
  const { open, goodbyes } = environment.journal();
  assert.equal(goodbyes[0]?.['spoor.end.exit_code'], 7n);
  assert.equal(open.length, 1);
  assert.equal((await environment.said('goodbye'))['message'], 'process.exit(7)');
});

void test('SIGKILL leaves the open span and the child spans that had ended', async () => {
  await using environment = await startWith(
    `const { trace } = require('@opentelemetry/api');
     module.exports = () => new Promise(() => {
       trace.getTracer('user').startSpan('draw').end();
       process.kill(process.pid, 'SIGKILL');
     })`,
  );
  await askToDie(environment);
  assert.deepEqual(await environment.ended, { code: null, signal: 'SIGKILL' });
  const { spans, open, goodbyes } = environment.journal();
  assert.deepEqual(
    spans.map((span) => span.name),
    ['draw'],
  );
  assert.deepEqual(
    open.map((span) => span.name),
    ['greeter'],
  );
  assert.equal(spans[0]?.parentSpanId, open[0]?.spanId);
  assert.deepEqual(goodbyes, []);
});

const SLOW = `
  let go;
  module.exports = ({ request }) => {
    if (request.path === '/go') { go(); return { status: 200, body: 'went' }; }
    process.stdout.write('begun');
    return new Promise((resolve) => { go = () => resolve({ status: 200, body: 'finished' }); });
  };
  process.on('SIGTERM', () => setTimeout(() => go(), 50));
  process.on('SIGUSR2', () => go());`;

void test('SIGTERM lets what is in flight finish', async () => {
  await using environment = await startWith(SLOW);
  const slow = environment.ask();
  await untilBegun(environment);
  environment.child.kill('SIGTERM');
  assert.equal((await slow).text, 'finished');
  assert.deepEqual(await environment.ended, { code: 0, signal: null });
  const { spans, open, goodbyes } = environment.journal();
  assert.deepEqual([spans.length, open.length], [1, 0]);
  assert.equal(goodbyes[0]?.['spoor.end.exit_code'], 0n);
});

void test('when the control pipe closes, it finishes what is in flight and ends', async () => {
  await using environment = await startWith(SLOW);
  const slow = environment.ask();
  await untilBegun(environment);
  environment.control.destroy();
  await assert.rejects(
    (async () => {
      // The server stops listening as soon as it notices.
      for (;;) await environment.ask({ path: '/healthz' });
    })(),
    /ECONNREFUSED|ENOENT|ECONNRESET/,
  );
  environment.child.kill('SIGUSR2');
  assert.equal((await slow).text, 'finished');
  assert.deepEqual(await environment.ended, { code: 0, signal: null });
});

void test('a client that goes away is noted, and the span waits for the function', async () => {
  await using environment = await startWith(
    `module.exports = ({ response }) => new Promise((resolve) => {
       process.stdout.write('begun');
       response.on('close', () => setTimeout(() => { process.stdout.write('done'); resolve({ status: 200 }); }, 20));
     })`,
  );
  const request = httpRequest({ socketPath: environment.socketPath, agent: false });
  request.on('error', () => {});
  request.end();
  await untilBegun(environment);
  request.destroy();
  await environment.printed('done');
  environment.child.kill('SIGTERM');
  await environment.ended;
  const [span] = environment.journal().spans;
  assert.equal(span?.attributes['spoor.reason'], 'client_disconnect');
  assert.equal(span?.events[0]?.name, 'client disconnected');
  assert.equal(span?.attributes['http.response.status_code'], undefined);
});

async function untilBegun(environment: EnvironmentProcess): Promise<void> {
  await environment.printed('begun');
}
