import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStore } from './open-store.ts';
import { NOON, span, spanIdOf, temporaryFolder, traceIdOf } from './testing.ts';

const SECOND = 1_000_000_000n;
const RANGE = { startUnixNano: NOON, endUnixNano: NOON + 100n * SECOND - 1n };

void test('traces are counted where their spans match, once in a bin and once in all', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const [long, failed, other] = [traceIdOf(), traceIdOf(), traceIdOf()];
  await store.writer.writeSpans([
    at(long, 0n),
    at(long, 1n),
    at(long, 25n),
    at(failed, 25n, true),
    at(other, 26n, false, 'validator'),
    at(other, 99n, true, 'validator'),
    // Outside.
    at(other, 100n),
  ]);
  const everything = await store.reader.matchCounts({ range: RANGE, bins: 10 });
  assert.deepEqual(everything, {
    stepNano: 10n * SECOND,
    traces: 3,
    errorTraces: 2,
    bins: [bin(0n, 1, 0), bin(2n, 3, 1), bin(9n, 1, 1)],
  });
  const ofOne = await store.reader.matchCounts({
    range: RANGE,
    bins: 10,
    where: { kind: 'test', field: 'service', operator: '=', value: 'greeter' },
  });
  assert.deepEqual(ofOne, {
    stepNano: 10n * SECOND,
    traces: 2,
    errorTraces: 1,
    bins: [bin(0n, 1, 0), bin(2n, 2, 1)],
  });
  const nobody = { kind: 'test', field: 'service', operator: '=', value: "x' OR 1=1 --" } as const;
  assert.deepEqual(await store.reader.matchCounts({ range: RANGE, bins: 10, where: nobody }), {
    stepNano: 10n * SECOND,
    traces: 0,
    errorTraces: 0,
    bins: [],
  });
  await assert.rejects(store.reader.matchCounts({ range: RANGE, bins: 0 }), { reason: 'bad_request' });
});

void test('what tail sampling decided is told by how many it kept', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const range = { startUnixNano: NOON, endUnixNano: NOON + 60n * SECOND };
  assert.deepEqual(await store.reader.samplingStats(range), { decided: 0, kept: 0 });
  const nowMs = Number(NOON / 1_000_000n);
  const decisions = Array.from({ length: 10 }, (_, i) => ({
    traceId: traceIdOf(),
    kept: i === 0,
    policy: 'probabilistic',
    probability: 0.1,
    spans: 1,
  }));
  await store.sampling.decide(decisions, nowMs + 1_000);
  await store.sampling.decide(decisions.slice(0, 2), nowMs + 2_000);
  assert.deepEqual(await store.reader.samplingStats(range), { decided: 10, kept: 1 });
  const later = { startUnixNano: range.endUnixNano, endUnixNano: range.endUnixNano + SECOND };
  assert.deepEqual(await store.reader.samplingStats(later), { decided: 0, kept: 0 });
});

function at(traceId: string, seconds: bigint, isFailed = false, service = 'greeter') {
  return span({
    traceId,
    spanId: spanIdOf(),
    startTimeUnixNano: NOON + seconds * SECOND,
    endTimeUnixNano: NOON + seconds * SECOND + 1_000n,
    status: { code: isFailed ? 2 : 0, message: '' },
    resource: { 'service.name': service },
  });
}

function bin(number: bigint, traces: number, errorTraces: number) {
  return { startUnixNano: NOON + number * 10n * SECOND, traces, errorTraces };
}
