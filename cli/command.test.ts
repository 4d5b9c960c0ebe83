import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { listen } from '../server/listen.ts';

const COMMAND = join(import.meta.dirname, 'spoor');

void test('the command brings its own Node, wherever it is called', { timeout: 60_000 }, async () => {
  const { code, out } = await spoor(['--version'], { cwd: '/', env: { PATH: '/usr/bin:/bin' } });
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
  const { code, err } = await spoor(['topic', 'publish', 't', '--server', url], { input: 'hello' });
  server.close();
  server.closeAllConnections();
  assert.equal(code, 0, err);
  assert.deepEqual(bodies, ['hello']);
});

async function spoor(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly input?: string },
) {
  const child = spawn(COMMAND, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end(options.input ?? '');
  const code = new Promise<number | null>((done) => child.once('close', done));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, out, err };
}
