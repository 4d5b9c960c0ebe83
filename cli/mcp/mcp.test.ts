import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { startQuery } from '../../backend/query/query.ts';
import type {
  FlowJson,
  FunctionsJson,
  LogsJson,
  MessagesJson,
  SearchJson,
  WhyJson,
} from '../../backend/query/shapes.ts';
import { greeting, greetingLogs } from '../../backend/query/test/greetings.ts';
import { memoryReader } from '../../backend/query/test/memory-reader.ts';
import { silentLog } from '../../server/log.ts';

const now = BigInt(Date.now()) * 1_000_000n;
const crashed = greeting(2, now - 20_000_000_000n, 'crash');
const spans = [...greeting(1, now - 40_000_000_000n, 'none'), ...crashed];
const traceId = crashed[0]?.traceId ?? '';

describe('spoor mcp, as a client of the protocol sees it', { timeout: 60_000 }, () => {
  const cleanup = new AsyncDisposableStack();
  const client = new Client({ name: 'test', version: '1' });
  before(async () => {
    const logs = greetingLogs(spans);
    const api = cleanup.use(
      await startQuery({ reader: memoryReader(spans, logs), port: 0, log: silentLog() }),
    );
    await client.connect(
      new StdioClientTransport({
        command: process.execPath,
        args: [join(import.meta.dirname, '../main.ts'), 'mcp'],
        env: { ...(process.env as Record<string, string>), SPOOR_QUERY_URL: api.url },
      }),
    );
    cleanup.defer(() => client.close());
  });
  after(() => cleanup[Symbol.asyncDispose]());

  async function call<Body>(name: string, args: Record<string, unknown> = {}): Promise<Body> {
    const { structuredContent, content, isError } = await client.callTool({ name, arguments: args });
    assert.notEqual(isError, true, JSON.stringify(content));
    return structuredContent as Body;
  }

  test('its tools change nothing, and say what they take', async () => {
    const { tools } = await client.listTools();
    assert.deepEqual(
      tools.map(({ name }) => name),
      ['search_traces', 'get_trace', 'why', 'flow', 'functions', 'logs', 'messages'],
    );
    for (const tool of tools) {
      assert.equal(tool.annotations?.readOnlyHint, true);
      assert.ok((tool.description ?? '').length > 20);
    }
  });

  test('from what failed to why, with the spans it rests on', async () => {
    const { traces } = await call<SearchJson>('search_traces', { query: 'service:image error' });
    assert.deepEqual(
      traces.map((trace) => trace.traceId),
      [traceId],
    );
    const why = await call<WhyJson>('why', { traceId });
    // Its next try made it good; why the first one failed is known all the same.
    assert.equal(why.causes[0]?.kind, 'killed');
    const known = new Set(crashed.map(({ spanId }) => spanId));
    for (const { spans: cited } of why.causes[0]?.sentences ?? []) {
      assert.ok(cited.length > 0);
      for (const { spanId } of cited) assert.ok(known.has(spanId));
    }
    const trace = await call<{ spanCount: number; spans: { error: boolean }[] }>('get_trace', { traceId });
    assert.equal(trace.spanCount, crashed.length);
    assert.ok(trace.spans.some(({ error }) => error));
    assert.equal((await call<FlowJson>('flow', { traceId })).spanCount, crashed.length);
  });

  test('functions, one function, log lines and messages', async () => {
    const { functions } = await call<FunctionsJson>('functions');
    assert.ok(functions.some(({ name }) => name === 'greeter'));
    await call('functions', { name: 'greeter' });
    const { logs } = await call<LogsJson>('logs', { traceId, limit: 3 });
    assert.ok(logs.length > 0 && logs.every((log) => log.traceId === traceId));
    const { messages } = await call<MessagesJson>('messages', { topic: 'greetings' });
    assert.ok(messages.length > 0);
  });

  for (const [name, args, message] of [
    ['why', { traceId: 'f'.repeat(32) }, /trace not found/],
    ['why', {}, /cannot do without a traceId/],
    ['search_traces', { query: 'a AND' }, /cannot read the query at character 6/],
    ['search_traces', { minutes: 'many' }, /cannot look back \["many"\] minutes/],
    ['functions', { name: 'nobody' }, /cannot find function \[nobody\]/],
    ['logs', { text: { a: 1 } }, /cannot use \[\{"a":1\}\] as text/],
    ['nonsense', {}, /there is no tool \[nonsense\]/],
  ] as const)
    test(`${name} ${JSON.stringify(args)} says what is wrong`, async () => {
      const { isError, content } = await client.callTool({ name, arguments: args });
      assert.equal(isError, true);
      assert.match(JSON.stringify(content).replaceAll('\\"', '"'), message);
    });
});
