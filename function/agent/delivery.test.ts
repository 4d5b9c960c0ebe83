import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SpanData } from '../span/span-data.ts';
import { startTracing, type Tracing } from '../span/tracing.ts';
import { start } from './agent.ts';
import { decodeTraces } from './test/otlp-decoder.ts';
import { OtlpSink, type Mood } from './test/otlp-sink.ts';
import { Rig } from './test/rig.ts';

function writeSpans(tracing: Tracing, count: number, from = 0): void {
  const tracer = tracing.tracer();
  for (let i = 0; i < count; i++) tracer.startSpan('work', { attributes: { number: from + i } }).end();
}

function numbers(spans: readonly SpanData[]): number[] {
  return spans.map((span) => Number(span.attributes['number']));
}

/** The numbers as first seen, repeats left out. */
function inOrder(spans: readonly SpanData[]): number[] {
  return [...new Set(numbers(spans))];
}

const sequence = (count: number) => Array.from({ length: count }, (_, i) => i);

const MOODS: readonly { name: string; mood: () => Mood }[] = [
  { name: 'is slow', mood: () => () => sleep(30, undefined) },
  {
    name: 'answers 500 to two of three requests',
    mood: () => {
      let requests = 0;
      return () => (requests++ % 3 === 2 ? undefined : { status: 500, body: 'broken' });
    },
  },
  {
    name: 'answers 429 with Retry-After at first',
    mood: () => {
      let requests = 0;
      return () => (requests++ < 2 ? { status: 429, headers: { 'retry-after': '0' } } : undefined);
    },
  },
  {
    name: 'takes a batch and then says it did not',
    mood: () => {
      let requests = 0;
      return () => (requests++ % 2 === 0 ? { status: 503, isTaken: true } : undefined);
    },
  },
  {
    name: 'refuses our token for a while',
    mood: () => {
      let requests = 0;
      return () => (requests++ < 1 ? { status: 401, body: 'token' } : undefined);
    },
  },
];

for (const { name, mood } of MOODS) {
  void test(`every span arrives in order at a collector that ${name}`, async () => {
    await using rig = new Rig();
    await using sink = await OtlpSink.start();
    sink.mood = mood();
    await using agent = await start({
      journalDirs: [rig.journalDir],
      spoolDir: rig.spoolDir,
      collectorUrl: sink.url,
    });
    using tracing = startTracing({ journal: rig.journal('i-1'), resource: { 'service.name': 'a' } });
    for (let round = 0; round < 5; round++) {
      writeSpans(tracing, 200, round * 200);
      await agent.drained();
    }
    await agent.delivered(AbortSignal.timeout(60_000));
    assert.deepEqual(inOrder(sink.spans), sequence(1000));
    assert.equal(sink.distinct.size, 1000, 'repeats have the same ids');
    assert.equal(agent.status().acknowledged.spans, 1000);
    assert.deepEqual(agent.status().dropped, { spans: 0, logs: 0 });
  });
}

void test('Retry-After is honoured', async () => {
  await using rig = new Rig();
  await using sink = await OtlpSink.start();
  const times: number[] = [];
  sink.mood = () => {
    times.push(Date.now());
    return times.length === 1 ? { status: 503, headers: { 'retry-after': '1' } } : undefined;
  };
  await using agent = await start({
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: sink.url,
  });
  using tracing = startTracing({ journal: rig.journal('i-1'), resource: {} });
  writeSpans(tracing, 1);
  await agent.drained();
  assert.equal(agent.status().waiting.spans, 1);
  await agent.delivered(AbortSignal.timeout(60_000));
  assert.ok((times[1] as number) - (times[0] as number) >= 990, 'the collector asked for a second');
});

void test('a collector that is away for a while gets everything when it is back, also from the next agent', async () => {
  await using rig = new Rig();
  const gone = await OtlpSink.start();
  const { port, url } = gone;
  await gone[Symbol.asyncDispose]();
  const options = {
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: url,
    stopTimeoutMs: 50,
  };
  using tracing = startTracing({ journal: rig.journal('i-1'), resource: { 'service.name': 'a' } });
  {
    await using agent = await start(options);
    writeSpans(tracing, 500);
    await agent.drained();
    assert.deepEqual(agent.status().waiting, { spans: 500, logs: 0 });
  }
  await using agent = await start(options);
  assert.deepEqual(agent.status().waiting, { spans: 500, logs: 0 });
  writeSpans(tracing, 500, 500);
  await agent.drained();
  await using sink = await OtlpSink.start(port);
  await agent.delivered(AbortSignal.timeout(60_000));
  assert.deepEqual(numbers(sink.spans), sequence(1000));
  assert.equal(agent.status().collector.state, 'up');
});

void test('one frame that the collector refuses for good is set aside and counted; the others arrive', async () => {
  await using rig = new Rig();
  await using sink = await OtlpSink.start();
  let isAway = true;
  sink.mood = (_request, body) => {
    if (isAway) return { status: 503, headers: { 'retry-after': '0' } };
    return body.includes('poison') ? { status: 400, body: 'cannot read' } : undefined;
  };
  await using agent = await start({
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: sink.url,
  });
  using tracing = startTracing({ journal: rig.journal('i-1'), resource: {} });
  writeSpans(tracing, 10);
  await agent.drained();
  tracing.tracer().startSpan('poison').end();
  await agent.drained();
  writeSpans(tracing, 10, 10);
  await agent.drained();
  isAway = false;
  await agent.delivered(AbortSignal.timeout(60_000));
  assert.deepEqual(numbers(sink.spans), sequence(20));
  assert.deepEqual(agent.status().rejected, { spans: 1, logs: 0 });
  assert.equal(agent.status().acknowledged.spans, 20);
  const kept = decodeTraces(readFileSync(join(rig.spoolDir, 'rejected.traces')));
  assert.deepEqual(
    kept.map((span) => span.name),
    ['poison'],
  );
});

void test('what partial success rejects is counted', async () => {
  await using rig = new Rig();
  await using sink = await OtlpSink.start();
  // partial_success = 1 { rejected_spans = 1: 3, error_message = 2: "no" }
  sink.mood = () => ({
    status: 200,
    isTaken: true,
    body: Buffer.from([0x0a, 6, 0x08, 3, 0x12, 2, 0x6e, 0x6f]),
  });
  await using agent = await start({
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: sink.url,
  });
  using tracing = startTracing({ journal: rig.journal('i-1'), resource: {} });
  writeSpans(tracing, 10);
  await agent.drained();
  await agent.delivered(AbortSignal.timeout(60_000));
  const { acknowledged, rejected } = agent.status();
  assert.equal(acknowledged.spans + rejected.spans, 10);
  assert.ok(rejected.spans >= 3);
});

void test('a spool with a bound drops the oldest and counts them exactly', async () => {
  await using rig = new Rig();
  await using sink = await OtlpSink.start();
  let isAway = true;
  sink.mood = () => (isAway ? { status: 503, headers: { 'retry-after': '0' } } : undefined);
  await using agent = await start({
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: sink.url,
    maxSpoolBytes: 512 * 1024,
  });
  using tracing = startTracing({ journal: rig.journal('i-1'), resource: {} });
  const count = 20_000;
  for (let from = 0; from < count; from += 500) {
    writeSpans(tracing, 500, from);
    await agent.drained();
  }
  assert.deepEqual(tracing.dropped, { spans: 0, logs: 0 }, 'the functions did not feel it');
  assert.ok(agent.status().waitingBytes <= 512 * 1024);
  isAway = false;
  await agent.delivered(AbortSignal.timeout(60_000));
  const { dropped } = agent.status();
  assert.ok(dropped.spans > 0);
  const arrived = inOrder(sink.spans);
  assert.equal(arrived.length + dropped.spans, count);
  assert.deepEqual(arrived.slice(-1000), sequence(count).slice(-1000), 'the newest are kept');
  assert.deepEqual(
    arrived,
    [...arrived].sort((a, b) => a - b),
  );
});

void test('agents killed at random moments, one after the other, lose nothing', async () => {
  await using rig = new Rig();
  await using sink = await OtlpSink.start();
  let requests = 0;
  // Every other refusal is a lie: what is sent again has arrived.
  sink.mood = () => (requests++ % 4 === 1 ? { status: 503, isTaken: requests % 8 === 2 } : undefined);
  const count = 8_000;
  const writer = rig.run('writer.ts', rig.journal('i-1'), 'endless', String(count));
  await writer.line();
  let isWritten = false;
  const written = writer.line().then(() => (isWritten = true));
  for (let life = 0; life < 6; life++) {
    const agent = rig.run('agent-process.ts', rig.journalDir, rig.spoolDir, sink.url);
    await agent.line();
    const before = requests;
    // On a slow machine all may be written and delivered before the last lives.
    await sink.until(() => requests >= before + 2 || (isWritten && requests > 0));
    await agent.kill();
  }
  await written;
  await writer.kill();
  await using agent = await start({
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: sink.url,
  });
  await sink.until(() => agent.status().journals === 0);
  await agent.delivered(AbortSignal.timeout(60_000));
  assert.equal(agent.status().damagedRecords, 0);
  assert.equal(agent.status().journalDropped.spans, 0);
  assert.equal(sink.distinct.size, count * 4);
  // A line that came twice has the same uid both times, and no other line has it.
  const uids = new Map(sink.logs.map((log) => [log.attributes['log.record.uid'], log.body]));
  assert.equal(uids.size, count);
  assert.equal(new Set(uids.values()).size, count);
  assert.equal(new Set(sink.logs.map((log) => log.body)).size, count);
  const roots = sink.spans.filter((span) => span.name === 'root');
  assert.equal(new Set(numbers(roots)).size, count);
  assert.ok(sink.logs.length < count * 3);
  // Six kills, each at worst between a spool's append and the note of it, or before an answer: repeats are few.
  assert.ok(sink.spans.length < count * 4 * 3);
});
