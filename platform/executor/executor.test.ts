import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { ROOT_CONTEXT, trace, type Context } from '@opentelemetry/api';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tracing } from '../../function/span/tracing.ts';
import { silentLog } from '../../server/log.ts';
import type { Lease } from './client.ts';
import { endOrphans, startTicksOf } from './orphans.ts';
import { environment, packageOf } from './test/memory-catalog.ts';
import { startTestExecutor, until } from './test/test-executor.ts';

const HELLO = 'export default (request, response) => response.end("hello")';
const hello = { name: 'hello', namespace: 'default' };
const forever = () => new AbortController().signal;
const ask = (context: Context = ROOT_CONTEXT) => ({ context, signal: forever() });

async function answerOf(lease: Lease): Promise<string> {
  const { request } = await import('node:http');
  const call = request({ socketPath: lease.socketPath, path: '/', agent: false }).end();
  const [response] = (await once(call, 'response')) as [import('node:http').IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
  return text;
}

test('the first request of a function finds a warm instance and loads it; the second finds it loaded', async () => {
  await using platform = await startTestExecutor();
  platform.catalog.putFunction('hello', HELLO);
  await platform.warm();
  const parent = trace.setSpanContext(ROOT_CONTEXT, {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags: 1,
  });
  const first = await platform.executor.acquire(hello, ask(parent));
  assert.equal(first.coldStart, true);
  assert.equal(first.functionUid, 'uid-hello');
  assert.equal(await answerOf(first), 'hello');
  first.release();
  const spans = platform.spans();
  assert.deepEqual(
    spans.map((span) => [span.name, span.parentSpanId, span.attributes['spoor.pool.hit']]),
    [
      ['fetch package', 'b7ad6b7169203331', undefined],
      ['load function', 'b7ad6b7169203331', true],
    ],
  );
  assert.equal(spans[1]?.attributes['faas.instance'], first.instanceId);

  const second = await platform.executor.acquire(hello, ask(parent));
  assert.equal(second.coldStart, false);
  assert.equal(second.instanceId, first.instanceId);
  second.release();
  assert.equal(platform.spans().length, 2, 'nothing had to be done');
});

test('an empty pool starts a process, and says so in a span', async () => {
  await using platform = await startTestExecutor();
  platform.catalog.put(environment({ poolsize: 0 }));
  platform.catalog.putFunction('hello', HELLO);
  const lease = await platform.executor.acquire(hello, ask());
  lease.release();
  assert.deepEqual(
    platform.spans().map((span) => span.name),
    ['fetch package', 'start instance', 'load function'],
  );
});

test('requests past requestsPerPod wait for the one cold start and link to it; past the capacity they get capacity_exceeded', async () => {
  await using platform = await startTestExecutor();
  platform.catalog.putFunction('hello', HELLO, { concurrency: 1, requestsPerPod: 3 });
  await platform.warm();
  const asked = [1, 2, 3].map(() => platform.executor.acquire(hello, ask()));
  await assert.rejects(platform.executor.acquire(hello, ask()), { reason: 'capacity_exceeded' });
  const leases = await Promise.all(asked);
  assert.equal(new Set(leases.map((lease) => lease.instanceId)).size, 1);
  assert.deepEqual(
    leases.map((lease) => lease.coldStart),
    [true, false, false],
  );
  const spans = platform.spans();
  const load = spans.find((span) => span.name === 'load function');
  const waits = spans.filter((span) => span.name === 'wait for capacity');
  assert.equal(waits.length, 2);
  for (const wait of waits) assert.equal(wait.links[0]?.spanId, load?.spanId);
  for (const lease of leases) lease.release();
});

test('one request at a time in an instance; a second one gets an instance of its own up to concurrency', async () => {
  await using platform = await startTestExecutor();
  platform.catalog.putFunction('hello', HELLO, { concurrency: 2 });
  const [one, two] = await Promise.all([
    platform.executor.acquire(hello, ask()),
    platform.executor.acquire(hello, ask()),
  ]);
  assert.notEqual(one.instanceId, two.instanceId);
  await assert.rejects(platform.executor.acquire(hello, ask()), { reason: 'capacity_exceeded' });
  one.release();
  const again = await platform.executor.acquire(hello, ask());
  assert.equal(again.instanceId, one.instanceId);
  again.release();
  two.release();
});

test('a full machine makes a request wait until an instance comes free', async () => {
  await using platform = await startTestExecutor({ maxInstances: 1 });
  platform.catalog.put(environment({ poolsize: 0 }));
  platform.catalog.putFunction('hello', HELLO);
  const first = await platform.executor.acquire(hello, ask());
  const waiting = platform.executor.acquire(hello, ask());
  await sleep(20);
  first.release();
  const second = await waiting;
  assert.equal(second.instanceId, first.instanceId);
  second.release();
  const wait = platform.spans().find((span) => span.name === 'wait for capacity');
  assert.ok(wait && wait.endTimeUnixNano - wait.startTimeUnixNano > 10_000_000n);
  assert.equal(wait.links.length, 0);

  // Another function needs the only place: the idle instance makes room.
  platform.catalog.putFunction('other', HELLO);
  const other = await platform.executor.acquire({ name: 'other', namespace: 'default' }, ask());
  assert.equal(platform.endOf(first.instanceId)['reason'], 'shutdown');
  other.release();
});

test('onceOnly: an instance serves one request and ends', async () => {
  await using platform = await startTestExecutor();
  platform.catalog.putFunction('hello', HELLO, { onceOnly: true });
  const first = await platform.executor.acquire(hello, ask());
  first.release();
  await first.died;
  const second = await platform.executor.acquire(hello, ask());
  assert.notEqual(second.instanceId, first.instanceId);
  second.release();
});

test('an instance that was asked to end by another gets no new request, and finishes what it has', async () => {
  await using platform = await startTestExecutor();
  platform.catalog.putFunction(
    'hello',
    `import { writeSync } from 'node:fs';
     export default (request, response) => { writeSync(3, '{"event":"draining"}\\n'); response.end('hello'); }`,
    { requestsPerPod: 2 },
  );
  const first = await platform.executor.acquire(hello, ask());
  assert.equal(await answerOf(first), 'hello');
  await first.draining;
  const second = await platform.executor.acquire(hello, ask());
  assert.notEqual(second.instanceId, first.instanceId);
  assert.equal(await answerOf(first), 'hello', 'it is not cut off');
  first.release();
  assert.match((await first.died).message, /asked to end by another/);
  second.release();
});

test('a warm instance that was asked to end is not given a function', async () => {
  await using platform = await startTestExecutor();
  const env = [{ name: 'TINY_DRAINS', value: '1' }];
  platform.catalog.put(environment({ runtime: { image: 'node-env', env } }));
  await platform.warm();
  const [asked] = platform.executor.instances();
  process.kill(asked?.pid as number, 'SIGTERM');
  await until(() =>
    platform.executor.instances().some(({ id, state }) => state === 'warm' && id !== asked?.id),
  );
  platform.catalog.putFunction('hello', HELLO);
  const lease = await platform.executor.acquire(hello, ask());
  assert.notEqual(lease.instanceId, asked?.id);
  assert.equal(await answerOf(lease), 'hello');
  lease.release();
});

test('an idle instance is reaped after idletimeout, but for retainPods', async () => {
  await using platform = await startTestExecutor();
  platform.catalog.putFunction('hello', HELLO, { idletimeout: 0.1 });
  platform.catalog.putFunction('kept', HELLO, { idletimeout: 0.1, retainPods: 1 });
  const lease = await platform.executor.acquire(hello, ask());
  const kept = await platform.executor.acquire({ name: 'kept', namespace: 'default' }, ask());
  lease.release();
  kept.release();
  assert.equal((await lease.died).reason, 'shutdown');
  assert.match((await lease.died).message, /idle/);
  assert.ok(platform.executor.instances().some((instance) => instance.id === kept.instanceId));
});

for (const [what, change] of [
  ['function', (catalog) => catalog.putFunction('hello', HELLO)],
  ['package', (catalog) => catalog.put(packageOf('hello', HELLO.replace('hello', 'changed')))],
  ['environment', (catalog) => catalog.put(environment({ runtime: { image: 'node-env-22', env: [] } }))],
] satisfies [string, (catalog: Awaited<ReturnType<typeof startTestExecutor>>['catalog']) => void][]) {
  test(`a new version of the ${what} recycles instances once they are idle`, async () => {
    await using platform = await startTestExecutor();
    platform.catalog.putFunction('hello', HELLO);
    const old = await platform.executor.acquire(hello, ask());
    change(platform.catalog);
    const young = await platform.executor.acquire(hello, ask());
    assert.notEqual(young.instanceId, old.instanceId);
    assert.equal(young.coldStart, true);
    assert.equal(await answerOf(old), 'hello', 'who is being served is served to the end');
    if (what === 'package') assert.equal(await answerOf(young), 'changed');
    old.release();
    assert.equal((await old.died).reason, 'shutdown');
    young.release();
  });
}

for (const [what, code, expected] of [
  ['exit', 'process.exit(9)', { reason: 'exit', exitCode: 9 }],
  ['SIGKILL', 'process.kill(process.pid, "SIGKILL")', { reason: 'signal', signal: 'SIGKILL' }],
  ['an exception', 'setImmediate(() => { throw new Error("boom") })', { reason: 'exit', exitCode: 7 }],
  [
    'a full heap',
    'const all = []; for (;;) all.push(new Array(1e5).fill(all.length))',
    { reason: 'oom', signal: 'SIGABRT' },
  ],
] as const) {
  test(`death by ${what} is written down beside the journal`, async () => {
    await using platform = await startTestExecutor();
    platform.catalog.putFunction('hello', `export default () => { console.error("last words"); ${code} }`, {
      resources: { memoryLimitBytes: 32 * 2 ** 20 },
    });
    const lease = await platform.executor.acquire(hello, ask());
    await assert.rejects(answerOf(lease));
    const end = await lease.died;
    lease.release();
    assert.deepEqual({ ...end, ...expected }, end);
    const written = platform.endOf(lease.instanceId);
    assert.equal(written['reason'], expected.reason);
    assert.equal(written['timeUnixNano'], end.timeUnixNano.toString());
    if (what !== 'a full heap') assert.ok(end.lastLines.includes('last words'));
    if (what === 'an exception') assert.match(end.message, /boom/);
  });
}

test('a function past its time-out is killed, with what it forked', async () => {
  await using platform = await startTestExecutor();
  platform.catalog.putFunction(
    'hello',
    `import { spawn } from 'node:child_process';
     export default (request, response) => response.end(String(spawn('sleep', ['1000'], { stdio: 'inherit' }).pid))`,
    { functionTimeout: 1 },
  );
  const lease = await platform.executor.acquire(hello, ask());
  const forked = Number(await answerOf(lease));
  lease.timeout();
  const end = await lease.died;
  assert.equal(end.reason, 'timeout');
  assert.equal(end.message, 'killed after 1000 ms: function timeout');
  await until(() => startTicksOf(forked) === undefined);
  const next = await platform.executor.acquire(hello, ask());
  assert.notEqual(next.instanceId, lease.instanceId);
  next.release();
});

test('a function that cannot be loaded fails for all who wait for it, and its span says why', async () => {
  await using platform = await startTestExecutor();
  platform.catalog.putFunction('hello', 'export default ( => {', { requestsPerPod: 2 });
  await platform.warm();
  const results = await Promise.allSettled([1, 2].map(() => platform.executor.acquire(hello, ask())));
  for (const result of results) {
    assert.equal(result.status, 'rejected');
    assert.equal((result.reason as { reason: string }).reason, 'specialization_failed');
    assert.match(String(result.reason), /SyntaxError/);
  }
  const load = platform.spans().find((span) => span.name === 'load function');
  assert.equal(load?.status.code, 2);
  assert.equal(load?.attributes['spoor.reason'], 'specialization_failed');
});

test('a load longer than specializationTimeout is given up', async () => {
  await using platform = await startTestExecutor();
  platform.catalog.putFunction('hello', 'await new Promise((resolve) => setTimeout(resolve, 1e6))', {
    specializationTimeout: 0.3,
  });
  await assert.rejects(platform.executor.acquire(hello, ask()), {
    reason: 'specialization_failed',
    message: /not done after 300 ms/,
  });
});

test('what is not there is named: function, environment, package, secret, image', async () => {
  await using platform = await startTestExecutor();
  const { catalog, executor } = platform;
  await assert.rejects(executor.acquire(hello, ask()), { reason: 'not_found', message: /default\/hello/ });
  const nowhere = { name: 'nowhere', namespace: 'default' };
  catalog.putFunction('hello', HELLO, { environment: nowhere });
  await assert.rejects(executor.acquire(hello, ask()), { message: /default\/nowhere/ });
  catalog.putFunction('hello', HELLO, { package: { packageref: nowhere, functionName: '' } });
  await assert.rejects(executor.acquire(hello, ask()), { message: /package \[nowhere\]/ });
  catalog.putFunction('hello', HELLO, { secrets: [nowhere] });
  await assert.rejects(executor.acquire(hello, ask()), { message: /secret \[default\/nowhere\]/ });
  catalog.put(environment({ runtime: { image: 'fission/cobol-env', env: [] } }));
  await assert.rejects(executor.acquire(hello, ask()), { message: /cobol-env/ });
});

test('an instance sees its own environment, secrets and configmaps, and nothing of the platform', async () => {
  process.env['SPOOR_TEST_SECRET'] = 'of the platform';
  await using platform = await startTestExecutor({ nodePath: '/some/node_modules' });
  const { catalog } = platform;
  catalog.put(environment({ runtime: { image: 'node-env', env: [{ name: 'COLOUR', value: 'green' }] } }));
  catalog.secrets.set('default/token', { key: Buffer.from('s3cret') });
  catalog.putFunction(
    'hello',
    `import { readFileSync } from 'node:fs';
     export default (request, response) => response.end(JSON.stringify({ ...process.env,
       secret: readFileSync(process.env.SPOOR_SECRETS_DIR + '/default/token/key', 'utf8') }))`,
    {
      secrets: [{ name: 'token', namespace: 'default' }],
      env: [
        { name: 'SIZE', value: 'big' },
        { name: 'PROXY', value: '$(SPOOR_INTERNAL_URL)/$(COLOUR)/$$(COLOUR)/$(NOWHERE)' },
      ],
    },
  );
  const lease = await platform.executor.acquire(hello, ask());
  const seen = JSON.parse(await answerOf(lease)) as Record<string, string>;
  lease.release();
  delete process.env['SPOOR_TEST_SECRET'];
  assert.equal(seen['COLOUR'], 'green');
  assert.equal(seen['SIZE'], 'big');
  assert.equal(seen['PROXY'], 'http://127.0.0.1:1/green/$(COLOUR)/$(NOWHERE)');
  assert.equal(seen['secret'], 's3cret');
  assert.equal(seen['NODE_PATH'], '/some/node_modules');
  assert.equal(seen['SPOOR_INSTANCE_ID'], lease.instanceId);
  assert.equal(seen['SPOOR_TEST_SECRET'], undefined);
});

test('an environment that dies at once is started again with back-off, and a request says how it died', async () => {
  await using platform = await startTestExecutor();
  const env = [{ name: 'TINY_CRASH', value: '1' }];
  platform.catalog.put(environment({ runtime: { image: 'node-env', env } }));
  platform.catalog.putFunction('hello', HELLO);
  await assert.rejects(platform.executor.acquire(hello, ask()), {
    reason: 'specialization_failed',
    message: /exited with code 3/,
  });
  await sleep(500);
  const deaths = readdirSync(platform.journalDir).filter((name) => name.endsWith('.end')).length;
  assert.ok(deaths >= 2 && deaths <= 8, `${deaths} starts`);
});

test('a flood of output slows the one who floods and costs no memory', async () => {
  let lines = 0;
  const output = { setResource() {}, log: () => void (lines += 1) };
  await using platform = await startTestExecutor({ output });
  platform.catalog.putFunction(
    'hello',
    `export default (request, response) => { response.end('x');
       setInterval(() => console.log('y'.repeat(100_000)), 0) }`,
  );
  const lease = await platform.executor.acquire(hello, ask());
  await answerOf(lease);
  await sleep(500);
  lease.release();
  assert.ok(lines < 100, `${lines} lines in half a second`);
});

test('a line printed past the environment is a log record of the one invocation under way, or of the instance alone', async () => {
  const records: Parameters<Tracing['log']>[0][] = [];
  const services: unknown[] = [];
  await using platform = await startTestExecutor({
    output: {
      setResource: (attributes) => services.push(attributes['service.name']),
      log: (record) => records.push(record),
    },
  });
  platform.catalog.putFunction(
    'hello',
    `export default (request, response) => {
       process.stdout.write('told\\x1e\\nun', () => process.stdout.write('told\\n', () => response.end('x')));
     }`,
    { requestsPerPod: 2 },
  );
  const context = ask(
    trace.setSpanContext(ROOT_CONTEXT, { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }),
  );
  const lease = await platform.executor.acquire(hello, context);
  await answerOf(lease);
  await until(() => records.length === 1);
  const other = await platform.executor.acquire(hello, ask());
  await answerOf(other);
  await until(() => records.length === 2);
  lease.release();
  other.release();
  assert.deepEqual(
    records.map(({ body, source }) => [body, source]),
    [
      ['untold', 'stdout'],
      ['untold', 'stdout'],
    ],
  );
  assert.equal(records[0]?.context, context.context);
  assert.equal(records[1]?.context, ROOT_CONTEXT);
  assert.deepEqual(services, ['hello']);
});

test('a file past 1 GiB is not written', async () => {
  await using platform = await startTestExecutor();
  platform.catalog.putFunction(
    'hello',
    `import { ftruncateSync, openSync, writeSync } from 'node:fs';
     export default () => { const fd = openSync('big', 'w'); ftruncateSync(fd, 2 ** 30 - 1); writeSync(fd, 'xx', 2 ** 30 - 1); writeSync(fd, 'xx', 2 ** 30) }`,
  );
  const lease = await platform.executor.acquire(hello, ask());
  void answerOf(lease).catch(() => {});
  const end = await lease.died;
  lease.release();
  assert.match(end.message, /EFBIG/);
});

test('stopping drains: a request in flight is served, then every instance ends as shutdown', async () => {
  const platform = await startTestExecutor();
  platform.catalog.putFunction('hello', HELLO);
  const lease = await platform.executor.acquire(hello, ask());
  const stopped = platform.executor[Symbol.asyncDispose]();
  assert.equal(await answerOf(lease), 'hello');
  lease.release();
  await stopped;
  assert.equal(platform.endOf(lease.instanceId)['reason'], 'shutdown');
  assert.deepEqual(platform.executor.instances(), []);
  assert.deepEqual(readdirSync(platform.runDir), []);
  await platform[Symbol.asyncDispose]();
});

test('an instance of a platform that was killed is ended by the next one', async () => {
  await using platform = await startTestExecutor();
  const orphan = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  const folder = join(platform.folder, 'old-run', 'abc');
  mkdirSync(folder, { recursive: true });
  const pid = orphan.pid as number;
  const record = { id: 'node-old', pid, startTicks: startTicksOf(pid), journalDir: platform.journalDir };
  writeFileSync(join(folder, 'record.json'), JSON.stringify(record));
  // A pid that was reused is not ours to kill.
  const stranger = join(platform.folder, 'old-run', 'def');
  mkdirSync(stranger);
  writeFileSync(
    join(stranger, 'record.json'),
    JSON.stringify({ ...record, id: 'node-older', pid: process.pid, startTicks: '1' }),
  );
  using _watch = endOrphans(join(platform.folder, 'old-run'), silentLog(), 300);
  const [, signal] = (await once(orphan, 'exit')) as [number | null, string];
  assert.equal(signal, 'SIGKILL');
  await until(() => !existsSync(folder) && !existsSync(stranger));
  assert.equal(platform.endOf('node-old')['reason'], 'shutdown');
});

test('a path too long for a unix socket is refused with advice', async () => {
  await using platform = await startTestExecutor();
  const runDir = join(platform.folder, 'r'.repeat(100));
  await using other = await startTestExecutor({ runDir });
  other.catalog.putFunction('hello', HELLO);
  await assert.rejects(other.executor.acquire(hello, ask()), { message: /shorter data directory/ });
});
