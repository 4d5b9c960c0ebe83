import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const MAIN = join(import.meta.dirname, '../main.ts');

const FUNCTIONS = {
  node: ['hello.js', 'module.exports = async () => ({ status: 200, body: "hello from node" });'],
  python: ['hello.py', 'def main():\n    return "hello from python"\n'],
} as const;

for (const language of ['node', 'python'] as const)
  void test(
    `spoor environment ${language} is the environment server: it is specialized, answers, and ends with SIGTERM`,
    { timeout: 120_000 },
    async () => {
      await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-environment-'));
      const [file, code] = FUNCTIONS[language];
      await writeFile(join(dir.path, file), code);
      const socketPath = join(dir.path, 'socket');
      const child = spawn(
        process.execPath,
        [MAIN, 'environment', language, '--codepath', join(dir.path, file)],
        {
          env: { ...process.env, SPOOR_SOCKET: socketPath, USERFUNCVOL: dir.path },
          stdio: ['ignore', 'ignore', 'inherit'],
        },
      );
      await using _end = { [Symbol.asyncDispose]: async () => void child.kill('SIGKILL') };
      const specialized = await untilAnswered(socketPath);
      assert.ok(specialized < 300, `specialize answered ${specialized}`);
      assert.deepEqual(await ask(socketPath, 'GET', '/'), { status: 200, body: `hello from ${language}` });
      child.kill('SIGTERM');
      assert.deepEqual(await once(child, 'exit'), [0, null]);
    },
  );

/** The server listens some time after its process was started. The status of `POST /specialize`. */
async function untilAnswered(socketPath: string): Promise<number> {
  for (;;) {
    try {
      return (await ask(socketPath, 'POST', '/specialize')).status;
    } catch {
      await sleep(50);
    }
  }
}

async function ask(
  socketPath: string,
  method: string,
  path: string,
): Promise<{ status: number; body: string }> {
  const asked = request({ socketPath, method, path, agent: false });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await text(response) };
}
