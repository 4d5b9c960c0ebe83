import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../server/log.ts';
import { openStore } from '../store/open-store.ts';
import { startQuery } from './query.ts';
import { parseSearchQuery } from './search-query.ts';
import type { SearchCountsJson, SearchJson } from './shapes.ts';
import { greeting } from './test/greetings.ts';
import { memoryReader } from './test/memory-reader.ts';

const equal = (field: string, value: string) => ({ kind: 'test', field, operator: '=', value });
const has = (field: string) => ({ kind: 'test', field, operator: 'exists' });

const READ: readonly (readonly [string, unknown])[] = [
  ['service:greeter', equal('service', 'greeter')],
  ['error', has('error')],
  ['a=b', equal('a', 'b')],
  ['a!=b', { kind: 'not', condition: equal('a', 'b') }],
  ['http.route:/x*', { kind: 'test', field: 'http.route', operator: 'prefix', value: '/x' }],
  ['a:*', has('a')],
  ['a:"x*"', equal('a', 'x*')],
  ['a:"x "*', { kind: 'test', field: 'a', operator: 'prefix', value: 'x ' }],
  ['"a key":"a \\"value\\" \\\\"', equal('a key', 'a "value" \\')],
  ['url.full:http://h:1/?a=b', equal('url.full', 'http://h:1/?a=b')],
  ['duration>200ms', { kind: 'test', field: 'duration', operator: '>', value: '200000000' }],
  ['size<=1.5e3', { kind: 'test', field: 'size', operator: '<=', value: '1.5e3' }],
  ['a b', { kind: 'and', all: [has('a'), has('b')] }],
  ['a and b', { kind: 'and', all: [has('a'), has('b')] }],
  ['a OR b c', { kind: 'or', all: [has('a'), { kind: 'and', all: [has('b'), has('c')] }] }],
  ['(a OR b) c', { kind: 'and', all: [{ kind: 'or', all: [has('a'), has('b')] }, has('c')] }],
  ['NOT a', { kind: 'not', condition: has('a') }],
  ['NOT NOT a', has('a')],
  ['order:1', equal('order', '1')],
  ['  ( a )  ', has('a')],
];
for (const [text, condition] of READ)
  void test(`read: ${text}`, () => assert.deepEqual(parseSearchQuery(text), condition));

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['a AND', /character 6 \(its end\): here should be a key/],
  ['(a', /a bracket is not closed/],
  ['a)', /character 2 \[\)\]: there is no bracket to close/],
  ['a:', /here should be a value for a/],
  [':b', /here should be a key/],
  ['a:"b', /a quote is not closed/],
  ['a OR OR b', /here should be a test/],
  ['size>big', /\[big\] is no number/],
  ['duration>fast', /\[fast\] is no duration/],
  [`${'('.repeat(40)}a${')'.repeat(40)}`, /brackets may be 16 deep/],
  ['a '.repeat(3_000), /the limit is 4000/],
];
for (const [text, message] of REFUSED)
  void test(`refused: ${text.slice(0, 30)}`, () => {
    assert.throws(() => parseSearchQuery(text), { reason: 'bad_request', message });
  });

const now = BigInt(Date.now()) * 1_000_000n;
const traces = (['none', 'crash', 'slow', 'error', 'none', 'none'] as const).map((fault, i) =>
  greeting(i + 1, now - BigInt(60 - i * 5) * 1_000_000_000n, fault),
);
const QUERIES = [
  '',
  'service:greeter',
  'service:greeter AND (error OR duration>200ms)',
  'error',
  'service:image error',
  'service:image NOT error',
  'kind:producer',
  'NOT service:router',
  'http.route:/v*',
  'spoor.attempt>=2',
  'card.width:2400 card.scale<2',
  'service:validator duration>=1s',
  'spoor.unfinished OR (service:validator duration>1s)',
  `service:"a' OR 1=1 --"`,
  `"x'] OR 1=1":"'; DROP TABLE spans; --"`,
];

void test('a search over HTTP: over the real store as over a list of spans, and in pages that are one list', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'spoor-search-'));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rm(dataDir, { recursive: true, force: true }));
  const log = silentLog();
  const store = cleanup.use(await openStore({ dataDir, log }));
  await store.writer.writeSpans(traces.flat());
  const real = cleanup.use(await startQuery({ reader: store.reader, port: 0, log }));
  const plain = cleanup.use(await startQuery({ reader: memoryReader(traces.flat()), port: 0, log }));

  for (const q of QUERIES)
    await t.test(q === '' ? 'everything' : q, async () => {
      const found = await ask(real.url, { q });
      assert.deepEqual(found.traces, (await ask(plain.url, { q })).traces);
      assert.equal(found.nextCursor, null);
      const paged: string[] = [];
      let cursor: string | null = null;
      do {
        const page: SearchJson = await ask(real.url, { q, limit: '2', ...(cursor ? { cursor } : {}) });
        paged.push(...page.traces.map(({ traceId }) => traceId));
        cursor = page.nextCursor;
        assert.ok(paged.length <= traces.length);
      } while (cursor !== null);
      assert.deepEqual(
        paged,
        found.traces.map(({ traceId }) => traceId),
      );
      const window = { q, endTs: String(now / 1_000_000n + 60_000n), lookback: '600000', bins: '20' };
      const counts = await countsOf(real.url, window);
      assert.deepEqual(counts, await countsOf(plain.url, window));
      assert.equal(counts.traces, found.traces.length);
    });

  await t.test('what comes in after the first page is on none, and pushes nothing out', async () => {
    const first = await ask(real.url, { q: 'service:router', limit: '3' });
    await store.writer.writeSpans([
      ...greeting(9, now - 30_000_000_000n, 'none'),
      ...greeting(10, now - 5_000_000_000n, 'none'),
    ]);
    const second = await ask(real.url, { q: 'service:router', limit: '10', cursor: first.nextCursor ?? '' });
    assert.deepEqual(
      [...first.traces, ...second.traces].map(({ traceId }) => traceId),
      traces.map(([span]) => span?.traceId).toReversed(),
    );
  });

  const { nextCursor } = await ask(real.url, { q: 'service:router', limit: '1' });
  for (const [params, message] of [
    [{ q: 'a AND' }, /cannot read the query at character 6/],
    [{ q: 'kind:klient' }, /cannot search for kind \[klient\]/],
    [{ cursor: "' OR 1" }, /unable to parse param 'cursor'/],
    [{ cursor: Buffer.from('["","1","2","3","4","; DROP"]').toString('base64url') }, /param 'cursor'/],
    [{ q: 'error', cursor: nextCursor ?? '' }, /the cursor is of the query \[service:router\]/],
    [{ limit: '0' }, /unable to parse param 'limit'/],
  ] as const)
    await t.test(`refused: ${JSON.stringify(params)}`, async () => {
      const response = await fetch(`${real.url}/api/search?${new URLSearchParams(params).toString()}`);
      assert.equal(response.status, 400);
      assert.match(await response.text(), message);
    });
});

async function countsOf(url: string, params: Record<string, string>): Promise<SearchCountsJson> {
  const response = await fetch(`${url}/api/search/counts?${new URLSearchParams(params).toString()}`);
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as SearchCountsJson;
}

async function ask(url: string, params: Record<string, string>): Promise<SearchJson> {
  const response = await fetch(`${url}/api/search?${new URLSearchParams(params).toString()}`);
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as SearchJson;
}
