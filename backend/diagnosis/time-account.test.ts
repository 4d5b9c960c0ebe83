import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { SPAN_KIND, type SpanData, type SpanKind } from '../../function/span/span-data.ts';
import { buildFlow } from './flow.ts';
import { sketch, sketchAll, type SpanSketch } from './test/spans.ts';
import { timeAccount, type TimeAccount } from './time-account.ts';

const { server, client, producer, consumer } = SPAN_KIND;

/** One greeting, 100 ms from request to answer and 340 ms end to end, each stage of another length. */
const GREETING: readonly SpanSketch[] = [
  { id: 'post', kind: server, service: 'router', at: [0, 100] },
  {
    id: 'invoke',
    parent: 'post',
    kind: client,
    service: 'router',
    at: [1, 98],
    attributes: { 'faas.invoked_name': 'greeter' },
  },
  {
    id: 'wait',
    name: 'wait for capacity',
    parent: 'invoke',
    service: 'executor',
    at: [2, 5],
    attributes: { 'faas.name': 'greeter' },
  },
  {
    id: 'start',
    name: 'start instance',
    parent: 'invoke',
    service: 'executor',
    at: [5, 12],
    attributes: { 'faas.name': 'greeter' },
  },
  {
    id: 'fetch',
    name: 'fetch package',
    parent: 'invoke',
    service: 'executor',
    at: [12, 16],
    attributes: { 'faas.name': 'greeter' },
  },
  {
    id: 'load',
    name: 'load function',
    parent: 'invoke',
    service: 'executor',
    at: [16, 25],
    attributes: { 'faas.name': 'greeter' },
  },
  { id: 'greeter', parent: 'invoke', kind: server, fn: 'greeter', at: [30, 90] },
  {
    id: 'get',
    parent: 'greeter',
    kind: client,
    fn: 'greeter',
    at: [40, 60],
    attributes: { 'server.address': 'db', 'server.port': 5432n },
  },
  {
    id: 'send',
    parent: 'greeter',
    kind: producer,
    fn: 'greeter',
    at: [70, 80],
    attributes: { 'messaging.destination.name': 'greetings' },
  },
  {
    id: 'process',
    parent: 'send',
    kind: consumer,
    service: 'trigger',
    at: [130, 340],
    attributes: { 'messaging.destination.name': 'greetings' },
    links: ['send'],
  },
  {
    id: 'try1',
    parent: 'process',
    kind: client,
    service: 'trigger',
    at: [132, 180],
    attributes: { 'faas.invoked_name': 'image', 'spoor.attempt': 1n },
    error: 'status 500',
  },
  { id: 'image1', parent: 'try1', kind: server, fn: 'image', at: [140, 170], error: 'boom' },
  {
    id: 'try2',
    parent: 'process',
    kind: client,
    service: 'trigger',
    at: [260, 330],
    attributes: { 'faas.invoked_name': 'image', 'spoor.attempt': 2n },
  },
  { id: 'image2', parent: 'try2', kind: server, fn: 'image', at: [265, 325] },
];

void test('each stage of a greeting has its own time, as the caller saw it', () => {
  assert.deepEqual(stagesOf(accountOf(sketchAll(GREETING), 'caller')), {
    'transfer greeter': 1 + 1 + 5,
    'wait for capacity greeter': 3,
    'start instance greeter': 7,
    'fetch package greeter': 4,
    'load function greeter': 9,
    'handler greeter': 60 - 20 - 10,
    'downstream call db:5432': 20,
    'downstream call greetings': 10,
    'response greeter': 8 + 2,
  });
});

void test('and end to end, over the queue, with the time between tries', () => {
  assert.deepEqual(stagesOf(accountOf(sketchAll(GREETING), 'end-to-end')), {
    'transfer greeter': 7,
    'wait for capacity greeter': 3,
    'start instance greeter': 7,
    'fetch package greeter': 4,
    'load function greeter': 9,
    'handler greeter': 20,
    'downstream call db:5432': 20,
    'downstream call greetings': 10,
    'queue wait greetings': 50,
    'transfer image': 2 + 8 + 5,
    'handler image': 30 + 60,
    'response image': 10 + 5 + 10,
    'retry back-off image': 80,
  });
});

void test('a try for which there was no room, and the wait after it, are throttle', () => {
  const account = accountOf(
    sketchAll([
      { id: 'process', kind: consumer, service: 'trigger', at: [0, 100] },
      {
        id: 'try1',
        parent: 'process',
        kind: client,
        service: 'trigger',
        at: [0, 10],
        attributes: { 'faas.invoked_name': 'image', 'spoor.reason': 'capacity_exceeded' },
        error: 'full',
      },
      {
        id: 'try2',
        parent: 'process',
        kind: client,
        service: 'trigger',
        at: [60, 100],
        attributes: { 'faas.invoked_name': 'image' },
      },
      { id: 'image', parent: 'try2', kind: server, fn: 'image', at: [60, 100] },
    ]),
    'end-to-end',
  );
  assert.deepEqual(stagesOf(account), { 'throttle image': 60, 'handler image': 40 });
});

void test('work at the same time is counted once', () => {
  const account = accountOf(
    sketchAll([
      { id: 'greeter', kind: server, fn: 'greeter', at: [0, 100] },
      {
        id: 'a',
        parent: 'greeter',
        kind: client,
        fn: 'greeter',
        at: [10, 90],
        attributes: { 'server.address': 'a' },
      },
      {
        id: 'b',
        parent: 'greeter',
        kind: client,
        fn: 'greeter',
        at: [20, 80],
        attributes: { 'server.address': 'b' },
      },
    ]),
    'caller',
  );
  assert.deepEqual(stagesOf(account), { 'handler greeter': 20, 'downstream call a': 80 });
});

void test('twelve delays, one at a time, each land in their own stage', () => {
  const delays: readonly (readonly [after: number, stage: string, reading: 'caller' | 'end-to-end'])[] = [
    [0.5, 'transfer greeter', 'caller'],
    [3, 'wait for capacity greeter', 'caller'],
    [6, 'start instance greeter', 'caller'],
    [13, 'fetch package greeter', 'caller'],
    [17, 'load function greeter', 'caller'],
    [35, 'handler greeter', 'caller'],
    [50, 'downstream call db:5432', 'caller'],
    [75, 'downstream call greetings', 'caller'],
    [99, 'response greeter', 'caller'],
    [110, 'queue wait greetings', 'end-to-end'],
    [150, 'handler image', 'end-to-end'],
    [200, 'retry back-off image', 'end-to-end'],
  ];
  for (const [after, stage, reading] of delays) {
    const before = stagesOf(accountOf(sketchAll(GREETING), reading));
    const shift = (ms: number) => (ms > after ? ms + 500 : ms);
    const late = GREETING.map((each) => sketch({ ...each, at: [shift(each.at[0]), shift(each.at[1])] }));
    assert.deepEqual(
      stagesOf(accountOf(late, reading)),
      { ...before, [stage]: (before[stage] ?? 0) + 500 },
      stage,
    );
  }
});

void test('for any forest of spans the stages sum to the wall time exactly, without gap or overlap', () => {
  fc.assert(
    fc.property(anyForest(), fc.constantFrom('caller', 'end-to-end'), (spans, reading) => {
      const account = accountOf(spans, reading);
      assert.equal(
        account.stages.reduce((total, stage) => total + stage.nano, 0n),
        account.wallNano,
      );
      let at = account.startUnixNano;
      for (const segment of account.segments) {
        assert.equal(segment.startUnixNano, at);
        assert.ok(segment.endUnixNano > at);
        at = segment.endUnixNano;
      }
      assert.equal(at, account.endUnixNano);
    }),
    { numRuns: 10_000 },
  );
});

void test('a record that its own batch caused ends the walk', () => {
  const spans = [
    sketch({
      id: 'batch',
      kind: SPAN_KIND.consumer,
      at: [0, 10],
      attributes: { 'messaging.batch.message_count': 2n },
    }),
    sketch({
      id: 'invoke',
      parent: 'batch',
      kind: SPAN_KIND.client,
      at: [0, 10],
      attributes: { 'faas.invoked_name': 'f' },
    }),
    sketch({ id: 'record', parent: 'invoke', links: ['batch'], kind: SPAN_KIND.consumer, at: [0, 10] }),
  ];
  assert.equal(accountOf(spans, 'end-to-end').wallNano, 10_000_000n);
});

void test('a chain of 50,000 spans is walked', () => {
  const spans = Array.from({ length: 50_000 }, (_, i) =>
    sketch({ id: `s${i}`, ...(i === 0 ? {} : { parent: `s${i - 1}` }), at: [i / 1_000, 200 - i / 1_000] }),
  );
  const account = accountOf(spans, 'end-to-end');
  assert.equal(account.wallNano, 200_000_000n);
  assert.equal(account.segments.length, 99_999);
});

/** Any parents, any links, any kinds, any clocks; few distinct times, so that equal ones are frequent. */
function anyForest(): fc.Arbitrary<SpanData[]> {
  const span = fc.record({
    parent: fc.integer({ min: -1, max: 14 }),
    link: fc.integer({ min: -1, max: 14 }),
    trace: fc.constantFrom('t', 'u'),
    kind: fc.integer({ min: 0, max: 5 }),
    start: fc.integer({ min: -20, max: 20 }),
    length: fc.integer({ min: -3, max: 20 }),
    name: fc.constantFrom('work', 'load function', 'start instance'),
    invoked: fc.boolean(),
    isFunction: fc.boolean(),
    batch: fc.boolean(),
  });
  return fc.array(span, { minLength: 1, maxLength: 15 }).map((all) =>
    all.map((each, i) =>
      sketch({
        id: `s${i}`,
        trace: each.trace,
        name: each.name,
        kind: each.kind as SpanKind,
        at: [each.start, each.start + each.length],
        ...(each.parent >= 0 ? { parent: `s${each.parent}` } : {}),
        ...(each.link >= 0 ? { links: [`${all[each.link]?.trace ?? 't'}:s${each.link}`] } : {}),
        ...(each.isFunction ? { fn: 'f' } : {}),
        attributes: {
          ...(each.invoked ? { 'faas.invoked_name': 'f' } : {}),
          ...(each.batch ? { 'messaging.batch.message_count': 2n } : {}),
        },
      }),
    ),
  );
}

function accountOf(spans: readonly SpanData[], reading: 'caller' | 'end-to-end'): TimeAccount {
  const { roots } = buildFlow(spans);
  return timeAccount(reading === 'caller' ? roots.slice(0, 1) : roots, reading);
}

/** `stage owner` → ms */
function stagesOf(account: TimeAccount): Record<string, number> {
  return Object.fromEntries(
    account.stages.map(({ stage, owner, nano }) => [`${stage} ${owner}`, Number(nano) / 1e6]),
  );
}
