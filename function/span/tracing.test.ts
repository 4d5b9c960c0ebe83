import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import {
  context as contextApi,
  createTraceState,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Span,
} from '@opentelemetry/api';
import { contextManager } from './context-manager.ts';
import { endWith } from './journal-span.ts';
import { createSampler } from './sampler.ts';
import { suppressTracing } from './suppress.ts';
import { startTemporaryTracing } from './test/temporary-journal.ts';
import { DEFAULT_LIMITS, readTracingEnv } from './tracing-env.ts';
import { registerGlobals, startTracing, type Tracing } from './tracing.ts';

for (const transport of ['map', 'write'] as const) {
  void test(`a span says everything the API lets it say (${transport})`, () => {
    using temporary = startTemporaryTracing({ transport });
    const { tracing } = temporary;
    assert.equal(tracing.failure, undefined);
    assert.equal(tracing.transport, transport);
    const linked = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1, isRemote: true };
    const span = tracing.tracer('lib', '1.2.3').startSpan('first name', {
      kind: SpanKind.PRODUCER,
      attributes: { 'at.start': 'yes', same: 1 },
      links: [{ context: linked, attributes: { why: 'retry' } }],
      startTime: [1_790_000_000, 500_000_000],
    });
    assert.equal(span.isRecording(), true);
    span.setAttribute('same', 2).setAttributes({ list: ['a', 'b'], ratio: 0.5, ok: true });
    span.addEvent('cache.miss', { key: 'k' }, 1_790_000_000_750);
    span.addEvent('bare', new Date(1_790_000_000_800));
    span.recordException(new TypeError('no such card'));
    span.updateName('second name');
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'broken' });
    span.end([1_790_000_001, 0]);

    const [read, ...rest] = temporary.read().spans;
    assert.ok(read);
    assert.deepEqual(rest, []);
    assert.equal(read.name, 'second name');
    assert.equal(read.kind, 4);
    assert.equal(read.parentSpanId, '');
    assert.deepEqual([read.traceId, read.spanId], [span.spanContext().traceId, span.spanContext().spanId]);
    assert.deepEqual(read.scope, { name: 'lib', version: '1.2.3' });
    assert.deepEqual(read.resource, { 'service.name': 'greeter' });
    assert.deepEqual(read.attributes, {
      'at.start': 'yes',
      same: 2n,
      list: ['a', 'b'],
      ratio: 0.5,
      ok: true,
    });
    assert.deepEqual(read.status, { code: 2, message: 'broken' });
    assertNear(read.startTimeUnixNano, 1_790_000_000_500_000_000n);
    assertNear(read.endTimeUnixNano, 1_790_000_001_000_000_000n);
    assert.deepEqual(
      read.events.map((event) => event.name),
      ['cache.miss', 'bare', 'exception'],
    );
    assertNear(read.events[0]?.timeUnixNano ?? 0n, 1_790_000_000_750_000_000n);
    assertNear(read.events[1]?.timeUnixNano ?? 0n, 1_790_000_000_800_000_000n);
    assert.equal(read.events[2]?.attributes['exception.type'], 'TypeError');
    assert.equal(read.events[2]?.attributes['exception.message'], 'no such card');
    assert.match(read.events[2]?.attributes['exception.stacktrace'] as string, /tracing\.test/);
    assert.deepEqual(
      read.links.map((link) => [link.traceId, link.spanId, link.flags & 0x3ff, link.attributes]),
      [['ab'.repeat(16), 'cd'.repeat(8), 0x301, { why: 'retry' }]],
    );
  });

  void test(`a span is open in the journal from its start, with what is known of it (${transport})`, () => {
    using temporary = startTemporaryTracing({ transport });
    const tracer = temporary.tracing.tracer();
    const span = tracer.startSpan('stuck', { attributes: { 'faas.invocation_id': 'i-1' } });
    span.setAttribute('step', 'waiting');
    span.addEvent('called');
    const { open, spans } = temporary.read();
    assert.deepEqual(spans, []);
    assert.equal(open[0]?.name, 'stuck');
    assert.deepEqual(open[0]?.attributes, { 'faas.invocation_id': 'i-1', step: 'waiting' });
    assert.equal(open[0]?.events.length, 1);
  });
}

void test('a span that ends twice is recorded once, and says nothing after its end', () => {
  using temporary = startTemporaryTracing();
  const span = temporary.tracing.tracer().startSpan('once');
  span.end();
  assert.equal(span.isRecording(), false);
  span.setAttribute('late', 1).addEvent('late').updateName('late').setStatus({ code: SpanStatusCode.OK });
  span.recordException(new Error('late'));
  span.end();
  const { spans, orphans } = temporary.read();
  assert.equal(spans.length, 1);
  assert.equal(orphans, 0);
  assert.deepEqual([spans[0]?.name, spans[0]?.attributes, spans[0]?.status.code], ['once', {}, 0]);
});

void test('a header says the ids and the state of the span', () => {
  using temporary = startTemporaryTracing();
  const { tracing } = temporary;
  const traceState = createTraceState('vendor=1');
  const remote = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1, traceState };
  for (const parent of [ROOT_CONTEXT, trace.setSpanContext(ROOT_CONTEXT, remote)])
    for (let i = 0; i < 100; i++) {
      const span = tracing.tracer().startSpan('s', {}, parent);
      const headers: Record<string, string> = {};
      tracing.propagator.inject(trace.setSpan(parent, span), headers, defaultTextMapSetter);
      const { traceId, spanId } = span.spanContext();
      const state = parent === ROOT_CONTEXT ? {} : { tracestate: 'vendor=1' };
      assert.deepEqual(headers, { traceparent: `00-${traceId}-${spanId}-01`, ...state });
    }
});

void test('ok is final, and unset changes nothing', () => {
  using temporary = startTemporaryTracing();
  const span = temporary.tracing.tracer().startSpan('s');
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'first' });
  span.setStatus({ code: SpanStatusCode.UNSET });
  span.setStatus({ code: SpanStatusCode.OK, message: 'ignored' });
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'too late' });
  span.end();
  assert.deepEqual(temporary.read().spans[0]?.status, { code: 1, message: '' });
});

void test('children follow the active span, through awaits and bound callbacks', async () => {
  using temporary = startTemporaryTracing();
  const tracer = temporary.tracing.tracer();
  await tracer.startActiveSpan('parent', async (parent) => {
    await new Promise((resolve) => setImmediate(resolve));
    tracer.startSpan('child').end();
    tracer.startActiveSpan('unrelated', { root: true }, (span) => span.end());
    parent.end();
  });
  const { spans } = temporary.read();
  const [child, unrelated, parent] = spans;
  assert.equal(child?.parentSpanId, parent?.spanId);
  assert.equal(child?.traceId, parent?.traceId);
  assert.equal(unrelated?.parentSpanId, '');
  assert.notEqual(unrelated?.traceId, parent?.traceId);
});

void test('a bound emitter calls its listeners in the context it was bound to, and forgets those removed', () => {
  const key = Symbol('key');
  const bound = contextManager.bind(ROOT_CONTEXT.setValue(key, 'mine'), new EventEmitter());
  const seen: unknown[] = [];
  const listener = () => seen.push(contextManager.active().getValue(key));
  bound.on('tick', listener);
  bound.once('tick', listener);
  bound.emit('tick');
  bound.removeListener('tick', listener);
  bound.emit('tick');
  assert.deepEqual(seen, ['mine', 'mine']);
});

void test('limits hold, and what they cost is counted', () => {
  using temporary = startTemporaryTracing({
    limits: {
      ...DEFAULT_LIMITS,
      attributeCount: 3,
      eventCount: 2,
      linkCount: 1,
      attributePerEventCount: 1,
      attributeValueLength: 5,
    },
  });
  const span = temporary.tracing
    .tracer()
    .startSpan('limited', { attributes: { a: 'longer than five', b: 1 } });
  span.setAttribute('a', 'again').setAttribute('c', 3).setAttribute('d', 4).setAttribute('c', 33);
  for (let i = 0; i < 4; i++) span.addEvent('e', { x: 1, y: 2 });
  const context = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1 };
  span.addLinks([{ context }, { context }, { context: { ...context, spanId: 'nonsense' } }]);
  span.end();
  const read = temporary.read().spans[0];
  assert.deepEqual(read?.attributes, { a: 'again', b: 1n, c: 33n });
  assert.equal(read?.droppedAttributesCount, 1);
  assert.deepEqual([read?.events.length, read?.droppedEventsCount], [2, 2]);
  assert.deepEqual(read?.events[0]?.attributes, { x: 1n });
  assert.equal(read?.events[0]?.droppedAttributesCount, 1);
  assert.deepEqual([read?.links.length, read?.droppedLinksCount], [1, 2]);
});

for (const attributeCount of [128, 3])
  void test(`an end with last attributes says what two calls would, ${attributeCount} allowed`, () => {
    using temporary = startTemporaryTracing({ limits: { ...DEFAULT_LIMITS, attributeCount } });
    const tracer = temporary.tracing.tracer();
    const last = { 'spoor.outcome': 'retry', 'faas.coldstart': undefined, same: 2, 'http.status': 503 };
    for (const end of [endWith, (span: Span) => span.setAttributes(last).end()]) {
      const span = tracer.startSpan('s', { attributes: { 'spoor.attempt': 1, same: 1 } });
      span.setStatus({ code: SpanStatusCode.ERROR, message: 'busy' });
      end(span, last);
      end(span, { late: 1 });
    }
    const [one, two] = temporary.read().spans;
    assert.ok(one && two);
    const told = ({ attributes, status, droppedAttributesCount }: typeof one) => ({
      attributes,
      status,
      droppedAttributesCount,
    });
    assert.deepEqual(told(one), told(two));
    assert.deepEqual(one.status, { code: 2, message: 'busy' });
    assert.equal(one.attributes['spoor.outcome'], 'retry');
    assert.equal(one.attributes['same'], 2n);
  });

void test('attributes that are no values, or throw when read, cost nobody anything', () => {
  using temporary = startTemporaryTracing();
  const tracer = temporary.tracing.tracer();
  const hostile = {
    good: 1,
    get bad(): string {
      throw new Error('getter');
    },
  };
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const span = tracer.startSpan('s', { attributes: hostile });
  span.setAttribute('nothing', undefined).setAttribute('null', null);
  span.setAttribute('function', () => 1);
  span.setAttribute('circular', circular);
  span.setAttribute('big', 2n ** 80n);
  span.recordException('only a string');
  span.end();
  const read = temporary.read().spans[0];
  assert.equal(read?.attributes['good'], 1n);
  assert.equal(read?.attributes['big'], String(2n ** 80n));
  assert.deepEqual(
    Object.keys(read?.attributes ?? {}).filter((key) => ['nothing', 'null', 'function', 'bad'].includes(key)),
    [],
  );
  assert.equal(read?.events[0]?.attributes['exception.message'], 'only a string');
});

void test('below a suppressed context nothing is recorded', () => {
  using temporary = startTemporaryTracing();
  const tracer = temporary.tracing.tracer();
  contextManager.with(suppressTracing(ROOT_CONTEXT), () => {
    assert.equal(tracer.startSpan('quiet').isRecording(), false);
  });
  const { spans, open } = temporary.read();
  assert.deepEqual([spans, open], [[], []]);
});

void test('without a journal nothing is recorded and the context goes on', () => {
  using tracing = startTracing({ journal: undefined, resource: {} });
  const remote = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1, isRemote: true };
  const span = tracing.tracer().startSpan('s', {}, trace.setSpanContext(ROOT_CONTEXT, remote));
  assert.equal(span.isRecording(), false);
  assert.equal(span.spanContext().traceId, remote.traceId);
  assert.equal(tracing.transport, 'none');
  tracing.log({ severityNumber: 9, source: 'console', body: 'x' });
});

void test('a journal that cannot be created switches tracing off and says why', () => {
  using tracing = startTracing({ journal: '/proc/no/such/folder/x.journal', resource: {} });
  assert.match(String(tracing.failure?.message), /cannot trace into journal \[\/proc\/no\/such/);
  tracing.tracer().startSpan('s').end();
  using odd = startTracing({ journal: '/proc/x', resource: {}, segmentBytes: 1000 });
  assert.match(String(odd.failure?.message), /segmentBytes \[1000\]/);
});

void test('logs carry the ids of the span they were written in', () => {
  using temporary = startTemporaryTracing();
  const { tracing } = temporary;
  tracing.tracer().startActiveSpan('s', (span) => {
    tracing.log({ severityNumber: 17, source: 'stderr', body: 'inside', attributes: { n: 1 } });
    span.end();
  });
  tracing.log({ severityNumber: 9, source: 'console', body: { a: [1, null] }, timeMs: 1_790_000_000_000 });
  const { logs, spans } = temporary.read();
  assert.deepEqual([logs[0]?.spanId, logs[0]?.traceId], [spans[0]?.spanId, spans[0]?.traceId]);
  assert.deepEqual([logs[0]?.severityNumber, logs[0]?.severityText, logs[0]?.body], [17, 'ERROR', 'inside']);
  assert.deepEqual(logs[0]?.attributes, { 'log.iostream': 'stderr', n: 1n });
  assert.deepEqual([logs[1]?.traceId, logs[1]?.spanId, logs[1]?.body], ['', '', { a: [1n, null] }]);
  assertNear(logs[1]?.timeUnixNano ?? 0n, 1_790_000_000_000_000_000n);
});

void test('a new resource holds for what ends after it, and the last word is kept', () => {
  using temporary = startTemporaryTracing();
  const { tracing } = temporary;
  tracing.setResource({ 'service.name': 'image', 'faas.version': '7' });
  tracing.tracer().startSpan('s').end();
  tracing.goodbye({ 'exception.type': 'RangeError', 'spoor.end.exit_code': 1 });
  const { spans, goodbyes } = temporary.read();
  assert.deepEqual(spans[0]?.resource, { 'service.name': 'image', 'faas.version': '7' });
  assert.deepEqual(goodbyes, [{ 'exception.type': 'RangeError', 'spoor.end.exit_code': 1n }]);
});

void test('the globals of the OpenTelemetry API lead here', () => {
  using temporary = startTemporaryTracing();
  registerGlobals(temporary.tracing);
  trace.getTracer('user').startActiveSpan('through the API', (span) => {
    assert.equal(trace.getActiveSpan(), span);
    contextApi.with(trace.deleteSpan(contextApi.active()), () =>
      assert.equal(trace.getActiveSpan(), undefined),
    );
    span.end();
  });
  assert.equal(temporary.read().spans[0]?.scope.name, 'user');
});

const PARENT = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), isRemote: true };
for (const [name, ratio, root, sampledParent, unsampledParent] of [
  ['always_on', 1, true, true, true],
  ['always_off', 1, false, false, false],
  ['traceidratio', 1, true, true, true],
  ['traceidratio', 0, false, false, false],
  ['parentbased_always_on', 1, true, true, false],
  ['parentbased_always_off', 1, false, true, false],
  ['parentbased_traceidratio', 0, false, true, false],
] as const) {
  void test(`sampler ${name} ${ratio}`, () => {
    using temporary = startTemporaryTracing({ sampler: createSampler(name, ratio) });
    const start = (traceFlags?: number) =>
      temporary.tracing
        .tracer()
        .startSpan(
          's',
          {},
          traceFlags === undefined
            ? ROOT_CONTEXT
            : trace.setSpanContext(ROOT_CONTEXT, { ...PARENT, traceFlags }),
        );
    for (const [span, expected] of [
      [start(), root],
      [start(1), sampledParent],
      [start(0), unsampledParent],
    ] as const) {
      assert.equal(span.isRecording(), expected);
      assert.equal(span.spanContext().traceFlags, expected ? 1 : 0);
      assert.match(span.spanContext().spanId, /^[0-9a-f]{16}$/);
    }
    assert.equal(start(0).spanContext().traceId, PARENT.traceId);
  });
}

void test('a ratio keeps that share of the traces', () => {
  using temporary = startTemporaryTracing({ sampler: createSampler('traceidratio', 0.25) });
  const tracer = temporary.tracing.tracer();
  let kept = 0;
  for (let i = 0; i < 4000; i++) if (tracer.startSpan('s').isRecording()) kept += 1;
  assert.ok(kept > 800 && kept < 1200, `${kept} of 4000`);
});

void test('environment variables choose propagators, sampler and limits; a wrong one is told and left', () => {
  const read = readTracingEnv({
    OTEL_PROPAGATORS: 'b3, jaeger,xray',
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '2',
    OTEL_SPAN_EVENT_COUNT_LIMIT: '7',
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: 'lots',
  });
  assert.deepEqual(read.propagators, ['b3', 'jaeger']);
  assert.equal(String(read.sampler), 'parentbased_traceidratio(1)');
  assert.equal(read.limits.eventCount, 7);
  assert.equal(read.limits.attributeValueLength, 32_768);
  assert.deepEqual(read.warnings.length, 3);
  assert.match(read.warnings.join(), /xray.*OTEL_TRACES_SAMPLER_ARG \[2\].*\[lots\]/s);
  assert.deepEqual(readTracingEnv({ OTEL_PROPAGATORS: 'none' }).propagators, []);
  assert.deepEqual(readTracingEnv({}).warnings, []);
});

/** Within a microsecond or so: times go through a double of milliseconds. */
function assertNear(actual: bigint, expected: bigint): void {
  const distance = actual - expected;
  assert.ok(distance < 5_000n && distance > -5_000n, `${actual} is ${distance} ns from ${expected}`);
}

void test('a journal that opens later is there with the first word, or when it is asked for', () => {
  const says: readonly ((tracing: Tracing) => void)[] = [
    (tracing) => tracing.tracer().startSpan('first'),
    (tracing) => tracing.log({ severityNumber: 9, source: 'stdout', body: 'first' }),
    (tracing) => tracing.setResource({ 'service.name': 'greeter' }),
    (tracing) => tracing.goodbye({}),
    (tracing) => tracing.open(),
  ];
  for (const say of says) {
    using temporary = startTemporaryTracing({ opens: 'later' });
    assert.equal(existsSync(temporary.journal), false);
    say(temporary.tracing);
    assert.equal(temporary.tracing.failure, undefined);
    assert.deepEqual(temporary.read().resource, { 'service.name': 'greeter' });
  }
});

void test('a journal that was never opened is not made when tracing ends', () => {
  const temporary = startTemporaryTracing({ opens: 'later' });
  temporary.tracing[Symbol.dispose]();
  temporary.tracing.tracer().startSpan('too late').end();
  assert.equal(existsSync(temporary.journal), false);
  temporary[Symbol.dispose]();
});
