import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { STATUS_CODE, type SpanData } from '../../../function/span/span-data.ts';
import { openStore, type OpenStore } from '../../store/open-store.ts';
import { span, spanIdOf, temporaryFolder, traceIdOf } from '../../store/testing.ts';
import { DEFAULT_TAIL_SAMPLING, draw, type TailSampling } from './policies.ts';
import { TailSamplingPass } from './tail-sampler.ts';

const timeout = 120_000;
const ERROR = { status: { code: STATUS_CODE.error, message: 'no' } };
/** Nothing is kept but what a policy wants. */
const NOTHING: TailSampling = {
  ...DEFAULT_TAIL_SAMPLING,
  samplingPercentage: 0.000001,
  rareFlowsPerHour: 0,
  decisionWaitMs: 300,
};

const TEN_MINUTES_AGO = BigInt(Date.now() - 600_000) * 1_000_000n;

/** A trace of some spans that started now, the first of which is linked to a span of `cause`. */
function trace(fields: Partial<SpanData> = {}, cause?: readonly SpanData[]): readonly SpanData[] {
  const traceId = traceIdOf();
  const startTimeUnixNano = BigInt(Date.now()) * 1_000_000n;
  const [first] = cause ?? [];
  const link = first && {
    traceId: first.traceId,
    spanId: first.spanId,
    traceState: '',
    flags: 1,
    attributes: {},
    droppedAttributesCount: 0,
  };
  return Array.from({ length: 4 }, (_, at) =>
    span({
      traceId,
      spanId: spanIdOf(),
      startTimeUnixNano,
      endTimeUnixNano: startTimeUnixNano + 5_000_000n,
      links: at === 0 && link ? [link] : [],
      ...(at === 3 ? fields : {}),
    }),
  );
}

async function settle(store: OpenStore, pass: TailSamplingPass, wanted: number): Promise<void> {
  let decided = 0;
  while (decided < wanted) {
    const { kept, dropped } = await pass.run();
    decided += kept + dropped;
    await sleep(20);
  }
  await untilDropped(store);
}

async function untilDropped(store: OpenStore): Promise<void> {
  for (;;) {
    const { underWay, failure } = await store.sampling.dropping();
    assert.equal(failure, '');
    if (underWay === 0) return;
    await sleep(20);
  }
}

const sizes = (store: OpenStore, traces: readonly (readonly SpanData[])[]) =>
  Promise.all(traces.map(async ([one]) => (await store.reader.trace(one?.traceId ?? '')).length));

void test(
  'what no policy wants is taken away, whole, and what was counted of it stays counted',
  { timeout },
  async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore({ dataDir: folder.path, tailSampling: true });
    const dull = Array.from({ length: 30 }, () => trace());
    const bad = trace(ERROR);
    const slow = trace({ endTimeUnixNano: BigInt(Date.now() + 2_000) * 1_000_000n });
    await store.writer.writeSpans([...dull.slice(0, 20), bad, slow].flat());
    await store.writer.writeSpans(dull.slice(20).flat());
    assert.deepEqual(await sizes(store, [...dull, bad, slow]), Array(32).fill(4));

    const patient = new TailSamplingPass(store.sampling, { ...NOTHING, decisionWaitMs: 3_600_000 });
    assert.deepEqual(await patient.run(), { kept: 0, dropped: 0, isBehind: false });
    const pass = new TailSamplingPass(store.sampling, NOTHING);
    await settle(store, pass, 32);
    assert.deepEqual(await sizes(store, dull), Array(30).fill(0));
    assert.deepEqual(await store.reader.trace(bad[0]?.traceId ?? '').then(idsOf), idsOf(bad));
    assert.deepEqual(await store.reader.trace(slow[0]?.traceId ?? '').then(idsOf), idsOf(slow));

    const now = BigInt(Date.now()) * 1_000_000n;
    const range = { startUnixNano: now - 600_000_000_000n, endUnixNano: now + 1n };
    const found = await store.reader.findTraces({ range, attributes: {}, limit: 100 });
    assert.deepEqual(
      found.map((spans) => spans.length),
      [4, 4],
    );
    const series = await store.reader.red({ range, stepSeconds: 600 });
    assert.equal(
      series.flatMap(({ points }) => points).reduce((sum, { count }) => sum + count, 0),
      32 * 4,
    );
    assert.deepEqual(
      [...pass.counts.all].map((count) => ({ ...count })).sort((a, b) => (a.policy < b.policy ? -1 : 1)),
      [
        { policy: 'latency', kept: true, traces: 1, spans: 4 },
        { policy: 'probabilistic', kept: false, traces: 30, spans: 120 },
        { policy: 'status_code', kept: true, traces: 1, spans: 4 },
      ],
    );
    assert.match(
      pass.counts.text(),
      /^spoor_tail_sampling_traces_total\{policy="probabilistic",sampled="false"\} 30$/m,
    );
    // Decided for good: nothing is left to decide.
    assert.deepEqual(await pass.run(), { kept: 0, dropped: 0, isBehind: false });
  },
);

void test(
  'a flow is held together until it is at rest, so that a late error of its last hop keeps all of it',
  { timeout },
  async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore({ dataDir: folder.path, tailSampling: true });
    const pass = new TailSamplingPass(store.sampling, { ...NOTHING, decisionWaitMs: 3_000 });
    const start = Date.now();
    const sent = [trace(), trace()];
    await store.writer.writeSpans(sent.flat());
    await sleep(1_800);
    const processed = sent.map((cause) => trace({}, cause));
    await store.writer.writeSpans(processed.flat());
    // The first hops' own time is over, the flows' is not.
    while (Date.now() < start + 3_300) {
      await pass.run();
      await sleep(50);
    }
    assert.deepEqual(await sizes(store, [...sent, ...processed]), [4, 4, 4, 4]);
    const [failed] = processed as [readonly SpanData[]];
    await store.writer.writeSpans([span({ ...failed[1], spanId: spanIdOf(), ...ERROR })]);
    await settle(store, pass, 4);
    assert.deepEqual(await sizes(store, [...sent, ...processed]), [4, 0, 5, 0]);
    for (const [one] of [sent[0], failed] as (readonly SpanData[])[])
      assert.partialDeepStrictEqual(await store.sampling.decision(one?.traceId ?? ''), {
        traceId: one?.traceId,
        kept: true,
        policy: 'status_code',
        probability: 1,
        spans: one === failed[0] ? 5 : 4,
      });
  },
);

void test(
  'what comes after its flow was dropped goes too, unless there is an error in it; after it was kept it stays',
  { timeout },
  async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore({ dataDir: folder.path, tailSampling: true });
    const pass = new TailSamplingPass(store.sampling, NOTHING);
    const dropped = trace();
    const kept = trace(ERROR);
    await store.writer.writeSpans([dropped, kept].flat());
    await settle(store, pass, 2);
    const late = [trace({}, dropped), trace(ERROR, dropped), trace({}, kept)];
    const again = span({ ...dropped[1], spanId: spanIdOf() });
    await store.writer.writeSpans([...late.flat(), again]);
    await settle(store, pass, 4);
    // The late error is linked with what is late too: they are one flow, and it has an error.
    assert.deepEqual(await sizes(store, [dropped, kept, ...late]), [1, 4, 4, 4, 4]);
    const alone = trace();
    await store.writer.writeSpans(alone);
    await settle(store, pass, 1);
    const lateAlone = trace({}, alone);
    await store.writer.writeSpans(lateAlone);
    await settle(store, pass, 1);
    assert.deepEqual(await sizes(store, [alone, lateAlone]), [0, 0]);
    assert.equal((await store.sampling.decision(lateAlone[0]?.traceId ?? ''))?.policy, 'late');
  },
);

void test(
  'what was kept, or stored before anybody sampled, stays when more of it comes that nobody wants',
  { timeout },
  async () => {
    await using folder = await temporaryFolder();
    const before = trace(ERROR);
    {
      await using store = await openStore({ dataDir: folder.path });
      await store.writer.writeSpans(before);
    }
    await using store = await openStore({ dataDir: folder.path, tailSampling: true });
    const pass = new TailSamplingPass(store.sampling, NOTHING);
    await store.writer.writeSpans([span({ ...before[1], spanId: spanIdOf() })]);
    await settle(store, pass, 1);
    assert.deepEqual(await store.reader.trace(before[0]?.traceId ?? '').then(idsOf), idsOf(before));

    const failed = trace(ERROR);
    await store.writer.writeSpans(failed);
    await settle(store, pass, 1);
    for (let times = 1; times <= 3; times += 1) {
      // As if so much time had passed that what arrived before is forgotten.
      await store.sampling.forgetAllArrivals();
      await store.writer.writeSpans([span({ ...failed[1], spanId: spanIdOf() })]);
      await sleep(4 * NOTHING.decisionWaitMs);
      await pass.run();
      await untilDropped(store);
      assert.equal((await store.reader.trace(failed[0]?.traceId ?? '')).length, 4 + times);
    }
  },
);

void test('calls between services stay counted when their spans are taken away', { timeout }, async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path, tailSampling: true });
  const caller = span({ resource: { 'service.name': 'caller' }, startTimeUnixNano: TEN_MINUTES_AGO });
  const called = span({
    ...caller,
    spanId: spanIdOf(),
    parentSpanId: caller.spanId,
    resource: { 'service.name': 'called' },
  });
  await store.writer.writeSpans([caller, called]);
  const range = {
    startUnixNano: TEN_MINUTES_AGO - 60_000_000_000n,
    endUnixNano: TEN_MINUTES_AGO + 60_000_000_000n,
  };
  const calls = [{ parent: 'caller', child: 'called', callCount: 1 }];
  assert.deepEqual(await store.reader.dependencies(range), calls);
  await settle(store, new TailSamplingPass(store.sampling, { ...NOTHING, latencyThresholdMs: 1e9 }), 1);
  assert.deepEqual(await store.reader.trace(caller.traceId), []);
  assert.deepEqual(await store.reader.dependencies(range), calls);
});

void test(
  'the draw decides about the rest, and what is kept says how many it stands for',
  { timeout },
  async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore({ dataDir: folder.path, tailSampling: true });
    const pass = new TailSamplingPass(store.sampling, { ...NOTHING, samplingPercentage: 25 });
    const traces = Array.from({ length: 200 }, () => trace());
    await store.writer.writeSpans(traces.flat());
    await settle(store, pass, 200);
    assert.deepEqual(
      await sizes(store, traces),
      traces.map(([one]) => (draw(one?.traceId ?? '') < 0.25 ? 4 : 0)),
    );
    const [one] = traces.find(([first]) => draw(first?.traceId ?? '') < 0.25) ?? [];
    assert.equal((await store.sampling.decision(one?.traceId ?? ''))?.probability, 0.25);
  },
);

void test(
  'a death after the decisions and before anything was taken away: it is taken away at the next start',
  { timeout },
  async () => {
    await using folder = await temporaryFolder();
    const dull = trace();
    const bad = trace(ERROR);
    {
      await using store = await openStore({ dataDir: folder.path, tailSampling: true });
      await store.writer.writeSpans([...dull, ...bad]);
      const { sampling } = store;
      const dying = new Proxy(sampling, {
        get: (target, name) => {
          if (name === 'drop') return async () => Promise.reject(new Error('dead'));
          const value: unknown = Reflect.get(target, name);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
      await assert.rejects(settle(store, new TailSamplingPass(dying, NOTHING), 2), /dead/);
      assert.deepEqual(await sizes(store, [dull, bad]), [4, 4]);
    }
    await using store = await openStore({ dataDir: folder.path, tailSampling: true });
    const pass = new TailSamplingPass(store.sampling, NOTHING);
    await pass.run();
    await untilDropped(store);
    assert.deepEqual(await sizes(store, [dull, bad]), [0, 4]);
  },
);

void test('a store opened without sampling forgets what was undecided: it stays', { timeout }, async () => {
  await using folder = await temporaryFolder();
  const dull = trace();
  {
    await using store = await openStore({ dataDir: folder.path, tailSampling: true });
    await store.writer.writeSpans(dull);
  }
  {
    await using store = await openStore({ dataDir: folder.path });
    await store.writer.writeSpans(trace());
  }
  await using store = await openStore({ dataDir: folder.path, tailSampling: true });
  assert.deepEqual(await store.sampling.arrived(0, Date.now() + 60_000), []);
  assert.deepEqual(await sizes(store, [dull]), [4]);
});

const idsOf = (spans: readonly SpanData[]) => spans.map(({ spanId }) => spanId).sort();
