import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Lease } from '../executor/client.ts';
import { triggerOf } from '../executor/test/memory-catalog.ts';
import { until } from '../executor/test/test-executor.ts';
import { startTestRouter } from './test/test-router.ts';

/**
 * Answers /last, and then neither reads nor writes until there is a file `go`: what is asked meanwhile stands unread on its
 * connection when it exits. `last` is what it does before that.
 */
const ending = (
  folder: string,
  last: string,
) => `import { existsSync, writeFileSync, writeSync } from 'node:fs';
  export default serve;
  function serve(request, response) {
    if (request.url === '/last') {
      response.end('last', () => setTimeout(() => {
        writeFileSync('${folder}/deaf', '');
        const late = Date.now() + 10_000;
        while (!existsSync('${folder}/go') && Date.now() < late);
        ${last}
        process.exit(0);
      }, 20));
      return;
    }
    let size = 0;
    request.on('data', (chunk) => (size += chunk.length));
    request.on('end', () => response.end('next ' + size));
  }
  serve.upgrade = (request, socket) => {
    if (request.url === '/die') process.exit(3);
    socket.end('HTTP/1.1 101 Switching Protocols\\r\\nupgrade: echo\\r\\nconnection: Upgrade\\r\\n\\r\\nhello');
  };`;
const SAYS_DRAINING = `writeSync(3, '{"event":"draining"}\\n');`;

for (const [what, last, body, expected] of [
  ['no body, and was asked to end', SAYS_DRAINING, undefined, 'next 0'],
  ['a body, and was asked to end', SAYS_DRAINING, 'x'.repeat(20_000), 'next 20000'],
  ['no body, and just exits', '', undefined, 'next 0'],
  // With a body unread it may have begun all the same, for all that its connection says.
  ['a body, and just exits', '', 'x'.repeat(20_000), 'instance_died'],
  // More than is kept for a second time.
  ['a large body, and was asked to end', SAYS_DRAINING, 'x'.repeat(300_000), 'dial_error|instance_died'],
] as const)
  test(`an instance that ends before it has read a request with ${what}`, async () => {
    let leases = 0;
    await using router = await startTestRouter({
      wrap: (executor) => ({
        async acquire(fn, options) {
          const lease = await executor.acquire(fn, options);
          leases += 1;
          return lease;
        },
      }),
    });
    const { folder } = router.platform;
    router.catalog.putFunction('ends', ending(folder, last));
    router.catalog.put(triggerOf('ends', 'ends', { relativeurl: '', prefix: '/ends', methods: [] }));
    assert.equal(await (await fetch(`${router.url}/ends/last`)).text(), 'last');
    await until(() => existsSync(join(folder, 'deaf')));
    const asked = fetch(`${router.url}/ends/next`, { method: body ? 'POST' : 'GET', body });
    await until(() => leases === 2);
    await sleep(50); // it is written right after
    writeFileSync(join(folder, 'go'), '');
    const answer = await asked;
    const text = await answer.text();
    assert.match(text, new RegExp(expected));
    const isAgain = expected.startsWith('next');
    assert.equal(answer.status, isAgain ? 200 : 502);
    await until(() => router.spans().filter(({ name }) => name.endsWith(' /ends')).length === 2);
    const tries = router
      .spans()
      .filter((span) => span.name === 'invoke ends')
      .slice(1);
    const statuses = tries.map((span) => span.attributes['http.response.status_code']);
    // A try more may still find the instance that has just ended.
    assert.equal(statuses.pop(), isAgain ? 200n : undefined);
    assert.deepEqual(new Set(statuses), new Set(isAgain ? [undefined] : []));
  });

for (const [what, last] of [
  ['and was asked to end', SAYS_DRAINING],
  ['and just exits', ''],
] as const)
  test(`an instance that ends before it has read an upgrade ${what}`, { timeout: 60_000 }, async () => {
    let leases = 0;
    await using router = await startTestRouter({
      wrap: (executor) => ({
        async acquire(fn, options) {
          const lease = await executor.acquire(fn, options);
          leases += 1;
          return lease;
        },
      }),
    });
    const { folder } = router.platform;
    router.catalog.putFunction('ends', ending(folder, last));
    router.catalog.put(triggerOf('ends', 'ends', { relativeurl: '', prefix: '/ends', methods: [] }));
    assert.equal(await (await fetch(`${router.url}/ends/last`)).text(), 'last');
    await until(() => existsSync(join(folder, 'deaf')));
    const asked = upgrade(`${router.url}/ends/ws`);
    await until(() => leases === 2);
    await sleep(50); // it is written right after
    writeFileSync(join(folder, 'go'), '');
    assert.match(await asked, /^HTTP\/1.1 101 .*hello$/s);
    await until(() => router.spans().filter(({ name }) => name === 'GET /ends').length === 2);
    const tries = router
      .spans()
      .filter((span) => span.name === 'invoke ends' && span.attributes['spoor.attempt']);
    const statuses = tries.slice(1).map((span) => span.attributes['http.response.status_code']);
    assert.equal(statuses.pop(), 101n);
    assert.ok(statuses.length > 0 && statuses.every((status) => status === undefined));
  });

test('an upgrade that an instance dies of is not tried again', { timeout: 60_000 }, async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction('dies', ending(router.platform.folder, ''));
  router.catalog.put(triggerOf('dies', 'dies', { relativeurl: '', prefix: '/dies', methods: [] }));
  const answer = await upgrade(`${router.url}/dies/die`);
  assert.match(answer, /^HTTP\/1.1 502 .*"reason":"instance_died"/s);
  await until(() => router.span('GET /dies') !== undefined);
  const tries = router.spans().filter((span) => span.name === 'invoke dies');
  assert.deepEqual(
    tries.map((span) => [span.attributes['spoor.reason'], span.attributes['spoor.end.exit_code']]),
    [['instance_died', 3n]],
  );
});

/** All that comes back, up to the end of the connection. */
async function upgrade(url: string): Promise<string> {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${pathname} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n`);
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  await once(socket, 'end');
  socket.destroy();
  return text;
}

test('an answer that came before its write broke is the answer', async () => {
  let socketPath = '';
  await using router = await startTestRouter({
    wrap: (executor) => ({
      async acquire(fn, options) {
        const lease = await executor.acquire(fn, options);
        return new Proxy(lease, {
          get: (to, key) => {
            const value: unknown = key === 'socketPath' ? socketPath : Reflect.get(to, key, to);
            return typeof value === 'function' ? (value.bind(to) as unknown) : value;
          },
        }) satisfies Lease;
      },
    }),
  });
  router.catalog.putFunction('upload', 'export default () => {}');
  router.catalog.put(triggerOf('upload', 'upload', { methods: ['POST'] }));
  // Says no at the first byte, reads no further, and closes.
  await using strict = createServer((connection) => {
    connection.on('error', () => {});
    connection.once('data', () => {
      connection.pause();
      connection.write(
        'HTTP/1.1 413 \r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large',
        () => void setTimeout(() => connection.destroy(), 50),
      );
    });
  });
  socketPath = join(router.platform.folder, 'strict');
  await once(strict.listen(socketPath), 'listening');
  const large = Buffer.alloc(4 * 1024 * 1024, 'z');
  const answer = await router.client.invoke('upload', { body: large });
  assert.deepEqual([answer.status, answer.body.toString()], [413, 'too large']);
  const client = new Agent();
  for (const body of [large, streamOf(large)]) {
    const streamed = await request(`${router.url}/upload`, { method: 'POST', body, dispatcher: client });
    assert.deepEqual([streamed.statusCode, await streamed.body.text()], [413, 'too large']);
  }
  await client.destroy();
});

function streamOf(bytes: Buffer): Readable {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 16_384) parts.push(bytes.subarray(at, at + 16_384));
  return Readable.from(parts, { objectMode: false });
}
