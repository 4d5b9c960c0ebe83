import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtempDisposable, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { listen } from '../server/listen.ts';
import { spawnSpoor } from './testing.ts';

void test('the command brings its own Node, wherever it is called', { timeout: 60_000 }, async () => {
  const { code, out } = await spawnSpoor(['--version'], { cwd: '/', env: { PATH: '/usr/bin:/bin' } });
  assert.equal(code, 0);
  assert.match(out, /^\d+\.\d+\.\d+\n$/);
});

void test('a checkout that nothing was installed in says what to type', { timeout: 60_000 }, async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-command-'));
  await mkdir(join(dir.path, 'cli'));
  await copyFile(join(import.meta.dirname, 'spoor'), join(dir.path, 'cli/spoor'));
  // A PATH with the shell's tools only: whatever Node the machine has is not among them.
  await mkdir(join(dir.path, 'bin'));
  for (const tool of ['sh', 'dirname', 'readlink'])
    await symlink(toolPath(tool), join(dir.path, 'bin', tool));
  const { status, stderr } = spawnSync(join(dir.path, 'cli/spoor'), ['--version'], {
    env: { PATH: join(dir.path, 'bin') },
    encoding: 'utf8',
  });
  assert.equal(status, 1);
  assert.match(stderr, /^spoor: there is no Node 24 here\. Type `npm ci` in .*\n$/);
});

function toolPath(name: string): string {
  for (const folder of ['/bin', '/usr/bin']) if (existsSync(join(folder, name))) return join(folder, name);
  throw new Error(`cannot find ${name}`);
}

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
