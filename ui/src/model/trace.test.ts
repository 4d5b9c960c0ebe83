import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeOtlp } from '../../../backend/query/otlp-json.ts';
import { greeting } from '../../../backend/query/test/greetings.ts';
import { readTrace } from './trace.ts';

const START = 1_795_000_000_000_000_000n;

void test('a greeting whose image was killed: one tree, the killed span named, attempts, phases and the wait marked', () => {
  const spans = greeting(2, START, 'crash');
  const trace = readTrace(spans[0]?.traceId ?? '', encodeOtlp(spans));
  assert.ok(trace);
  assert.equal(trace.startUnixNano, START);
  assert.equal(trace.spans.length, spans.length);
  assert.deepEqual(
    [trace.rootCount, trace.orphanCount, trace.errorCount, trace.unfinishedCount],
    [1, 0, 2, 1],
  );
  const killed = trace.spans.find((span) => span.marks.killedBy !== '');
  assert.equal(killed?.name, 'image');
  assert.equal(killed?.marks.killedBy, 'SIGKILL');
  assert.deepEqual(
    trace.spans.filter((span) => span.name === 'invoke image').map((span) => span.marks.attempt),
    [1, 2],
  );
  assert.equal(trace.spans.filter((span) => span.marks.isPhase).length, 6);
  const consumer = trace.spans.find((span) => span.name === 'process greetings');
  assert.ok((consumer?.marks.queueWait ?? 0) > 30e6);
});

void test('a first attempt that succeeds says nothing of attempts', () => {
  const spans = greeting(1, START, 'warm');
  const trace = readTrace(spans[0]?.traceId ?? '', encodeOtlp(spans));
  assert.ok(trace?.spans.every((span) => span.marks.attempt === 0));
});

void test('a span that ends before it starts, one of no parent, and an empty answer', () => {
  const [first] = greeting(3, START, 'warm');
  assert.ok(first);
  const odd = { ...first, endTimeUnixNano: START - 5n, parentSpanId: '00000000000000ff' };
  const trace = readTrace(first.traceId, encodeOtlp([odd]));
  assert.equal(trace?.spans[0]?.duration, 0);
  assert.equal(trace?.spans[0]?.marks.endsBeforeStart, true);
  assert.equal(trace?.orphanCount, 1);
  assert.equal(trace?.durationNanos, 1);
  assert.equal(readTrace(first.traceId, { resourceSpans: [] }), undefined);
});
