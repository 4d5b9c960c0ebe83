import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { CONFIDENT, type Evidence } from './causes/cause.ts';
import { buildFlow } from './flow.ts';
import { baselineOf, healthyTwin } from './healthy-twin.ts';
import { runOfTrace, type Run } from './run.ts';
import { sketch, traceId, type SpanSketch } from './test/spans.ts';
import { verdict, type Verdict } from './verdict.ts';

const { server, client, producer, consumer } = SPAN_KIND;

/** What changes in a greeting of 60 ms: by span id, or spans to add or (null) to leave out. */
type Change = Readonly<Record<string, Partial<SpanSketch> | null>>;

/** router → greeter → validator, then over the topic to image. `more` ms are added to everything after `after`. */
function greeting(
  trace: string,
  change: Change = {},
  late: { readonly after: number; readonly ms: number } = { after: 0, ms: 0 },
): SpanData[] {
  const base: SpanSketch[] = [
    {
      id: 'post',
      name: 'POST /greetings',
      kind: server,
      service: 'router',
      at: [0, 30],
      attributes: { 'http.response.status_code': 202n },
    },
    {
      id: 'invoke',
      parent: 'post',
      kind: client,
      service: 'router',
      at: [1, 29],
      attributes: { 'faas.invoked_name': 'greeter' },
    },
    { id: 'greeter', parent: 'invoke', kind: server, fn: 'greeter', at: [2, 28] },
    {
      id: 'call',
      parent: 'greeter',
      name: 'GET',
      kind: client,
      fn: 'greeter',
      at: [4, 14],
      attributes: { 'server.address': 'dictionary', 'server.port': 80n },
    },
    {
      id: 'send',
      parent: 'greeter',
      name: 'send greetings',
      kind: producer,
      fn: 'greeter',
      at: [20, 24],
      attributes: { 'messaging.destination.name': 'greetings' },
    },
    {
      id: 'process',
      parent: 'send',
      name: 'process greetings',
      kind: consumer,
      service: 'trigger',
      at: [30, 60],
      links: ['send'],
      attributes: {
        'messaging.destination.name': 'greetings',
        'messaging.consumer.group.name': 'cards',
        'messaging.destination.partition.id': '0',
        'messaging.kafka.offset': 7n,
        'spoor.outcome': 'success',
      },
    },
    {
      id: 'try1',
      parent: 'process',
      name: 'invoke image',
      kind: client,
      service: 'trigger',
      at: [31, 59],
      attributes: { 'faas.invoked_name': 'image', 'spoor.attempt': 1n },
    },
    { id: 'image1', parent: 'try1', name: 'image', kind: server, fn: 'image', at: [33, 57] },
  ];
  const known = new Set(base.map(({ id }) => id));
  const added = Object.entries(change).flatMap(([id, of]) =>
    known.has(id) || !of ? [] : [{ id, at: [0, 1] as const, ...of }],
  );
  const shift = (ms: number) => (late.ms > 0 && ms > late.after ? ms + late.ms : ms);
  return [...base, ...added]
    .filter(({ id }) => change[id] !== null)
    .map((each) => {
      const changed = { ...each, ...(known.has(each.id) ? change[each.id] : {}) };
      const attributes = { ...each.attributes, ...changed.attributes };
      return sketch({ ...changed, attributes, trace, at: [shift(changed.at[0]), shift(changed.at[1])] });
    });
}

const healthy = Array.from({ length: 6 }, (_, i) => greeting(`healthy${i}`, {}, { after: 40, ms: i / 4 }));

const LOST = { process: null, try1: null, image1: null, send: null };
const STRAYS = [
  [
    sketch({ trace: 's', id: 'root', kind: server, service: 'router', at: [15, 22] }),
    sketch({
      trace: 's',
      id: 'ran',
      parent: 'root',
      name: 'image',
      kind: server,
      fn: 'image',
      at: [16, 21],
    }),
  ],
];

interface Case {
  readonly name: string;
  readonly spans: readonly SpanData[];
  readonly others?: readonly (readonly SpanData[])[];
  readonly strays?: readonly (readonly SpanData[])[];
  readonly neighbours?: readonly (readonly SpanData[])[];
  readonly arrivalLagNano?: bigint;
  readonly expected: readonly [kind: string, owner: string];
  readonly outcome?: Verdict['outcome'];
}

const ended = (reason: string, more: SpanSketch['attributes'] = {}) => ({
  error: `ended: ${reason}`,
  attributes: { 'spoor.unfinished': true, 'spoor.end.reason': reason, ...more },
});
const failedTry = (reason: string) => ({
  error: reason,
  attributes: { 'spoor.reason': reason, 'spoor.outcome': 'dead_letter' },
});
/** Both tries failed, and the record was given up. */
const givenUp = (how: Partial<SpanSketch>): Change => ({
  process: { error: 'status 500', attributes: { 'spoor.outcome': 'dead_letter' }, at: [30, 100] },
  try1: { ...failedTry('function_error') },
  image1: how,
  try2: {
    parent: 'process',
    name: 'invoke image',
    kind: client,
    service: 'trigger',
    at: [70, 99],
    ...failedTry('function_error'),
    attributes: { 'faas.invoked_name': 'image', 'spoor.attempt': 2n },
  },
  image2: { parent: 'try2', name: 'image', kind: server, fn: 'image', at: [72, 97], ...how },
});
const phase = (
  name: string,
  parent: string,
  at: [number, number],
  of: string,
  error?: string,
): Partial<SpanSketch> => ({
  name,
  parent,
  service: 'executor',
  at,
  attributes: { 'faas.name': of },
  ...(error === undefined ? {} : { error }),
});
const thrown = { error: 'no font', exception: ['TypeError', 'no font'] } as const;
const newVersion = (trace: string, version: string, how: Partial<SpanSketch>) =>
  greeting(trace, givenUp({ ...how, version }));

/** Of another record of the same topic, to the same group. */
const delivery = (trace: string, at: readonly [number, number], partition = '0') =>
  sketch({
    trace,
    id: `process ${trace}`,
    name: 'process greetings',
    kind: consumer,
    service: 'trigger',
    at,
    attributes: {
      'messaging.destination.name': 'greetings',
      'messaging.consumer.group.name': 'cards',
      'messaging.destination.partition.id': partition,
    },
  });

const CASES: readonly Case[] = [
  {
    name: 'queue lag while nobody reads the partition',
    spans: greeting('x', {}, { after: 25, ms: 900 }),
    expected: ['queue lag: consumer away', 'greetings'],
    outcome: 'slow',
  },
  {
    name: 'queue lag behind one slow record',
    spans: greeting('x', {}, { after: 25, ms: 900 }),
    neighbours: [[delivery('n', [10, 700])]],
    expected: ['queue lag: slow consumer', 'greetings'],
    outcome: 'slow',
  },
  {
    name: 'queue lag behind many records of ordinary length',
    spans: greeting('x', {}, { after: 25, ms: 900 }),
    neighbours: Array.from({ length: 8 }, (_, i) => [delivery(`n${i}`, [30 + i * 100, 125 + i * 100])]),
    expected: ['queue lag: few partitions', 'greetings'],
    outcome: 'slow',
  },
  {
    name: 'a slow record of another partition is not what this one waited for',
    spans: greeting('x', {}, { after: 25, ms: 900 }),
    neighbours: [[delivery('n', [10, 900], '1')]],
    expected: ['queue lag: consumer away', 'greetings'],
  },
  {
    name: 'a handler that computes',
    spans: greeting(
      'x',
      { greeter: { attributes: { 'spoor.cpu.ms': 800, 'spoor.event_loop.blocked_ms': 890 } } },
      { after: 16, ms: 900 },
    ),
    expected: ['CPU burn', 'greeter'],
    outcome: 'slow',
  },
  {
    name: 'a handler that computes a little at a time',
    spans: greeting(
      'x',
      { greeter: { attributes: { 'spoor.cpu.ms': 700, 'spoor.event_loop.blocked_ms': 20 } } },
      { after: 16, ms: 900 },
    ),
    expected: ['CPU burn', 'greeter'],
  },
  {
    name: 'a handler whose event loop stands still',
    spans: greeting(
      'x',
      { greeter: { attributes: { 'spoor.cpu.ms': 12, 'spoor.event_loop.blocked_ms': 895 } } },
      { after: 16, ms: 900 },
    ),
    expected: ['blocked event loop', 'greeter'],
    outcome: 'slow',
  },
  {
    name: 'a handler that computes a lot on a busy machine',
    spans: greeting(
      'x',
      {
        greeter: {
          attributes: {
            'spoor.cpu.ms': 150,
            'spoor.cpu.wait_ms': 700,
            'spoor.event_loop.blocked_ms': 890,
          },
        },
      },
      { after: 16, ms: 900 },
    ),
    expected: ['CPU burn', 'greeter'],
  },
  {
    name: 'a handler that computes little and gets no CPU for it',
    spans: greeting(
      'x',
      {
        greeter: {
          attributes: {
            'spoor.cpu.ms': 15,
            'spoor.cpu.wait_ms': 800,
            'spoor.event_loop.blocked_ms': 890,
          },
        },
      },
      { after: 16, ms: 900 },
    ),
    expected: ['starved of CPU', 'greeter'],
    outcome: 'slow',
  },
  {
    name: 'a handler that waits for something that is not traced',
    spans: greeting(
      'x',
      { greeter: { attributes: { 'spoor.cpu.ms': 12, 'spoor.event_loop.blocked_ms': 9 } } },
      { after: 16, ms: 900 },
    ),
    expected: ['slow handler', 'greeter'],
  },
  {
    name: 'another invocation that keeps the instance busy',
    spans: greeting('x', {}, { after: 31, ms: 900 }),
    neighbours: [
      [
        sketch({
          trace: 'n',
          id: 'busy',
          name: 'image',
          kind: server,
          fn: 'image',
          at: [10, 925],
          attributes: { 'spoor.cpu.ms': 850, 'spoor.event_loop.blocked_ms': 900 },
        }),
      ],
    ],
    expected: ['noisy neighbour', 'image'],
    outcome: 'slow',
  },
  {
    name: 'a neighbour that did nothing is not to blame',
    spans: greeting('x', {}, { after: 31, ms: 900 }),
    neighbours: [
      [sketch({ trace: 'n', id: 'idle', name: 'image', kind: server, fn: 'image', at: [10, 925] })],
    ],
    expected: ['slow transfer', 'image'],
  },
  {
    name: 'a pool that is used up',
    spans: greeting(
      'x',
      { cold: phase('start instance', 'try1', [31.5, 32.5], 'image') },
      { after: 32, ms: 900 },
    ),
    others: healthy.map((_, i) =>
      greeting(`pooled${i}`, {
        load: {
          ...phase('load function', 'try1', [31.2, 32.5], 'image'),
          attributes: { 'faas.name': 'image', 'spoor.pool.hit': true },
        },
      }),
    ),
    expected: ['pool empty', 'image'],
    outcome: 'slow',
  },
  {
    name: 'a trace that was stored long after its end',
    spans: greeting('x'),
    arrivalLagNano: 6_000_000_000n,
    expected: ['backend lag', 'agent'],
    outcome: 'healthy',
  },
  {
    name: 'a slow handler',
    spans: greeting('x', {}, { after: 16, ms: 900 }),
    expected: ['slow handler', 'greeter'],
    outcome: 'slow',
  },
  {
    name: 'a slow handler behind a topic',
    spans: greeting('x', {}, { after: 40, ms: 900 }),
    expected: ['slow handler', 'image'],
    outcome: 'slow',
  },
  {
    name: 'a slow downstream call',
    spans: greeting('x', {}, { after: 10, ms: 900 }),
    expected: ['slow downstream call', 'dictionary:80'],
    outcome: 'slow',
  },
  ...(['start instance', 'fetch package', 'load function'] as const).map((name) => ({
    name: `a cold start: ${name}`,
    spans: greeting('x', { cold: phase(name, 'try1', [31.5, 32.5], 'image') }, { after: 32, ms: 900 }),
    expected: [`cold start: ${name}`, 'image'] as const,
    outcome: 'slow' as const,
  })),
  {
    name: 'waiting for capacity',
    spans: greeting(
      'x',
      { cold: phase('wait for capacity', 'try1', [31.5, 32.5], 'image') },
      { after: 32, ms: 900 },
    ),
    expected: ['waiting for capacity', 'image'],
    outcome: 'slow',
  },
  {
    name: 'throttled: refused, and let in later',
    spans: greeting('x', {
      try1: { at: [31, 33], ...failedTry('capacity_exceeded') },
      image1: null,
      try2: {
        parent: 'process',
        name: 'invoke image',
        kind: client,
        service: 'trigger',
        at: [1_000, 1_030],
        attributes: { 'faas.invoked_name': 'image' },
      },
      image2: { parent: 'try2', name: 'image', kind: server, fn: 'image', at: [1_002, 1_028] },
      process: { at: [30, 1_031] },
    }),
    expected: ['throttled', 'image'],
  },
  {
    name: 'a time-out',
    spans: greeting('x', givenUp(ended('timeout'))),
    expected: ['timeout', 'image'],
    outcome: 'failed',
  },
  {
    name: 'out of memory',
    spans: greeting('x', givenUp(ended('oom'))),
    expected: ['out of memory', 'image'],
    outcome: 'failed',
  },
  {
    name: 'killed',
    spans: greeting('x', givenUp(ended('signal', { 'spoor.end.signal': 'SIGKILL' }))),
    expected: ['killed', 'image'],
    outcome: 'failed',
  },
  {
    name: 'exited',
    spans: greeting('x', givenUp(ended('exit', { 'spoor.end.exit_code': 3n }))),
    expected: ['exited', 'image'],
    outcome: 'failed',
  },
  {
    name: 'thrown, by a function whose every record fails',
    spans: greeting('x', givenUp(thrown)),
    others: [greeting('y', givenUp(thrown)), greeting('z', givenUp(thrown))],
    expected: ['thrown', 'image'],
    outcome: 'failed',
  },
  {
    name: 'a poison message: others go through the same version',
    spans: greeting('x', givenUp(thrown)),
    expected: ['poison message', 'image'],
    outcome: 'failed',
  },
  {
    name: 'a bad deploy: the version before did well',
    spans: newVersion('x', '2', thrown),
    others: [...healthy, newVersion('y', '2', thrown)],
    expected: ['bad deploy', 'image'],
    outcome: 'failed',
  },
  {
    name: 'a bad deploy after others that were bad as well',
    spans: newVersion('x', '5', thrown),
    others: [
      ...healthy,
      ...['2', '3', '4'].flatMap((version) => [newVersion(`y${version}`, version, thrown)]),
    ],
    expected: ['bad deploy', 'image'],
  },
  {
    name: 'a version that fails as others did now and then is no bad deploy',
    spans: newVersion('x', '5', thrown),
    others: ['2', '3', '4'].flatMap((version) => [
      newVersion(`a${version}`, version, thrown),
      newVersion(`b${version}`, version, {}),
    ]),
    expected: ['thrown', 'image'],
  },
  {
    name: 'a bad deploy: it does not load',
    spans: greeting('x', {
      try1: failedTry('specialization_failed'),
      image1: null,
      load: phase('load function', 'try1', [32, 40], 'image', 'cannot find module'),
    }),
    expected: ['bad deploy', 'image'],
  },
  {
    name: 'a dead dependency, though the function throws because of it',
    spans: greeting('x', {
      call: { error: 'connect ECONNREFUSED', attributes: { 'error.type': 'ECONNREFUSED' } },
      greeter: { error: 'fetch failed', exception: ['TypeError', 'fetch failed'] },
      post: { error: '', attributes: { 'http.response.status_code': 500n } },
      send: null,
      process: null,
      try1: null,
      image1: null,
    }),
    expected: ['dead dependency', 'dictionary:80'],
    outcome: 'failed',
  },
  {
    name: 'a wrong status from outside',
    spans: greeting('x', {
      call: { error: '', attributes: { 'http.response.status_code': 503n } },
      post: { error: '' },
    }),
    expected: ['wrong status', 'dictionary:80'],
    outcome: 'failed',
  },
  {
    name: 'a wrong status of its own',
    spans: greeting('x', {
      greeter: { error: '', attributes: { 'http.response.status_code': 500n } },
      post: { error: '' },
    }),
    expected: ['wrong status', 'greeter'],
    outcome: 'failed',
  },
  {
    name: 'a retry storm',
    spans: greeting(
      'x',
      Object.fromEntries(
        [5, 6, 7, 8, 9].map((ms) => [
          `call${ms}`,
          {
            parent: 'greeter',
            name: 'GET',
            kind: client,
            fn: 'greeter',
            at: [ms, ms + 0.5] as const,
            error: 'refused',
            attributes: { 'server.address': 'dictionary', 'error.type': 'ECONNREFUSED' },
          },
        ]),
      ),
    ),
    expected: ['retry storm', 'dictionary'],
  },
  {
    name: 'one bad record in a batch',
    spans: [
      sketch({
        trace: 'x',
        id: 'send',
        kind: producer,
        fn: 'greeter',
        at: [0, 2],
        attributes: { 'messaging.destination.name': 'greetings' },
      }),
      sketch({
        trace: 'x',
        id: 'record',
        parent: 'send',
        kind: consumer,
        service: 'trigger',
        at: [5, 40],
        links: ['send', 'b:batch'],
        error: 'no such name',
        attributes: { 'messaging.destination.name': 'greetings', 'spoor.outcome': 'dead_letter' },
      }),
      sketch({
        trace: 'b',
        id: 'batch',
        kind: consumer,
        service: 'trigger',
        at: [5, 41],
        attributes: { 'messaging.batch.message_count': 3n },
      }),
      sketch({
        trace: 'b',
        id: 'invoke',
        parent: 'batch',
        kind: client,
        service: 'trigger',
        at: [6, 39],
        attributes: { 'faas.invoked_name': 'image' },
      }),
      sketch({ trace: 'b', id: 'image', parent: 'invoke', kind: server, fn: 'image', at: [7, 38] }),
    ],
    expected: ['batch with bad records', 'trigger'],
    outcome: 'failed',
  },
  {
    name: 'lost context: what is missing here began by itself meanwhile',
    spans: greeting('x', LOST),
    strays: STRAYS,
    expected: ['lost context', 'greeter'],
  },
  {
    name: 'lost context: as it was lost in a third of the other runs',
    spans: greeting('x', LOST),
    others: [...healthy, ...['a', 'b', 'c'].map((name) => greeting(name, LOST))],
    strays: STRAYS,
    expected: ['lost context', 'greeter'],
  },
  {
    name: 'clock skew',
    spans: greeting('x', { image1: { at: [-4_967, -4_943] } }),
    expected: ['clock skew', 'image'],
  },
];

for (const { name, spans, others = healthy, expected, outcome, ...around } of CASES)
  void test(`${name} is named first`, () => {
    const found = judge(spans, others, around);
    const [first] = found.causes;
    assert.deepEqual(
      [first?.kind, first?.owner],
      expected,
      JSON.stringify(found.causes.map(({ kind, owner, score }) => [kind, owner, score])),
    );
    assert.ok((first?.score ?? 0) >= CONFIDENT && found.determined);
    if (outcome) assert.equal(found.outcome, outcome);
    assert.ok(
      first?.sentences[0] && first.sentences[0].nodes.length > 0,
      'the first sentence rests on spans',
    );
    assert.ok((first?.next.length ?? 0) > 0, 'something to try');
  });

void test('a run that did well and took its time has no cause, and says so', () => {
  for (const spans of healthy) {
    const found = judge(
      spans,
      healthy.filter((other) => other !== spans),
    );
    assert.deepEqual([found.outcome, found.determined, found.causes.length], ['healthy', false, 0]);
    assert.equal(found.notDetermined, 'nothing failed and it took its usual time');
  }
});

void test('the summary says what was answered, and times as people do', () => {
  const slow = judge(greeting('x', {}, { after: 16, ms: 1_350 }), healthy);
  assert.match(
    slow.summary,
    /^POST \/greetings \(router\) was slow: 1\.4\d s end to end, usually 6\d\.\d ms$/,
  );
  const notFound = judge(
    greeting('x', { post: { attributes: { 'http.response.status_code': 404n } } }),
    healthy,
  );
  assert.match(notFound.summary, /^POST \/greetings \(router\) answered 404 in \d+\.\d ms/);
});

void test('a delay spread over many stages is not determined, with the reason', () => {
  const spans = greeting('x', {
    greeter: { at: [120, 248] },
    invoke: { at: [1, 349] },
    post: { at: [0, 350] },
    call: { at: [125, 225] },
    send: { at: [230, 240] },
    process: { at: [400, 640] },
    try1: { at: [450, 600] },
    image1: { at: [520, 590] },
  });
  const found = judge(spans, healthy);
  assert.equal(found.outcome, 'slow');
  assert.equal(found.determined, false);
  assert.match(found.notDetermined, /spread over several stages/);
});

void test('alone, only what is beyond doubt is said', () => {
  assert.equal(judge(greeting('x', {}, { after: 16, ms: 500 }), []).determined, false);
  const [first] = judge(greeting('x', {}, { after: 16, ms: 5_000 }), []).causes;
  assert.deepEqual([first?.kind, first?.owner], ['slow handler', 'greeter']);
});

void test('a try that failed and was made good is no failure of the whole', () => {
  const spans = greeting('x', {
    ...givenUp(thrown),
    process: { at: [30, 100] },
    try2: {
      parent: 'process',
      name: 'invoke image',
      kind: client,
      service: 'trigger',
      at: [70, 99],
      attributes: { 'faas.invoked_name': 'image', 'spoor.attempt': 2n },
    },
    image2: { parent: 'try2', name: 'image', kind: server, fn: 'image', at: [72, 97] },
  });
  const found = judge(spans, healthy);
  assert.equal(found.outcome, 'healthy');
  assert.equal(found.causes[0]?.kind, 'thrown');
});

void test('the twin is the typical healthy run of the same versions, and the difference is ranked', () => {
  const others = [
    ...healthy,
    greeting('old', { image1: { version: '0' } }),
    greeting('broken', givenUp(thrown)),
  ].map(toRun);
  const run = toRun(greeting('x', {}, { after: 16, ms: 900 }));
  const twin = healthyTwin(run, others);
  assert.equal(twin?.candidates, 6);
  const [first] = twin?.differences ?? [];
  assert.deepEqual([first?.stage, first?.owner], ['handler', 'greeter']);
  assert.equal(Math.round(Number(first?.deltaNano) / 1e6), 900);
});

void test('runs that were held up at the same time do not say what is usual', () => {
  const later = [1, 2, 3, 4].map((i) => greeting(`later${i}`, {}, { after: -1, ms: 10_000 * i }));
  const burst = [1, 2, 3, 4, 5, 6, 7, 8].map((i) => greeting(`burst${i}`, {}, { after: 16, ms: 150 * i }));
  const found = judge(greeting('x', {}, { after: 16, ms: 1_350 }), [...burst, ...later]);
  assert.equal(found.outcome, 'slow');
  assert.deepEqual([found.causes[0]?.kind, found.causes[0]?.owner], ['slow handler', 'greeter']);
  // Where nothing else is known, they have to do.
  assert.match(judge(greeting('x', {}, { after: 16, ms: 1_350 }), burst).summary, /usually \d/);
});

function judge(
  spans: readonly SpanData[],
  others: readonly (readonly SpanData[])[],
  around: Pick<Case, 'strays' | 'neighbours' | 'arrivalLagNano'> = {},
): Verdict {
  const flow = buildFlow(spans);
  const run = runOfTrace(traceId('x'), flow).nodes.length > 0 ? runOfTrace(traceId('x'), flow) : toRun(spans);
  const runs = others.map(toRun);
  const evidence: Evidence = {
    run,
    others: runs,
    baseline: baselineOf(run, runs),
    twin: healthyTwin(run, runs),
    strays: (around.strays ?? []).map(toRun),
    neighbours: (around.neighbours ?? []).map(toRun),
    arrivalLagNano: around.arrivalLagNano,
    nowUnixNano: 0n,
  };
  return verdict(evidence, flow);
}

function toRun(spans: readonly SpanData[]): Run {
  return runOfTrace(spans[0]?.traceId ?? '', buildFlow(spans));
}
