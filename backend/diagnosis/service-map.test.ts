import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { buildFlow } from './flow.ts';
import { qualityOf } from './quality.ts';
import { serviceMap } from './service-map.ts';
import { sketch, sketchAll, type SpanSketch } from './test/spans.ts';

const { server, client, producer, consumer, internal } = SPAN_KIND;

void test('the map has functions, topics and what is outside, and not the road between them, in either shape', () => {
  const maps = (['parent', 'links'] as const).map((shape) => {
    const { nodes, edges } = serviceMap(buildFlow(greeting(shape)));
    return {
      nodes: nodes.map(({ id, calls, errors }) => `${id} ${calls} ${errors}`).sort(),
      edges: edges
        .map(({ from, to, kind, calls, lagsNano }) =>
          `${from} -${kind}→ ${to} ${calls} ${lagsNano.join(' ')}`.trim(),
        )
        .sort(),
    };
  });
  assert.deepEqual(maps[0], maps[1]);
  assert.deepEqual(maps[0], {
    nodes: [
      'function:greeter 1 0',
      'function:image 1 1',
      'function:validator 1 0',
      'service:db:5432 1 0',
      'service:router 0 0',
      'topic:cards 1 0',
      'topic:greetings 1 0',
    ],
    edges: [
      'function:greeter -call→ function:validator 1',
      'function:greeter -call→ service:db:5432 1',
      'function:greeter -send→ topic:greetings 1',
      'function:image -send→ topic:cards 1',
      'service:router -call→ function:greeter 1',
      'topic:greetings -receive→ function:image 1 6000000',
    ],
  });
});

void test('quality: what is lost, broken, skewed, unfinished or oldly named is found, with a hint; whole traces have nothing', () => {
  assert.deepEqual(qualityOf(buildFlow(greeting('parent'))), []);
  const found = qualityOf(
    buildFlow(
      sketchAll([
        { trace: 'a', id: 'root', kind: server, at: [0, 9] },
        { trace: 'a', id: 'orphan', parent: 'gone', service: 'billing', at: [1, 2] },
        {
          trace: 'b',
          id: 'alone',
          kind: consumer,
          at: [0, 1],
          attributes: { 'messaging.destination.name': 'cards', 'messaging.consumer.group.name': 'print' },
        },
        { trace: 'c', id: 'linked', service: 'cards', at: [0, 1], links: ['z:gone'] },
        {
          trace: 'd',
          id: 'send',
          kind: producer,
          at: [10, 11],
          attributes: { 'messaging.destination': 'old' },
          service: 'legacy',
        },
        {
          trace: 'd',
          id: 'receive',
          parent: 'send',
          kind: consumer,
          at: [2, 3],
          attributes: { 'messaging.destination.name': 'old' },
        },
        { trace: 'e', id: 'died', service: 'image', at: [0, 1], attributes: { 'spoor.unfinished': true } },
        {
          trace: 'f',
          id: 'poll',
          kind: internal,
          service: 'poller',
          at: [0, 1],
          attributes: { 'messaging.destination.name': 'cards' },
        },
        // The caller of this one is not traced: no fault.
        { trace: 'g', id: 'continued', parent: 'browser', kind: server, at: [0, 1] },
      ]),
    ),
  );
  assert.deepEqual(found.map(({ kind, subject }) => `${kind}: ${subject}`).sort(), [
    'broken link: cards',
    'clock skew: topic old → group ',
    'missing propagation: topic cards → group print',
    'old attribute names: legacy',
    'orphan span: billing',
    'unfinished span: image',
    'wrong kind: poller',
  ]);
  assert.ok(found.every(({ hint, examples }) => hint !== '' && examples.length > 0));
});

void test('quality: a call on another clock is told by its two services, and one that is only a little out is not', () => {
  const called = (early: number) =>
    qualityOf(
      buildFlow(
        sketchAll([
          { id: 'call', kind: client, fn: 'greeter', at: [100, 200] },
          { id: 'serve', parent: 'call', kind: server, service: 'billing', at: [110 - early, 190 - early] },
        ]),
      ),
    );
  assert.deepEqual(called(15), []);
  assert.deepEqual(
    called(5_000).map(({ kind, subject, count, share }) => [kind, subject, count, share]),
    [['clock skew', 'greeter → billing', 1, 1]],
  );
});

void test('quality: a call that lost its context is told by caller and called, whether it has a span of its own or none', () => {
  const run = (i: number, how: 'carried' | 'lost' | 'raw'): SpanSketch[] => {
    const [trace, other, at] = [`t${i}`, how === 'carried' ? `t${i}` : `u${i}`, i * 100];
    const request = { 'http.request.method': 'GET' };
    return [
      { id: 'greeter', trace, kind: server, fn: 'greeter', at: [at, at + 50] },
      ...(how === 'raw'
        ? []
        : [
            {
              id: 'call',
              trace,
              parent: 'greeter',
              kind: client,
              fn: 'greeter',
              at: [at + 10, at + 40],
              attributes: { ...request, 'url.full': 'http://127.0.0.1:8888/validate?name=Ada' },
            } as const,
          ]),
      {
        id: 'serve',
        trace: other,
        ...(how === 'carried' ? { parent: 'call' } : {}),
        kind: server,
        service: 'router',
        at: [at + 12, at + 38],
        attributes: { ...request, 'url.path': '/validate' },
      },
      {
        id: 'invoke',
        trace: other,
        parent: 'serve',
        kind: client,
        service: 'router',
        at: [at + 13, at + 37],
        attributes: { 'faas.invoked_name': 'validator' },
      },
      {
        id: 'validator',
        trace: other,
        parent: 'invoke',
        kind: server,
        fn: 'validator',
        at: [at + 14, at + 36],
      },
    ];
  };
  const findings = (...runs: SpanSketch[][]) =>
    qualityOf(buildFlow(sketchAll(runs.flat()))).map(({ kind, subject, count }) => [kind, subject, count]);
  const carried = [1, 2, 3].map((i) => run(i, 'carried'));
  assert.deepEqual(findings(...carried), []);
  assert.deepEqual(findings(run(4, 'lost')), [['lost context', 'greeter → validator', 1]]);
  assert.deepEqual(findings(...carried, run(4, 'raw')), [['lost context', 'greeter → validator', 1]]);
  // Without anything to compare with, and when most such requests come from outside, nothing is claimed.
  assert.deepEqual(findings(run(4, 'raw')), []);
  const outside = [5, 6].map((i) => run(i, 'raw').filter(({ id }) => id !== 'greeter'));
  assert.deepEqual(findings(...carried, run(4, 'raw'), ...outside), []);
});

function greeting(shape: 'parent' | 'links'): SpanData[] {
  const other = shape === 'parent' ? 't' : 'u';
  const spans: SpanSketch[] = [
    { id: 'post', kind: server, service: 'router', at: [0, 30] },
    {
      id: 'invoke',
      parent: 'post',
      kind: client,
      service: 'router',
      at: [1, 29],
      attributes: { 'faas.invoked_name': 'greeter' },
    },
    { id: 'greeter', parent: 'invoke', kind: server, fn: 'greeter', at: [2, 28] },
    { id: 'call', parent: 'greeter', kind: client, fn: 'greeter', at: [3, 9] },
    { id: 'inner', parent: 'call', kind: server, service: 'router', at: [4, 8] },
    {
      id: 'again',
      parent: 'inner',
      kind: client,
      service: 'router',
      at: [4, 8],
      attributes: { 'faas.invoked_name': 'validator' },
    },
    { id: 'validator', parent: 'again', kind: server, fn: 'validator', at: [5, 7] },
    {
      id: 'query',
      parent: 'greeter',
      kind: client,
      fn: 'greeter',
      at: [10, 14],
      attributes: { 'server.address': 'db', 'server.port': 5432n },
    },
    {
      id: 'send',
      parent: 'greeter',
      kind: producer,
      fn: 'greeter',
      at: [20, 24],
      attributes: { 'messaging.destination.name': 'greetings' },
    },
    {
      id: 'process',
      trace: other,
      kind: consumer,
      service: 'trigger',
      at: [30, 60],
      links: ['t:send'],
      attributes: { 'messaging.destination.name': 'greetings' },
      ...(shape === 'parent' ? { parent: 'send' } : {}),
    },
    {
      id: 'try',
      trace: other,
      parent: 'process',
      kind: client,
      service: 'trigger',
      at: [31, 50],
      attributes: { 'faas.invoked_name': 'image' },
    },
    { id: 'image', trace: other, parent: 'try', kind: server, fn: 'image', at: [32, 49], error: 'boom' },
    {
      id: 'answer',
      trace: other,
      parent: 'process',
      kind: producer,
      service: 'trigger',
      at: [52, 55],
      attributes: { 'messaging.destination.name': 'cards' },
    },
  ];
  return spans.map((each) => sketch(each));
}
