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

void test('each try tells how its own invocation ended, in whatever order spans come', () => {
  const order = ['r', 'i', 'g', 'send', 'process', 'i1', 'i2', 'f1', 'f2'];
  const spans = order.flatMap((id) => flow.spans.filter(({ spanId }) => spanId === id));
  const killed = { error: true, statusMessage: 'killed by SIGKILL', endReason: 'signal' };
  const { steps } = journeyOf({
    ...flow,
    spans: spans.map((each) => (each.spanId === 'f1' ? { ...each, ...killed } : each)),
  });
  assert.deepEqual(
    steps
      .find(({ title }) => title === 'image')
      ?.tries.map(({ span: { spanId }, reason }) => [spanId, reason]),
    [
      ['f1', 'killed by SIGKILL'],
      ['f2', ''],
    ],
  );
});

void test('a batch is one step of all its records, and only what went wrong in it stands behind', () => {
  const records = ['a', 'b', 'c'];
  const batch: FlowJson = {
    ...flow,
    spans: [
      ...records.map((id) => span(`send ${id}`, '', 'producer', 'sender', 'send work')),
      ...records.map((id) =>
        span(`of ${id}`, `send ${id}`, 'consumer', 'trigger', 'process work', {
          error: id === 'b',
          statusMessage: id === 'b' ? 'no such name' : '',
        }),
      ),
      span('batch', 'send c', 'consumer', 'trigger', 'process work'),
      span('dead', 'of b', 'producer', 'trigger', 'send work-errors'),
      span('call', 'batch', 'client', 'trigger', 'invoke batcher', { attempt: 1 }),
    ],
    edges: records.flatMap((id, i) => {
      const sent = {
        ...message,
        from: ref(`send ${id}`),
        topic: 'work',
        offset: String(i),
        consumerGroup: 'g',
      };
      return [
        { ...sent, to: ref('batch'), shape: 'link' as const },
        { ...sent, to: ref(`of ${id}`) },
        { ...message, from: ref('batch'), to: ref(`of ${id}`), kind: 'link' as const, topic: '' },
      ];
    }),
  };
  const { steps, ways } = journeyOf(batch);
  assert.deepEqual(
    steps.map(({ kind, title, note, causeId }) => [kind, title, note, causeId]),
    [
      ['record', 'work', '0/0', ''],
      ['record', 'work', '0/1', ''],
      ['record', 'work', '0/2', ''],
      ['function', 'batcher', '3 records, g', 't/send c'],
      ['outcome', 'work', '0/1', 't/batch'],
      ['record', 'work-errors', '', 't/of b'],
    ],
  );
  assert.deepEqual(
    ways.map(({ from, to }) => `${from} > ${to}`),
    ['t/send a > t/batch', 't/send b > t/batch', 't/batch > t/of b', 't/send c > t/batch', 't/of b > t/dead'],
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
