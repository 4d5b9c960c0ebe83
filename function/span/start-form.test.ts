import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROOT_CONTEXT, SpanKind, trace, type Attributes, type AttributeValue } from '@opentelemetry/api';
import { startTemporaryTracing } from './test/temporary-journal.ts';
import { DEFAULT_LIMITS } from './tracing-env.ts';

const SAME = { 'faas.name': 'greeter', 'faas.coldstart': false, 'a.number': 7 };
const KEYS = ['faas.invocation_id', 'url.path', 'spoor.request_id'];

type Values = AttributeValue[];
/** What differs from one span to the next, and more than that now and then. */
const valuesOf = (i: number): Values => [
  `3f1c2b9a-1111-4222-8333-${String(i).padStart(12, '0')}`,
  i % 5 === 0 ? `/grüße/${'x'.repeat(i % 90)}` : '/greet',
  i % 7 === 0 ? undefined : 'the same for all',
];

for (const transport of ['map', 'write'] as const) {
  void test(`spans with a form are those that they would be without one, across segments (${transport})`, () => {
    using plain = startTemporaryTracing({ transport, segmentBytes: 65_536 });
    using formed = startTemporaryTracing({ transport, segmentBytes: 65_536 });
    const tracer = plain.tracing.tracer('env', '1');
    const formTracer = formed.tracing.tracer('env', '1');
    const form = formTracer.form('greeter', SpanKind.SERVER, SAME, KEYS);
    for (let i = 0; i < 1_500; i++) {
      const values = valuesOf(i);
      const parent = {
        traceId: 'ab'.repeat(16),
        spanId: (i + 1).toString(16).padStart(16, '0'),
        traceFlags: 1,
        isRemote: true,
      };
      const context = i % 3 === 0 ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
      tracer
        .startSpan('greeter', { kind: SpanKind.SERVER, attributes: form.attributes(values) }, context)
        .setAttribute('late', i)
        .end();
      formTracer.startLike(form, values, context).setAttribute('late', i).end();
    }
    const [expected, found] = [plain.read(), formed.read()];
    assert.deepEqual([found.problems, found.open.length, found.orphans], [[], 0, 0]);
    assert.equal(found.spans.length, 1_500);
    const said = ({ spans }: typeof found) =>
      spans.map(({ name, kind, scope, parentSpanId, attributes, droppedAttributesCount }) => ({
        name,
        kind,
        scope,
        parentSpanId,
        attributes,
        droppedAttributesCount,
      }));
    assert.deepEqual(said(found), said(expected));
    assert.equal(new Set(found.spans.map((span) => span.spanId)).size, 1_500);
  });

  void test(`a span with a form that never ends is there from its start (${transport})`, () => {
    using temporary = startTemporaryTracing({ transport });
    const tracer = temporary.tracing.tracer();
    const form = tracer.form('greeter', SpanKind.SERVER, SAME, KEYS);
    for (let i = 1; i < 5; i++) tracer.startLike(form, valuesOf(i), ROOT_CONTEXT);
    const { open } = temporary.read();
    assert.deepEqual(
      open.map((span) => span.attributes[KEYS[0] as string]),
      [1, 2, 3, 4].map((i) => valuesOf(i)[0]),
    );
  });
}

void test('two forms of one journal, and one of another, keep apart', () => {
  using one = startTemporaryTracing({});
  using other = startTemporaryTracing({});
  const make = (tracing: typeof one.tracing, name: string) => {
    const tracer = tracing.tracer(`scope of ${name}`);
    const form = tracer.form(name, SpanKind.SERVER, { name }, ['n']);
    return (i: number) => tracer.startLike(form, [i], ROOT_CONTEXT).end();
  };
  const all = [make(one.tracing, 'a'), make(one.tracing, 'b'), make(other.tracing, 'c')];
  for (let i = 0; i < 6; i++) for (const run of all) run(i);
  const said = (of: typeof one) =>
    of
      .read()
      .spans.map(({ name, scope, attributes }) => [name, scope.name, attributes['name'], attributes['n']]);
  const of = (name: string, i: number) => [name, `scope of ${name}`, name, BigInt(i)];
  const numbers = [0, 1, 2, 3, 4, 5];
  assert.deepEqual(
    said(one),
    numbers.flatMap((i) => [of('a', i), of('b', i)]),
  );
  assert.deepEqual(
    said(other),
    numbers.map((i) => of('c', i)),
  );
});

void test('more attributes than a span may have are cut and counted, with a form as without', () => {
  const limits = { ...DEFAULT_LIMITS, attributeCount: 4 };
  using temporary = startTemporaryTracing({ limits });
  const tracer = temporary.tracing.tracer();
  const form = tracer.form('greeter', SpanKind.SERVER, SAME, KEYS);
  tracer.startLike(form, valuesOf(1), ROOT_CONTEXT).end();
  const [span] = temporary.read().spans;
  assert.equal(Object.keys(span?.attributes ?? {}).length, 4);
  assert.equal(span?.droppedAttributesCount, 2);
});

void test('an attribute set again on a span with a form is none more', () => {
  const limits = { ...DEFAULT_LIMITS, attributeCount: 6 };
  using temporary = startTemporaryTracing({ limits });
  const tracer = temporary.tracing.tracer();
  const form = tracer.form('greeter', SpanKind.SERVER, SAME, KEYS);
  const span = tracer.startLike(form, valuesOf(1), ROOT_CONTEXT);
  span.setAttribute('url.path', '/other').setAttribute('faas.name', 'other').setAttribute('one.more', 1);
  span.end();
  const [read] = temporary.read().spans;
  assert.deepEqual(read?.attributes, {
    ...(SAME as Attributes),
    'a.number': 7n,
    'faas.name': 'other',
    'faas.invocation_id': valuesOf(1)[0],
    'url.path': '/other',
    'spoor.request_id': 'the same for all',
  });
  assert.equal(read?.droppedAttributesCount, 1);
});
