import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { Command } from 'commander';
import { startQuery } from '../backend/query/query.ts';
import { greeting, greetingLogs } from '../backend/query/test/greetings.ts';
import { memoryReader } from '../backend/query/test/memory-reader.ts';
import { listen } from '../server/listen.ts';
import { silentLog } from '../server/log.ts';
import { askQuery } from './ask-query.ts';
import { createCliContext } from './context.ts';
import { createOutput } from './output.ts';
import { textOf } from './trace/text-of.ts';
import { registerLog } from './verbs/fn-log.ts';

const NOW = BigInt(Date.now()) * 1_000_000n;

void test('a backend that wants a token gets it from SPOOR_TOKEN, and its absence is said', async () => {
  await using api = await startQuery({
    reader: memoryReader([]),
    port: 0,
    token: 'secret',
    log: silentLog(),
  });
  const ask = () => askQuery<{ data: unknown[] }>(api.url, '/api/services', 'cannot list services');
  await assert.rejects(ask(), { reason: 'unauthorized', message: /^cannot list services: .*SPOOR_TOKEN/ });
  process.env['SPOOR_TOKEN'] = 'secret';
  try {
    assert.deepEqual((await ask()).data, []);
  } finally {
    delete process.env['SPOOR_TOKEN'];
  }
});

void test('an address where something else answers, or nothing, is named', async () => {
  const server = createServer((_, response) => response.end('<html>'));
  const { url } = await listen(server, { port: 0 }, 'query');
  await assert.rejects(askQuery(url, '/api/services', 'cannot ask'), {
    message: `cannot ask: what ${url} answered (status 200) is no JSON. Is it the query API?`,
  });
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
  await assert.rejects(askQuery(url, '/api/services', 'cannot ask'), {
    reason: 'unavailable',
    message: `cannot reach the query API at ${url}: nothing answers there. \`spoor up\` starts it`,
  });
});

void test('fn log looks as far back as it is told, and shows as many lines as it is told', async () => {
  const ago = (seconds: bigint) => NOW - seconds * 1_000_000_000n;
  const logs = [
    ...greetingLogs(greeting(1, ago(9_000n), 'none')),
    ...greetingLogs(greeting(2, ago(10n), 'none')),
  ];
  await using api = await startQuery({ reader: memoryReader([], logs), port: 0, log: silentLog() });
  const name = textOf(logs[0]?.resource['service.name']);
  const count = async (...args: string[]) => {
    let out = '';
    const program = new Command('spoor').exitOverride();
    const write = (text: string | Uint8Array) => void (out += Buffer.from(text).toString());
    registerLog(
      program,
      createCliContext(() => ({ data: '' }), {
        env: { SPOOR_QUERY_URL: api.url },
        out: createOutput({ stdout: { write }, stderr: { write: () => {} } }),
      }),
    );
    await program.parseAsync(['node', 'spoor', 'log', '--name', name, ...args]);
    return out.split('\n').length - 1;
  };
  const recent = await count();
  assert.ok(recent > 0);
  assert.equal(await count('--since', '3h'), 2 * recent);
  assert.equal(await count('--since', '30s'), recent);
  assert.equal(await count('--recordcount', '1'), 1);
  assert.equal(await count('--recordcount', '0'), 0);
});
