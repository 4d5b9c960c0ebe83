import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SPAN_KIND, type SpanData, type SpanKind } from '../../function/span/span-data.ts';
import { countCalls } from './call-join.ts';
import { Calls } from './calls.ts';
import type { ChdbEngine } from './chdb-engine.ts';
import { readDependencies } from './dependencies.ts';
import type { Engine } from './engine.ts';
import { openStore } from './open-store.ts';
import { dropOldDays } from './retention.ts';
import type { DependencyEdge } from './store.ts';
import { NOON, span, spanIdOf, temporaryFolder, traceIdOf } from './testing.ts';

const MINUTE = 60_000_000_000n;
/** Two days meet there, which are two parts in every table. */
const MIDNIGHT = NOON + 720n * MINUTE;
const range = { startUnixNano: MIDNIGHT - 30n * MINUTE, endUnixNano: MIDNIGHT + 30n * MINUTE };

/** What is caused in the whole minutes of the range, joined one by one; the spans need not be in any order nor once only. */
function direct(spans: readonly SpanData[], topics: boolean, of = range): readonly DependencyEdge[] {
  const once = new Map(spans.map((one) => [`${one.traceId} ${one.spanId}`, one]));
  const counts = new Map<string, DependencyEdge>();
  const count = (edge: Omit<DependencyEdge, 'callCount'>) => {
    const key = JSON.stringify(edge);
    counts.set(key, { ...edge, callCount: (counts.get(key)?.callCount ?? 0) + 1 });
  };
  const service = (one: SpanData) => one.resource['service.name'] as string;
  for (const one of once.values()) {
    const minute = one.startTimeUnixNano / MINUTE;
    if (minute < of.startUnixNano / MINUTE || minute > of.endUnixNano / MINUTE) continue;
    const causes = new Set([
      ...(one.parentSpanId === '' ? [] : [`${one.traceId} ${one.parentSpanId}`]),
      ...one.links.map(({ traceId, spanId }) => `${traceId} ${spanId}`),
    ]);
    for (const id of causes) {
      const cause = once.get(id);
      if (!cause || service(cause) === service(one)) continue;
      if (topics && cause.kind === SPAN_KIND.producer) continue;
      count({ parent: service(cause), child: service(one) });
    }
    const topic = one.attributes['messaging.destination.name'] as string | undefined;
    if (!topics || topic === undefined) continue;
    if (one.kind === SPAN_KIND.producer) count({ parent: service(one), child: topic, topic: 'child' });
    if (one.kind === SPAN_KIND.consumer) count({ parent: topic, child: service(one), topic: 'parent' });
  }
  return sorted([...counts.values()]);
}

function sorted(edges: readonly DependencyEdge[]): readonly DependencyEdge[] {
  return [...edges].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** The same numbers for the same seed (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const KINDS: readonly SpanKind[] = [
  SPAN_KIND.internal,
  SPAN_KIND.server,
  SPAN_KIND.client,
  SPAN_KIND.producer,
  SPAN_KIND.consumer,
];

/** Trees whose spans start up to 50 minutes after their parent, some with links into other trees, some with a parent that is nowhere. */
function forest(random: (below: number) => number, trees: number): readonly SpanData[] {
  const spans: SpanData[] = [];
  for (let tree = 0; tree < trees; tree += 1) {
    const traceId = traceIdOf();
    const own: SpanData[] = [];
    for (let size = 1 + random(8); size > 0; size -= 1) {
      const parent = own[random(own.length + 1)];
      const start = parent
        ? parent.startTimeUnixNano +
          (random(4) === 0 ? BigInt(random(50)) * MINUTE : BigInt(random(90)) * 1_000_000_000n)
        : MIDNIGHT + BigInt(random(120) - 60) * MINUTE + BigInt(random(60)) * 1_000_000_000n;
      const linked = random(4) === 0 ? spans[random(spans.length)] : undefined;
      const near = linked && start - linked.startTimeUnixNano;
      const links =
        linked && near !== undefined && near > -MINUTE && near < 59n * MINUTE
          ? [parent && random(3) === 0 ? parent : linked]
          : [];
      const kind = KINDS[random(KINDS.length)] as SpanKind;
      own.push(
        span({
          traceId,
          parentSpanId: parent?.spanId ?? (random(5) === 0 ? spanIdOf() : ''),
          kind,
          startTimeUnixNano: start,
          endTimeUnixNano: start + 1n,
          resource: { 'service.name': `service-${random(5)}` },
          attributes: random(2) === 0 ? { 'messaging.destination.name': `topic-${random(3)}` } : {},
          links: links.map(({ traceId: to, spanId }) => ({
            traceId: to,
            spanId,
            traceState: '',
            flags: 0,
            attributes: {},
            droppedAttributesCount: 0,
          })),
        }),
      );
    }
    spans.push(...own);
  }
  return spans;
}

void test('whatever comes late, twice or in any order, and whoever is killed: the calls are those of the direct join', async () => {
  const seed = Date.now() % 1_000_000;
  const random = randomOf(seed);
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const waiting = [...forest(random, 60)];
  const stored: SpanData[] = [];
  for (let round = 0; waiting.length > 0; round += 1) {
    const body: SpanData[] = [];
    for (let size = 1 + random(60); size > 0 && waiting.length > 0; size -= 1)
      body.push(...waiting.splice(random(waiting.length), 1));
    for (let size = random(10); size > 0 && stored.length > 0; size -= 1)
      body.push(stored[random(stored.length)] as SpanData);
    await store.writer.writeSpans(body);
    stored.push(...body);
    // Some rounds nobody asks; in others one does who is killed before, between or after its writes, or for another range.
    if (random(3) === 0) continue;
    const calls = new Calls(killedAtWrite(store.engine, random(4)));
    const of = {
      startUnixNano: MIDNIGHT + BigInt(random(60) - 90) * MINUTE,
      endUnixNano: MIDNIGHT + BigInt(random(90)) * MINUTE,
    };
    for (const [by, asked, topics] of [
      [calls, random(2) === 0 ? of : range, random(2) === 0],
      [new Calls(store.engine), range, random(2) === 0],
    ] as const)
      assert.deepEqual(
        sorted(await readDependencies(by, asked, topics)),
        direct(stored, topics, asked),
        `seed ${seed}, round ${round}`,
      );
  }
  const always = { startUnixNano: 0n, endUnixNano: 2n ** 63n };
  for (const topics of [false, true])
    assert.deepEqual(
      sorted(await store.reader.dependencies(always, { topics })),
      direct(stored, topics, always),
      `seed ${seed}`,
    );
  // All of it is kept now.
  let writes = 0;
  const calls = new Calls({
    ...killedAtWrite(store.engine, Infinity),
    insertNative: async () => void (writes += 1),
  });
  assert.deepEqual(sorted(await readDependencies(calls, range, false)), direct(stored, false));
  assert.equal(writes, 0);
});

/** Whose inserts fail from the n-th on: that one is made, and nobody hears of it. */
function killedAtWrite(engine: Engine, nth: number): Engine {
  let writes = 0;
  return {
    rows: (sql, options) => engine.rows(sql, options),
    command: (sql) => engine.command(sql),
    async insertNative(insert) {
      writes += 1;
      if (writes <= nth) await engine.insertNative(insert);
      if (writes >= nth) throw new Error('killed');
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

void test('an engine killed while it counts, again and again, loses no call and counts none twice', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const engine = store.engine as ChdbEngine;
  const stored: SpanData[] = [];
  for (let round = 0; round < 4; round += 1) {
    const spans = forest(randomOf(round), 30);
    await store.writer.writeSpans(spans);
    stored.push(...spans);
    const asked = store.reader.dependencies(range);
    const timer = setTimeout(() => process.kill(engine.pid as number, 'SIGKILL'), 10 + 15 * round);
    assert.deepEqual(sorted(await asked), direct(stored, false));
    clearTimeout(timer);
  }
  assert.deepEqual(sorted(await store.reader.dependencies(range)), direct(stored, false));
});

void test('a minute too large for one statement is counted in shares', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const start = { startTimeUnixNano: MIDNIGHT, endTimeUnixNano: MIDNIGHT };
  const spans = forest(randomOf(7), 60).map((one) => ({ ...one, ...start }));
  await store.writer.writeSpans(spans);
  const minute = Number(MIDNIGHT / MINUTE);
  let calls = 0;
  for (const number of [0, 1, 2])
    for (const edge of (await countCalls(store.engine, [minute], { number, of: 3 })).get(minute) ?? [])
      calls += edge.topic === 0 ? edge.calls : 0;
  const wanted = direct(spans, false).reduce((sum, { callCount }) => sum + callCount, 0);
  assert.ok(wanted > 20);
  assert.equal(calls, wanted);
});

void test('calls go with the spans that made them, also those whose cause was of the day that went', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const at = (startTimeUnixNano: bigint, service: string, parent?: SpanData) =>
    span({
      startTimeUnixNano,
      endTimeUnixNano: startTimeUnixNano + 1n,
      resource: { 'service.name': service },
      ...(parent && { traceId: parent.traceId, parentSpanId: parent.spanId }),
    });
  const before = at(MIDNIGHT - 2n * MINUTE, 'a');
  const within = at(MIDNIGHT - MINUTE, 'b', before);
  const after = at(MIDNIGHT + MINUTE, 'c', before);
  const last = at(MIDNIGHT + 2n * MINUTE, 'd', after);
  await store.writer.writeSpans([before, within, after, last]);
  assert.equal((await store.reader.dependencies(range)).length, 3);
  assert.deepEqual(
    await dropOldDays(store.engine, { maxDays: 1 }, Number((MIDNIGHT + MINUTE) / 1_000_000n)),
    ['2026-03-01'],
  );
  assert.deepEqual(await store.reader.dependencies(range), [{ parent: 'c', child: 'd', callCount: 1 }]);
});
