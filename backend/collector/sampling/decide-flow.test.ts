import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { test } from 'node:test';
import type { Arrivals, SamplingDecision } from '../../store/tail-sampling.ts';
import { decideFlow, type Member } from './decide-flow.ts';
import { DEFAULT_TAIL_SAMPLING, draw, RareShapes } from './policies.ts';

const NOW = 10_000_000;
const policies = {
  ...DEFAULT_TAIL_SAMPLING,
  samplingPercentage: 10,
  decisionWaitMs: 60_000,
  rareFlowsPerHour: 0,
};
const WAIT = policies.decisionWaitMs;

function member(fields: Partial<Arrivals> = {}, earlier?: Partial<SamplingDecision>): Member {
  const traceId = fields.traceId ?? randomBytes(16).toString('hex');
  const arrivals = {
    traceId,
    firstReceivedMs: NOW - 2 * WAIT,
    lastReceivedMs: NOW - 2 * WAIT,
    spans: 10,
    errors: 0,
    startUnixNano: 0n,
    endUnixNano: 5_000_000n,
    shape: '1',
    ...fields,
  };
  return {
    traceId,
    arrivals,
    earlier: earlier && {
      traceId,
      kept: false,
      policy: 'probabilistic',
      probability: 0.1,
      spans: 10,
      ...earlier,
    },
  };
}

const decide = (members: readonly Member[], whole = true, rare = new RareShapes(policies.rareFlowsPerHour)) =>
  decideFlow(members, whole, policies, rare, NOW);

const young = { lastReceivedMs: NOW - WAIT / 2 };
const error = { errors: 1 };
const slow = { endUnixNano: 1_000_000_000n };

const cases: readonly [string, readonly Member[], string, boolean?][] = [
  ['an error', [member(), member(error)], 'keep status_code 1'],
  ['an error while more comes in', [member(young), member(error)], 'keep status_code 1'],
  ['a slow trace', [member(), member(slow)], 'keep latency 1'],
  ['more than is looked at together', [member()], 'keep too_large 1', false],
  ['still coming in', [member(), member(young)], ''],
  [
    'still coming in after six waits',
    [member({ ...young, firstReceivedMs: NOW - 7 * WAIT, traceId: '00'.repeat(16) })],
    'drop probabilistic 0.1',
  ],
  [
    'linked with what was kept by the draw',
    [member(young), member({}, { kept: true })],
    'keep probabilistic 0.1',
  ],
  ['linked with what was dropped', [member(), member({}, {})], 'drop late 0.1'],
  ['linked with what was dropped, with an error', [member(error), member({}, {})], 'keep status_code 1'],
  ['dropped, and more came', [member({ spans: 11 }, {})], 'drop late 0.1'],
  ['dropped, and an error came', [member({ spans: 11, ...error }, {})], 'keep status_code 1'],
  ['dropped, and nothing new', [member({}, {})], ''],
  ['kept, and an error came', [member({ spans: 11, ...error }, { kept: true })], ''],
  ['nothing known', [{ traceId: '00'.repeat(16), arrivals: undefined, earlier: undefined }], ''],
];

for (const [name, members, expected, whole] of cases)
  void test(`a flow: ${name}`, () => {
    const texts = decide(members, whole).map(
      ({ kept, policy, probability }) => `${kept ? 'keep' : 'drop'} ${policy} ${probability}`,
    );
    assert.equal([...new Set(texts)].join(), expected);
  });

void test('what came of a trace before it was kept or dropped is not decided again', () => {
  const fresh = member();
  const decided = decide([fresh, member({}, { kept: true }), member({}, {})]);
  assert.deepEqual(
    decided.map(({ traceId }) => traceId),
    [fresh.traceId],
  );
});

void test('whatever a flow is like it is kept or dropped as one, with one probability, and never when it has an error', () => {
  for (let round = 0; round < 20_000; round += 1) {
    const members = Array.from({ length: randomInt(1, 6) }, () =>
      member({
        errors: randomInt(20) === 0 ? 1 : 0,
        ...(randomInt(20) === 0 ? slow : {}),
        shape: String(randomInt(3)),
        lastReceivedMs: NOW - randomInt(4) * (WAIT / 2) - 1,
      }),
    );
    const decisions = decide(members, randomInt(50) !== 0, new RareShapes(1));
    assert.ok(decisions.length === 0 || decisions.length === members.length);
    assert.ok(new Set(decisions.map(({ kept, probability }) => `${kept} ${probability}`)).size <= 1);
    if (members.some(({ arrivals }) => arrivals?.errors)) assert.ok(decisions[0]?.kept);
  }
});

void test('the draw depends on the ids alone, whoever asks and in whatever order', () => {
  for (let round = 0; round < 2_000; round += 1) {
    const members = Array.from({ length: randomInt(1, 5) }, () => member());
    const first = decide(members)[0];
    const again = decide(
      members.toReversed().map(({ traceId }) => member({ traceId, spans: 3, shape: '2' })),
    )[0];
    assert.equal(again?.kept, first?.kept);
  }
  assert.equal(draw('4bf92f3577b34da6a3ce929d0e0e4736'), draw('4bf92f3577b34da6a3ce929d0e0e4736'));
});

void test('kept flows, each counted as many as it stands for, add up to all there were', () => {
  const rare = new RareShapes(5);
  const flows = 40_000;
  let counted = 0;
  for (let at = 0; at < flows; at += 1) {
    const members = Array.from({ length: 1 + (at % 3) }, () =>
      member({ errors: at % 50 === 0 ? 1 : 0, shape: String(at % 7) }),
    );
    const [decision] = decide(members, true, rare);
    if (decision?.kept) counted += 1 / decision.probability;
  }
  // Six standard deviations of a binomial draw of 0.1, scaled by 10.
  assert.ok(Math.abs(counted - flows) < 6 * 10 * Math.sqrt(flows * 0.1 * 0.9), `${counted} of ${flows}`);
});

void test('ids that are no more than counted numbers are drawn evenly', () => {
  const kept = Array.from({ length: 10_000 }, (_, at) => at.toString(16).padStart(32, '0')).filter(
    (traceId) => draw(traceId) < 0.1,
  );
  assert.ok(kept.length > 820 && kept.length < 1_180, String(kept.length));
});

void test('the first flows of each shape are kept, each hour anew, and no more shapes than there is room for', () => {
  const rare = new RareShapes(2);
  assert.deepEqual(
    [0, 1, 2].map(() => rare.isRare('a', 0)),
    [true, true, false],
  );
  assert.equal(rare.isRare('a', 3_600_000), true);
  for (let at = 0; at < 20_000; at += 1) rare.isRare(`shape ${at}`, 3_600_001);
  assert.equal(rare.isRare('one more', 3_600_002), false);
});
