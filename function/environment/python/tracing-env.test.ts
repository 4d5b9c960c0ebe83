import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { journalOf, startWith } from './test/start-with.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
/** A trace id of 64 bits, as older B3 and Jaeger clients write it, and as it stands in a trace. */
const SHORT = '8448eb211c80319c';
const PADDED = `${'0'.repeat(16)}${SHORT}`;

/** Answers with the headers it would pass on. */
const HEADERS = `from flask import g\ndef main():\n    return g.generated_headers\n`;

interface Propagation {
  readonly propagators: string;
  readonly given: Readonly<Record<string, string>>;
  /** The caller that the span must continue: trace and span id. */
  readonly caller: readonly [traceId: string, spanId: string];
  /** Header by header, with SPAN for the id of the function's span. */
  readonly passed: Readonly<Record<string, string>>;
}

const PROPAGATIONS: readonly Propagation[] = [
  {
    propagators: '',
    given: { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'a=1', baggage: 'color=blue' },
    caller: [TRACE, SPAN],
    passed: { traceparent: `00-${TRACE}-SPAN-01`, tracestate: 'a=1', baggage: 'color=blue' },
  },
  {
    propagators: 'b3',
    given: { b3: `${TRACE}-${SPAN}-1` },
    caller: [TRACE, SPAN],
    passed: { b3: `${TRACE}-SPAN-1` },
  },
  {
    propagators: 'b3',
    given: { 'x-b3-traceid': SHORT, 'x-b3-spanid': SPAN, 'x-b3-sampled': '1' },
    caller: [PADDED, SPAN],
    passed: { b3: `${PADDED}-SPAN-1` },
  },
  {
    propagators: 'b3multi',
    given: { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN, 'x-b3-flags': '1' },
    caller: [TRACE, SPAN],
    passed: { 'x-b3-traceid': TRACE, 'x-b3-spanid': 'SPAN', 'x-b3-sampled': '1' },
  },
  {
    propagators: 'jaeger',
    given: { 'uber-trace-id': `${SHORT}:${SPAN}:0:1`, 'uberctx-color': 'light%20blue' },
    caller: [PADDED, SPAN],
    passed: { 'uber-trace-id': `${PADDED}:SPAN:0:1`, 'uberctx-color': 'light%20blue' },
  },
  {
    // Each writes; of those that read, the last one that finds a context wins.
    propagators: 'tracecontext,b3',
    given: { traceparent: `00-${TRACE}-${SPAN}-01` },
    caller: [TRACE, SPAN],
    passed: { traceparent: `00-${TRACE}-SPAN-01`, b3: `${TRACE}-SPAN-1` },
  },
  { propagators: 'none', given: { traceparent: `00-${TRACE}-${SPAN}-01` }, caller: ['', ''], passed: {} },
];

void describe('OTEL_PROPAGATORS', () => {
  for (const { propagators, given, caller, passed } of PROPAGATIONS) {
    void test(`[${propagators}] takes ${Object.keys(given).join(', ')} and passes on ${Object.keys(passed).join(', ') || 'nothing'}`, async () => {
      await using environment = await startWith(HEADERS, { env: { OTEL_PROPAGATORS: propagators } });
      const answer = await environment.ask({ headers: given });
      assert.equal(answer.status, 200, answer.text);
      const { spans } = await journalOf(environment);
      const [span] = spans;
      assert.ok(span);
      if (caller[0]) assert.equal(span.traceId, caller[0]);
      assert.equal(span.parentSpanId, caller[1]);
      const expected = Object.entries(passed).map(([name, value]) => [
        name,
        value.replace('SPAN', span.spanId),
      ]);
      assert.deepEqual(JSON.parse(answer.text), Object.fromEntries(expected));
    });
  }
});

void describe('OTEL_TRACES_SAMPLER', () => {
  const sampled = { traceparent: `00-${TRACE}-${SPAN}-01` };
  const unsampled = { traceparent: `00-${TRACE}-${SPAN}-00` };
  const cases: readonly (readonly [
    sampler: string,
    arg: string,
    headers: Record<string, string>,
    isRecorded: boolean,
  ])[] = [
    ['', '', {}, true],
    ['', '', unsampled, false],
    ['always_on', '', unsampled, true],
    ['always_off', '', sampled, false],
    ['parentbased_always_off', '', sampled, true],
    ['parentbased_always_off', '', {}, false],
    ['traceidratio', '0', sampled, false],
    ['traceidratio', '1', unsampled, true],
    ['parentbased_traceidratio', '0', {}, false],
    ['parentbased_traceidratio', '0', sampled, true],
  ];
  for (const [sampler, arg, headers, isRecorded] of cases) {
    const caller = headers === sampled ? 'sampled' : headers === unsampled ? 'unsampled' : 'no';
    void test(`[${sampler} ${arg}] with ${caller} caller ${isRecorded ? 'records' : 'does not'}, and says so to those it calls`, async () => {
      await using environment = await startWith(HEADERS, {
        env: { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: arg },
      });
      const { traceparent = '' } = JSON.parse((await environment.ask({ headers })).text) as Record<
        string,
        string
      >;
      assert.equal(traceparent.slice(-2), isRecorded ? '01' : '00');
      const { spans } = await journalOf(environment);
      assert.equal(spans.length, isRecorded ? 1 : 0);
    });
  }

  void test('a ratio keeps about as many, the same ones in both languages', async () => {
    await using environment = await startWith(
      `from opentelemetry import trace
def main():
    tracer = trace.get_tracer('mine')
    for i in range(400):
        tracer.start_span('one', trace.set_span_in_context(trace.INVALID_SPAN)).end()
    return ''
`,
      { env: { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' } },
    );
    await environment.ask();
    const { spans } = await journalOf(environment);
    const kept = spans.filter(({ name }) => name === 'one');
    // Four standard deviations around 100.
    assert.ok(kept.length > 65 && kept.length < 135, `${kept.length} of 400`);
    for (const { traceId } of kept) {
      const words = [0, 8, 16, 24].map((at) => Number.parseInt(traceId.slice(at, at + 8), 16));
      const folded = words.reduce((sum, word) => (sum ^ word) >>> 0, 0);
      assert.ok(folded < 0.25 * 0xffffffff, traceId);
    }
  });
});

void test('span limits: what is past them is left out and counted', async () => {
  await using environment = await startWith(
    `from flask import g
from opentelemetry import trace
def main():
    span = trace.get_tracer('mine').start_span('full', attributes={'a': 'x' * 50, 'none': None, 'b': 1, 'c': 2, 'd': 3})
    span.set_attribute('a', 'again')
    span.set_attribute('e', 4)
    link = trace.SpanContext(1, 2, True)
    span.add_link(link, {'a': 1, 'b': 2})
    span.add_link(link)
    for i in range(3):
        span.add_event('event', {'a': 'y' * 50, 'b': 2})
    span.end()
    few = trace.get_tracer('mine').start_span('few', attributes={'a': 1})
    few.set_attributes({'b': 2, 'c': 3, 'd': 4})
    few.end()
    return ''
`,
    {
      env: {
        OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '3',
        OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '10',
        OTEL_SPAN_EVENT_COUNT_LIMIT: '2',
        OTEL_SPAN_LINK_COUNT_LIMIT: '1',
        OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: '1',
        OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: '1',
      },
    },
  );
  await environment.ask();
  const { spans } = await journalOf(environment);
  const full = spans.find(({ name }) => name === 'full');
  assert.deepEqual(full?.attributes, { a: 'again', b: 1n, c: 2n });
  assert.equal(full.droppedAttributesCount, 2);
  assert.deepEqual(
    full.links.map(({ attributes }) => attributes),
    [{ a: 1n }],
  );
  assert.equal(full.droppedLinksCount, 1);
  assert.deepEqual(
    full.events.map(({ attributes }) => attributes),
    [{ a: 'y'.repeat(10) }, { a: 'y'.repeat(10) }],
  );
  assert.equal(full.droppedEventsCount, 1);
  const few = spans.find(({ name }) => name === 'few');
  assert.deepEqual(few?.attributes, { a: 1n, b: 2n, c: 3n });
  assert.equal(few.droppedAttributesCount, 1);
});

void test('a wrong value is told, and the function runs with what is usual', async () => {
  await using environment = await startWith(HEADERS, {
    env: {
      OTEL_PROPAGATORS: 'pigeon',
      OTEL_TRACES_SAMPLER: 'sometimes',
      OTEL_SPAN_EVENT_COUNT_LIMIT: 'many',
    },
  });
  const answer = await environment.ask();
  assert.match(answer.text, /traceparent/);
  for (const wrong of [
    'OTEL_PROPAGATORS [pigeon]',
    'OTEL_TRACES_SAMPLER [sometimes]',
    'OTEL_SPAN_EVENT_COUNT_LIMIT [many]',
  ])
    assert.ok(environment.stderr.includes(`cannot use ${wrong}`), environment.stderr);
});
