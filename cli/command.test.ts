import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { listen } from '../server/listen.ts';
import { spawnSpoor } from './testing.ts';

void test('the command brings its own Node, wherever it is called', { timeout: 60_000 }, async () => {
  const { code, out } = await spawnSpoor(['--version'], { cwd: '/', env: { PATH: '/usr/bin:/bin' } });
  assert.equal(code, 0);
  assert.match(out, /^\d+\.\d+\.\d+\n$/);
});

void test('a record is read from stdin also when that is a socket', { timeout: 60_000 }, async () => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      bodies.push(body);
      return response.end('{"topic":"t","partition":0,"offset":"1"}');
    });
  });
  const { url } = await listen(server, { port: 0 }, 'queue');
  // Node's own pipes to its children are sockets.
  const { code, err } = await spawnSpoor(['topic', 'publish', 't', '--server', url], { input: 'hello' });
  server.close();
  server.closeAllConnections();
  assert.equal(code, 0, err);
  assert.deepEqual(bodies, ['hello']);
});
