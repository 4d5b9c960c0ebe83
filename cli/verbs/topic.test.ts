import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Command } from 'commander';
import { openEmbeddedLog } from '../../platform/queue/embedded-log.ts';
import { topicsHandler } from '../../platform/queue/topics-http.ts';
import { recordedTracing } from '../../platform/trigger/test/recorded-tracing.ts';
import { listen } from '../../server/listen.ts';
import { closeHttpServer } from '../../server/stop.ts';
import { createCliContext } from '../context.ts';
import { createOutput } from '../output.ts';
import { register } from './topic.ts';

void test('a record keeps its key, headers and value in any script', async () => {
  await using after = new AsyncDisposableStack();
  const dir = after.use(await mkdtempDisposable(join(tmpdir(), 'spoor-topic-')));
  const queue = after.use(await openEmbeddedLog({ path: join(dir.path, 'topics.db') }));
  const handle = topicsHandler({ queue, tracing: recordedTracing().tracing });
  const server = createServer((request, response) => void handle(request, response));
  const { url } = await listen(server, { port: 0 }, 'queue');
  after.defer(() => closeHttpServer(server));
  const run = async (...args: readonly string[]) => {
    let out = '';
    const program = new Command('spoor').option('--server <url>').enablePositionalOptions().exitOverride();
    const write = (text: string | Uint8Array) => void (out += Buffer.from(text).toString());
    const output = createOutput({ stdout: { write }, stderr: { write: () => {} } });
    register(
      program,
      createCliContext(() => ({ data: '', server: url }), { out: output }),
    );
    await program.parseAsync(['topic', ...args], { from: 'user' });
    return out;
  };

  const headers = { lang: 'ру', plain: 'a b', имя: 'é', empty: '' };
  await run(
    'publish',
    'names',
    '--key',
    'ключ é',
    '--body',
    'Ада\n',
    ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}=${value}`]),
  );
  const [record] = JSON.parse(await run('peek', 'names', '-o', 'json')) as {
    key: string;
    value: string;
    headers: [string, string][];
  }[];
  assert.equal(record?.key, 'ключ é');
  assert.equal(record.value, 'Ада\n');
  const { traceparent, ...others } = Object.fromEntries(record.headers);
  assert.ok(traceparent);
  assert.deepEqual(others, headers);
  await assert.rejects(run('publish', 'names', '--header', 'traceparent=ру', '--body', ''), {
    message: /cannot send "ру" as traceparent/,
  });
});
