import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlowEdgeJson, FlowJson, FlowSpanJson } from '../../../backend/query/shapes.ts';
import { layOutJourney } from './journey-layout.ts';
import { journeyOf } from './journey.ts';

const ref = (spanId: string) => ({ traceId: 't', spanId });
const span = (
  spanId: string,
  cause: string,
  kind: string,
  service: string,
  name: string,
  over: Partial<FlowSpanJson> = {},
): FlowSpanJson => ({
  ...ref(spanId),
  parentSpanId: cause,
  cause: cause === '' ? null : ref(cause),
  depth: 0,
  service,
  name,
  kind,
  startUnixNano: '1000',
  endUnixNano: '2000',
  error: false,
  statusMessage: '',
  unfinished: false,
  endReason: '',
  function: '',
  version: '',
  instance: '',
  coldStart: false,
  attempt: 0,
  ...over,
});
const message: FlowEdgeJson = {
  from: ref('send'),
  to: ref('process'),
  kind: 'message',
  shape: 'both',
  waitNano: '5000000',
  clockSkew: false,
  topic: 'greetings',
  partition: '0',
  offset: '3',
  consumerGroup: 'default/cards',
};
const flow: FlowJson = {
  traceId: 't',
  traceIds: ['t'],
  startUnixNano: '1000',
  endUnixNano: '2000',
  durationNano: '1000',
  spanCount: 11,
  errorSpanCount: 1,
  truncated: false,
  settled: true,
  waitingFor: [],
  spans: [
    span('r', '', 'server', 'router', 'POST /greetings'),
    span('i', 'r', 'client', 'router', 'invoke greeter', { attempt: 1 }),
    span('g', 'i', 'server', 'greeter', 'greeter', { function: 'greeter' }),
    span('send', 'g', 'producer', 'greeter', 'send greetings'),
    span('process', 'send', 'consumer', 'trigger', 'process greetings'),
    span('i1', 'process', 'client', 'trigger', 'invoke image', { attempt: 1, error: true }),
    span('f1', 'i1', 'server', 'image', 'image', {
      function: 'image',
      error: true,
      unfinished: true,
      endReason: 'oom',
    }),
    span('i2', 'process', 'client', 'trigger', 'invoke image', { attempt: 2 }),
    span('f2', 'i2', 'server', 'image', 'image', { function: 'image', coldStart: true }),
    span('out', 'process', 'producer', 'trigger', 'send cards'),
    span('x', 'f2', 'server', 'fonts', 'GET /fonts'),
  ],
  edges: [message],
};

void test('a flow becomes what came in, functions with their tries, and the records between them', () => {
  const { steps, ways } = journeyOf(flow);
  assert.deepEqual(
    steps.map(({ kind, title, note, tries, isError }) => [kind, title, note, tries.length, isError]),
    [
      ['entry', 'POST /greetings', '', 0, false],
      ['function', 'greeter', '', 1, false],
      ['record', 'greetings', '0/3', 0, false],
      ['function', 'image', 'default/cards', 2, false],
      ['record', 'cards', '', 0, false],
      ['service', 'fonts', '', 0, false],
    ],
  );
  const image = steps[3];
  assert.deepEqual(
    image?.tries.map(({ span: { spanId }, isError, reason }) => [spanId, isError, reason]),
    [
      ['f1', true, 'oom'],
      ['f2', false, ''],
    ],
  );
  assert.equal(image?.isCold, true);
  assert.deepEqual(
    ways.filter(({ isMessage }) => isMessage).map(({ from, to, waitNanos }) => [from, to, waitNanos]),
    [['t/send', 't/process', 5_000_000]],
  );
});

void test('no two steps lie on each other, and every effect stands right of its cause', () => {
  const many = Array.from({ length: 40 }, (_, i) =>
    span(`s${i}`, 'g', 'producer', 'greeter', i % 2 ? 'send a' : 'send b'),
  );
  const journey = journeyOf({ ...flow, spans: [...flow.spans, ...many] });
  const { steps } = layOutJourney(journey.steps, journey.ways);
  assert.equal(steps.filter(({ moreAlike }) => moreAlike === 14).length, 2);
  const byId = new Map(steps.map((placed) => [placed.step.id, placed]));
  for (const a of steps) {
    const cause = byId.get(a.step.causeId);
    if (cause) assert.ok(cause.x < a.x);
    for (const b of steps)
      if (a !== b && a.x === b.x)
        assert.ok(a.y + a.height <= b.y || b.y + b.height <= a.y, `${a.step.id} ${b.step.id}`);
  }
});

void test('a record that was sent back from its dead letters stands behind them', () => {
  const { steps } = journeyOf({
    ...flow,
    spans: [
      ...flow.spans,
      span('dead', 'process', 'producer', 'trigger', 'send greetings-errors'),
      span('again', 'dead', 'producer', 'queue', 'send greetings', { parentSpanId: '' }),
    ],
  });
  const again = steps.find(({ id }) => id === 't/again');
  assert.deepEqual([again?.kind, again?.note, again?.causeId], ['record', 'sent back', 't/dead']);
});
