import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { startQuery } from '../../backend/query/query.ts';
import { greeting } from '../../backend/query/test/greetings.ts';
import { memoryReader } from '../../backend/query/test/memory-reader.ts';
import { silentLog } from '../../server/log.ts';
import { createCliContext } from '../context.ts';
import type { Output } from '../output.ts';
import { register } from './verbs.ts';

void test('spoor trace search lists what the query finds, and says where a query is wrong', async () => {
  const now = BigInt(Date.now()) * 1_000_000n;
  const crashed = greeting(2, now - 20_000_000_000n, 'crash');
  const spans = [...greeting(1, now - 40_000_000_000n, 'none'), ...crashed];
  await using server = await startQuery({ reader: memoryReader(spans), port: 0, log: silentLog() });
  const listed: unknown[] = [];
  const out = { list: (rows: readonly unknown[]) => listed.push(...rows) } as unknown as Output;
  const run = async (...args: string[]) => {
    const program = new Command('spoor').exitOverride();
    register(
      program,
      createCliContext(() => ({ data: '' }), { env: { SPOOR_QUERY_URL: server.url }, out }),
    );
    await program.parseAsync(['node', 'spoor', 'trace', ...args]);
  };

  await run('search', '--query', 'service:image (error OR duration>10s)');
  assert.deepEqual(
    listed.map((row) => {
      const { traceId, root, spans: count } = row as Record<string, string>;
      return { traceId, root, count };
    }),
    [{ traceId: crashed[0]?.traceId, root: 'router: POST /greetings', count: String(crashed.length) }],
  );
  await assert.rejects(run('search', '--query', 'error AND ('), {
    message: /cannot search: cannot read the query at character 12 \(its end\)/,
  });
});
