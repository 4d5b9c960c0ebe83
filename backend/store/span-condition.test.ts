import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SPAN_KIND, STATUS_CODE } from '../../function/span/span-data.ts';
import { openStore } from './open-store.ts';
import type { SpanCondition, SpanTest, TraceQuery } from './store.ts';
import { NOON, span, temporaryFolder, traceIdOf } from './testing.ts';

const RANGE = { startUnixNano: NOON - 1_000_000_000_000n, endUnixNano: NOON + 1_000_000_000_000n };
const is = (field: string, operator: '=' | 'prefix' | '<' | '<=' | '>' | '>=', value: string): SpanTest => ({
  kind: 'test',
  field,
  operator,
  value,
});
const has = (field: string): SpanTest => ({ kind: 'test', field, operator: 'exists' });
const not = (condition: SpanCondition): SpanCondition => ({ kind: 'not', condition });
const any = (...all: SpanCondition[]): SpanCondition => ({ kind: 'or', all });
const both = (...all: SpanCondition[]): SpanCondition => ({ kind: 'and', all });

void test('conditions with or, not, comparison and prefix, over what a span and its resource say', async (t) => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const traces = {
    fast: span({ attributes: { 'http.route': '/x/1', size: 10n, empty: '' } }),
    slow: span({
      name: 'POST',
      endTimeUnixNano: NOON + 900_000_000n,
      attributes: { 'http.route': '/y', size: 200n, ratio: 0.5 },
    }),
    failed: span({
      kind: SPAN_KIND.client,
      status: { code: STATUS_CODE.error, message: 'no such card' },
      resource: { 'service.name': 'image', 'host.name': 'b2', 'host.cores': 8n },
      attributes: { size: '1e3' },
      events: [
        {
          timeUnixNano: NOON,
          name: 'exception',
          attributes: { 'exception.type': 'TypeError' },
          droppedAttributesCount: 0,
        },
      ],
    }),
  };
  await store.writer.writeSpans(Object.values(traces));

  const cases: readonly (readonly [string, SpanCondition, readonly (keyof typeof traces)[]])[] = [
    ['service', is('service', '=', 'image'), ['failed']],
    ['service prefix', is('service', 'prefix', 'gree'), ['fast', 'slow']],
    ['or', any(is('name', '=', 'POST'), has('error')), ['slow', 'failed']],
    ['not of what is not there', not(is('http.route', 'prefix', '/x')), ['slow', 'failed']],
    ['and not', both(has('http.route'), not(is('http.route', 'prefix', '/x'))), ['slow']],
    ['duration', is('duration', '>=', '900000000'), ['slow']],
    ['numbers of any type', is('size', '>', '100'), ['slow', 'failed']],
    ['numbers, at most', is('size', '<=', '10'), ['fast']],
    ['a double', is('ratio', '<', '0.6'), ['slow']],
    ['not a number', not(is('http.route', '>', '0')), ['fast', 'slow', 'failed']],
    ['a value that is empty', is('empty', '=', ''), ['fast']],
    ['a resource', is('host.name', 'prefix', 'b'), ['failed']],
    ['a number of the resource', is('resource.host.cores', '>', '4'), ['failed']],
    ['not a resource', not(is('resource.host.name', '=', 'b2')), ['fast', 'slow']],
    ['kind', is('kind', '=', 'client'), ['failed']],
    ['status message', is('status.message', 'prefix', 'no such'), ['failed']],
    ['an event', is('exception.type', '=', 'TypeError'), ['failed']],
    ['an empty and', both(), ['fast', 'slow', 'failed']],
    ['an empty or', any(), []],
    ['text that would end a literal', is("x'", '=', "' OR 1=1 --"), []],
    ['a key that would end a literal', not(has("'] = '' OR 1 -- ")), ['fast', 'slow', 'failed']],
  ];
  for (const [name, where, expected] of cases)
    await t.test(name, async () => {
      const found = await store.reader.findTraceIds({ range: RANGE, attributes: {}, where, limit: 10 });
      const names = Object.entries(traces).flatMap(([key, { traceId }]) =>
        found.some((each) => each.traceId === traceId) ? [key] : [],
      );
      assert.deepEqual(names.sort(), [...expected].sort());
    });

  for (const [name, where] of [
    ['a word that is no kind', is('kind', '=', 'klient')],
    ['a duration that is none', is('duration', '>', "1' OR 1")],
    ['a number that is none', is('size', '>', '1 OR 1')],
    ['too many tests', any(...Array.from({ length: 65 }, () => has('error')))],
    [
      'nested too deep',
      Array.from({ length: 40 }).reduce<SpanCondition>((inner) => not(inner), has('error')),
    ],
  ] as const)
    await t.test(`refused: ${name}`, async () => {
      await assert.rejects(store.reader.findTraceIds({ range: RANGE, attributes: {}, where, limit: 10 }), {
        reason: 'bad_request',
      });
    });
});

void test('pages of a search hold each trace once, whatever comes in between them', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  // Three start at each moment, so that the id must tell them apart.
  const first = Array.from({ length: 30 }, (_, i) => span({ startTimeUnixNano: NOON + BigInt(i % 10) }));
  await store.writer.writeSpans(first);
  await pastMillisecond();
  const receivedUntilMs = Date.now();
  await pastMillisecond();

  const seen: string[] = [];
  let after: TraceQuery['after'];
  for (let page = 0; ; page += 1) {
    const found = await store.reader.findTraceIds({
      range: RANGE,
      attributes: {},
      limit: 7,
      receivedUntilMs,
      ...(after ? { after } : {}),
    });
    seen.push(...found.map(({ traceId }) => traceId));
    after = found.at(-1);
    if (found.length < 7) break;
    assert.ok(page < 10, 'it comes to an end');
    // New traces everywhere, and later spans of those that are still to come: they must neither push one out nor show it twice.
    await store.writer.writeSpans([
      span({ startTimeUnixNano: NOON + BigInt(page), traceId: traceIdOf() }),
      ...first.map(({ traceId }) => span({ traceId, startTimeUnixNano: NOON + 100n })),
    ]);
  }
  assert.deepEqual(seen.toSorted(), first.map(({ traceId }) => traceId).sort());
});

void test('how late a trace came is the least of its spans', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const now = BigInt(Date.now()) * 1_000_000n;
  const traceId = traceIdOf();
  const ended = (agoMs: bigint) =>
    span({
      traceId,
      startTimeUnixNano: now - (agoMs + 5n) * 1_000_000n,
      endTimeUnixNano: now - agoMs * 1_000_000n,
    });
  await store.writer.writeSpans([ended(90_000n), ended(60_000n)]);
  const lag = (await store.reader.arrivalLag(traceId)) ?? 0n;
  assert.ok(lag >= 60_000_000_000n && lag < 90_000_000_000n, String(lag));
  assert.equal(await store.reader.arrivalLag(traceIdOf()), undefined);
});

async function pastMillisecond(): Promise<void> {
  const from = Date.now();
  while (Date.now() <= from) await new Promise((done) => setTimeout(done, 1));
}
