import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { buildFlow, isMessage, withGroups, type Flow } from './flow.ts';
import { serviceMap } from './service-map.ts';
import { sketch, sketchAll, type SpanSketch } from './test/spans.ts';
import { timeAccount } from './time-account.ts';

const { server, client, producer, consumer } = SPAN_KIND;

void test('a message is one edge with its wait, as a child, by link, or both', () => {
  for (const [shape, how] of [
    ['parent', { parent: 'send' }],
    ['link', { trace: 'u', links: ['t:send'] }],
    ['both', { parent: 'send', links: ['send'] }],
  ] as const) {
    const { edges, roots } = buildFlow([
      sketch({
        id: 'send',
        kind: producer,
        at: [0, 5],
        attributes: { 'messaging.destination.name': 'cards', 'messaging.kafka.offset': 7n },
      }),
      sketch({
        id: 'process',
        kind: consumer,
        at: [12, 20],
        attributes: { 'messaging.consumer.group.name': 'g' },
        ...how,
      }),
    ]);
    const [edge] = edges;
    assert.equal(edges.length, 1);
    assert.equal(roots.length, 1);
    assert.deepEqual(
      [edge?.kind, edge?.shape, edge?.waitNano, edge?.topic, edge?.offset, edge?.consumerGroup],
      ['message', shape, 7_000_000n, 'cards', '7', 'g'],
    );
  }
});

void test('any workload gives the same causes, waits, map, counts, account and path as parents and as links', () => {
  fc.assert(
    fc.property(anyWorkload(), (records) => {
      const parents = summaryOf(buildFlow(workload(records, 'parent')));
      const links = summaryOf(buildFlow(workload(records, 'links')));
      assert.deepEqual(links, parents);
    }),
    { numRuns: 1_000 },
  );
});

void test('a record of a batch stands below what sent it, and shares what the batch ran', () => {
  const sends = [0, 1, 2].map((i) =>
    sketch({ trace: `t${i}`, id: `send${i}`, kind: producer, at: [i, i + 1] }),
  );
  const batch = sketch({
    trace: 'b',
    id: 'batch',
    kind: consumer,
    at: [10, 50],
    links: ['t0:send0', 't1:send1', 't2:send2'],
    attributes: { 'messaging.batch.message_count': 3n },
  });
  const invoke = sketch({
    trace: 'b',
    id: 'invoke',
    parent: 'batch',
    kind: client,
    at: [12, 48],
    attributes: { 'faas.invoked_name': 'image' },
  });
  const image = sketch({
    trace: 'b',
    id: 'image',
    parent: 'invoke',
    kind: server,
    fn: 'image',
    at: [13, 47],
  });
  for (const shape of ['parent', 'links']) {
    const records = [0, 1, 2].map((i) =>
      shape === 'parent'
        ? sketch({
            trace: `t${i}`,
            id: `rec${i}`,
            parent: `send${i}`,
            kind: consumer,
            at: [10, 50],
            links: [`t${i}:send${i}`, 'b:batch'],
          })
        : sketch({
            trace: 'b',
            id: `rec${i}`,
            parent: 'batch',
            kind: consumer,
            at: [10, 50],
            links: [`t${i}:send${i}`],
          }),
    );
    const flow = buildFlow([...sends, batch, invoke, image, ...records]);
    const record = flow.nodes.find(({ span }) => span.name === 'rec0');
    assert.equal(record?.cause?.span.name, 'send0');
    assert.deepEqual(
      record?.shared.map(({ span }) => span.name),
      ['invoke'],
    );
    const root = flow.roots.find(({ span }) => span.name === 'send0');
    assert.ok(root);
    const stages = timeAccount([root], 'end-to-end').stages.map(({ stage, nano }) => [
      stage,
      Number(nano) / 1e6,
    ]);
    assert.deepEqual(Object.fromEntries(stages), {
      handler: 34,
      'queue wait': 9,
      transfer: 3,
      response: 3,
      'downstream call': 1,
    });
    assert.equal(
      flow.nodes.find(({ span }) => span.name === 'batch')?.cause?.span.name,
      'send2',
      'the last to be sent',
    );
  }
});

void test('a flow waits for the group that has not answered, and settles when it has', () => {
  const send = sketch({
    id: 'send',
    kind: producer,
    at: [0, 1],
    attributes: { 'messaging.destination.name': 'cards' },
  });
  const groupsByTopic = new Map([['cards', ['print']]]);
  const waiting = withGroups(buildFlow([send]), groupsByTopic);
  assert.equal(waiting.settled, false);
  assert.deepEqual(
    waiting.waitingFor.map(({ topic, consumerGroup }) => [topic, consumerGroup]),
    [['cards', 'print']],
  );
  const read = sketch({
    id: 'read',
    parent: 'send',
    kind: consumer,
    at: [5, 6],
    attributes: { 'messaging.destination.name': 'cards', 'messaging.consumer.group.name': 'print' },
  });
  assert.equal(withGroups(buildFlow([send, read]), groupsByTopic).settled, true);
});

void test('rings, spans that are their own parent, and doubled spans end', () => {
  const flow = buildFlow([
    sketch({ id: 'a', parent: 'c', at: [0, 1] }),
    sketch({ id: 'b', parent: 'a', at: [1, 2] }),
    sketch({ id: 'c', parent: 'b', at: [2, 3] }),
    sketch({ id: 'self', parent: 'self', at: [0, 1], links: ['self'] }),
    sketch({ id: 'self', parent: 'self', at: [0, 1] }),
  ]);
  assert.deepEqual(flow.nodes.map(({ span }) => span.name).sort(), ['a', 'b', 'c', 'self']);
  assert.equal(flow.nodes.find(({ span }) => span.name === 'a')?.cause, undefined);
});

void test('a link to a span that is not here is told as broken', () => {
  const { broken } = buildFlow([sketch({ id: 'a', at: [0, 1], links: ['gone:x'], parent: 'lost' })]);
  assert.deepEqual(
    broken.map(({ link }) => link === undefined),
    [true, false],
  );
});

interface RecordPlan {
  readonly sendAt: number;
  readonly sendMs: number;
  readonly waitMs: number;
  readonly runMs: number;
  readonly next: boolean;
}

function anyWorkload(): fc.Arbitrary<RecordPlan[]> {
  const ms = fc.integer({ min: 0, max: 30 });
  return fc.array(
    fc.record({
      sendAt: ms,
      sendMs: ms,
      waitMs: fc.integer({ min: -10, max: 30 }),
      runMs: ms,
      next: fc.boolean(),
    }),
    { minLength: 1, maxLength: 6 },
  );
}

/** A handler that sends some records; each is consumed and run, and may be sent on. */
function workload(records: readonly RecordPlan[], shape: 'parent' | 'links'): SpanData[] {
  const spans: SpanSketch[] = [{ id: 'h', kind: server, fn: 'greeter', at: [0, 60] }];
  const consume = (i: string, sent: string, sentTrace: string, from: number, runMs: number): string => {
    const trace = shape === 'parent' ? sentTrace : `t${i}`;
    spans.push(
      {
        id: `c${i}`,
        trace,
        kind: consumer,
        service: 'trigger',
        at: [from, from + runMs + 4],
        links: [`${sentTrace}:${sent}`],
        attributes: { 'messaging.destination.name': 'greetings' },
        ...(shape === 'parent' ? { parent: sent } : {}),
      },
      {
        id: `i${i}`,
        trace,
        parent: `c${i}`,
        kind: client,
        service: 'trigger',
        at: [from + 1, from + runMs + 3],
        attributes: { 'faas.invoked_name': 'image' },
      },
      { id: `f${i}`, trace, parent: `i${i}`, kind: server, fn: 'image', at: [from + 2, from + runMs + 2] },
    );
    return trace;
  };
  for (const [i, { sendAt, sendMs, waitMs, runMs, next }] of records.entries()) {
    const end = sendAt + sendMs;
    spans.push({ id: `s${i}`, parent: 'h', kind: producer, fn: 'greeter', at: [sendAt, end] });
    const trace = consume(`${i}`, `s${i}`, 't', end + waitMs, runMs);
    if (!next) continue;
    const again = end + waitMs + runMs;
    spans.push({
      id: `r${i}`,
      trace,
      parent: `c${i}`,
      kind: producer,
      service: 'trigger',
      at: [again, again + 1],
    });
    consume(`${i}n`, `r${i}`, trace, again + 5, runMs);
  }
  return sketchAll(spans);
}

function summaryOf(flow: Flow) {
  const nameOf = (node: { span: SpanData } | undefined) => node?.span.name ?? '';
  const { nodes, edges } = serviceMap(flow);
  return {
    waitingFor: flow.waitingFor.map(({ producer, topic }) => `${nameOf(producer)} ${topic}`),
    settled: flow.settled,
    places: nodes
      .map(({ id, calls, errors, durationsNano }) =>
        [id, calls, errors, ...durationsNano.map(String).sort()].join(' '),
      )
      .sort(),
    ways: edges
      .map(({ from, to, kind, calls, errors, lagsNano }) =>
        [from, to, kind, calls, errors, ...lagsNano.map(String).sort()].join(' '),
      )
      .sort(),
    causes: flow.nodes.map((node) => [nameOf(node), nameOf(node.cause)].join(' < ')).sort(),
    messages: flow.edges
      .filter(isMessage)
      .map(({ from, to, waitNano, clockSkew }) => `${nameOf(from)} > ${nameOf(to)} ${waitNano} ${clockSkew}`)
      .sort(),
    accounts: (['caller', 'end-to-end'] as const).map((reading) =>
      timeAccount(flow.roots.slice(0, 1), reading).segments.map(
        ({ node, stage, owner, startUnixNano, endUnixNano }) =>
          `${nameOf(node)} ${stage} ${owner} ${startUnixNano} ${endUnixNano}`,
      ),
    ),
  };
}
