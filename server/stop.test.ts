import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { listen } from './listen.ts';
import { closeHttpServer } from './stop.ts';

/** Longer than the test may take: who waits for the grace fails. */
const GRACE_MS = 60_000;

test(
  'a connection that was never used and one that is idle do not keep a server from stopping',
  { timeout: 20_000 },
  async () => {
    const server = createServer((_request, response) => response.end('answered'));
    const { port } = await listen(server, { port: 0 }, 'router');
    const unused = connect(port);
    const idle = connect(port);
    await Promise.all([once(unused, 'connect'), once(idle, 'connect')]);
    idle.write('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
    await once(idle, 'data');
    const closed = [unused, idle].map(gone);
    await closeHttpServer(server, GRACE_MS);
    await Promise.all(closed);
  },
);

test('a request under way is answered before its server has stopped', { timeout: 20_000 }, async () => {
  const asked = Promise.withResolvers<() => void>();
  const server = createServer((_request, response) => asked.resolve(() => response.end('late')));
  const { url } = await listen(server, { port: 0 }, 'router');
  const answer = fetch(url);
  const go = await asked.promise;
  const stopped = closeHttpServer(server, GRACE_MS);
  go();
  assert.equal(await (await answer).text(), 'late');
  await stopped;
});

async function gone(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  socket.resume();
  if (!socket.destroyed) await once(socket, 'close');
}
