import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createTraceState,
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api';
import * as fc from 'fast-check';
import { parseB3 } from './propagator-b3.ts';
import { parseUberTraceId } from './propagator-jaeger.ts';
import { parseTraceparent, parseTracestate } from './propagator-w3c.ts';
import { createPropagator, PROPAGATOR_NAMES, type PropagatorName } from './propagation.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

// From the W3C's own suite, https://github.com/w3c/trace-context/blob/main/test/test.py
const TRACEPARENTS: readonly (readonly [string, boolean])[] = [
  [`00-${TRACE}-${SPAN}-01`, true],
  [`00-${TRACE}-${SPAN}-00`, true],
  [`  00-${TRACE}-${SPAN}-01 \t`, true],
  [`cc-${TRACE}-${SPAN}-01`, true],
  [`cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, true],
  [`cc-${TRACE}-${SPAN}-01.what-the-future-will-be-like`, false],
  [`cc-${TRACE}-${SPAN}-01-`, true],
  [`00-${TRACE}-${SPAN}-01.`, false],
  [`00-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, false],
  [`ff-${TRACE}-${SPAN}-01`, false],
  [`.0-${TRACE}-${SPAN}-01`, false],
  [`0.-${TRACE}-${SPAN}-01`, false],
  [`000-${TRACE}-${SPAN}-01`, false],
  [`0-${TRACE}-${SPAN}-01`, false],
  [`00-${'0'.repeat(32)}-${SPAN}-01`, false],
  [`00-.${TRACE.slice(1)}-${SPAN}-01`, false],
  [`00-${TRACE.slice(1)}-${SPAN}-01`, false],
  [`00-${TRACE}0-${SPAN}-01`, false],
  [`00-${TRACE.toUpperCase()}-${SPAN}-01`, false],
  [`00-${TRACE}-${'0'.repeat(16)}-01`, false],
  [`00-${TRACE}-.${SPAN.slice(1)}-01`, false],
  [`00-${TRACE}-${SPAN}0-01`, false],
  [`00-${TRACE}-${SPAN.slice(1)}-01`, false],
  [`00-${TRACE}-${SPAN}-.1`, false],
  [`00-${TRACE}-${SPAN}-0`, false],
  [`00-${TRACE}-${SPAN}-001`, false],
  ['', false],
];
for (const [header, valid] of TRACEPARENTS) {
  void test(`traceparent [${header}] is ${valid ? 'taken' : 'refused'}`, () => {
    assert.equal(parseTraceparent(header) !== undefined, valid);
  });
}

void test('unknown flags are not passed on', () => {
  assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-ff`)?.traceFlags, 1);
  assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-fe`)?.traceFlags, 0);
});

const TRACESTATES: readonly (readonly [string | string[], string | undefined])[] = [
  ['foo=1', 'foo=1'],
  ['foo=1,bar=2', 'foo=1,bar=2'],
  [['foo=1', 'bar=2'], 'foo=1,bar=2'],
  ['foo=1 \t , \t bar=2', 'foo=1,bar=2'],
  ['foo=1,', 'foo=1'],
  ['fw529a3039@dt=FfeN', 'fw529a3039@dt=FfeN'],
  [`${'z'.repeat(256)}=1`, `${'z'.repeat(256)}=1`],
  [`${'t'.repeat(241)}@${'v'.repeat(14)}=1`, `${'t'.repeat(241)}@${'v'.repeat(14)}=1`],
  [`${'z'.repeat(257)}=1`, undefined],
  [`${'t'.repeat(242)}@v=1`, undefined],
  [`t@${'v'.repeat(15)}=1`, undefined],
  ['foo=1,foo=2', undefined],
  ['foo =1', undefined],
  ['FOO=1', undefined],
  ['foo@=1', undefined],
  ['@foo=1', undefined],
  ['foo@@bar=1', undefined],
  ['foo=bar=baz', undefined],
  ['foo=', undefined],
  ['foo', undefined],
  ['', undefined],
  [
    Array.from({ length: 32 }, (_, i) => `k${i}=1`).join(','),
    Array.from({ length: 32 }, (_, i) => `k${i}=1`).join(','),
  ],
  [Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(','), undefined],
];
for (const [header, expected] of TRACESTATES) {
  void test(`tracestate [${String(header).slice(0, 40)}] is ${expected === undefined ? 'refused' : 'taken'}`, () => {
    assert.equal(parseTracestate(header)?.serialize(), expected);
  });
}

void test('b3 and uber-trace-id take 64- and 128-bit ids', () => {
  const short = TRACE.slice(16);
  const padded = short.padStart(32, '0');
  const found = { traceId: TRACE, spanId: SPAN, traceFlags: 1 };
  assert.deepEqual(parseB3(`${TRACE}-${SPAN}-1`), found);
  assert.deepEqual(parseB3(`${TRACE}-${SPAN}-d-${SPAN}`), found);
  assert.deepEqual(parseB3(`${TRACE}-${SPAN}`), found);
  assert.deepEqual(parseB3(`${short}-${SPAN}-0`), { traceId: padded, spanId: SPAN, traceFlags: 0 });
  assert.equal(parseB3('0'), undefined);
  assert.equal(parseB3(`${'0'.repeat(32)}-${SPAN}-1`), undefined);
  assert.equal(parseB3(`${TRACE}-${SPAN}-2`), undefined);
  assert.deepEqual(parseUberTraceId(`${TRACE}:${SPAN}:0:1`), found);
  assert.deepEqual(parseUberTraceId(`${TRACE}%3A${SPAN}%3A0%3A3`), found);
  assert.deepEqual(parseUberTraceId(`${short}:ff:0:0`), {
    traceId: padded,
    spanId: '00000000000000ff',
    traceFlags: 0,
  });
  assert.equal(parseUberTraceId(`${TRACE}:0:0:1`), undefined);
  assert.equal(parseUberTraceId(`${TRACE}:${SPAN}:1`), undefined);
});

void test('b3 in several headers is read by both b3 propagators', () => {
  const carrier = { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN, 'x-b3-sampled': '0', 'x-b3-flags': '1' };
  for (const name of ['b3', 'b3multi'] as const) {
    const found = createPropagator([name]).extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
    assert.equal(trace.getSpanContext(found)?.traceId, TRACE);
    assert.equal(trace.getSpanContext(found)?.traceFlags, 1, 'debug means sampled');
  }
});

const hex = (length: number) =>
  fc
    .array(fc.nat(15), { minLength: length, maxLength: length })
    .map((digits) => digits.map((digit) => digit.toString(16)).join(''))
    .filter((text) => /[^0]/.test(text));

for (const name of PROPAGATOR_NAMES.filter((name) => name !== 'baggage')) {
  void test(`${name}: what is injected is extracted`, () => {
    fc.assert(
      fc.property(hex(32), hex(16), fc.constantFrom(0, 1), (traceId, spanId, traceFlags) => {
        const found = roundTrip([name], trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags }));
        assert.deepEqual({ ...trace.getSpanContext(found) }, { traceId, spanId, traceFlags, isRemote: true });
      }),
    );
  });
}

void test('trace state travels with the context', () => {
  const context = trace.setSpanContext(ROOT_CONTEXT, {
    traceId: TRACE,
    spanId: SPAN,
    traceFlags: 1,
    traceState: createTraceState('a=1,b=2'),
  });
  const found = roundTrip(['tracecontext'], context);
  assert.equal(trace.getSpanContext(found)?.traceState?.serialize(), 'a=1,b=2');
});

void test('baggage: what is injected is extracted, whatever the values', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}$/), fc.string({ unit: 'binary' })),
      (values) => {
        const baggage = propagation.createBaggage(
          Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { value }])),
        );
        const found = propagation.getBaggage(
          roundTrip(['baggage'], propagation.setBaggage(ROOT_CONTEXT, baggage)),
        );
        const read = Object.fromEntries(
          (found?.getAllEntries() ?? []).map(([key, { value }]) => [key, value]),
        );
        assert.deepEqual(read, { ...values });
      },
    ),
  );
});

void test('baggage keeps its metadata and refuses what is malformed, member by member', () => {
  const carrier = { baggage: 'a=1;prop=x, b = two%20words ,=none,c,bad key=1,d=%zz' };
  const found = propagation.getBaggage(
    createPropagator(['baggage']).extract(ROOT_CONTEXT, carrier, defaultTextMapGetter),
  );
  assert.deepEqual(
    found?.getAllEntries().map(([key, entry]) => [key, entry.value, entry.metadata?.toString()]),
    [
      ['a', '1', 'prop=x'],
      ['b', 'two words', undefined],
    ],
  );
});

void test('no header, however wild, makes extraction throw', () => {
  const headers = fc.dictionary(
    fc.constantFrom(
      'traceparent',
      'tracestate',
      'baggage',
      'b3',
      'x-b3-traceid',
      'x-b3-spanid',
      'uber-trace-id',
      'uberctx-k',
    ),
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.string({ unit: 'binary' })),
      fc.string({ minLength: 300 }),
    ),
  );
  const all = createPropagator(PROPAGATOR_NAMES);
  fc.assert(
    fc.property(headers, (carrier) => {
      all.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
    }),
  );
});

function roundTrip(names: readonly PropagatorName[], context: Parameters<typeof trace.getSpan>[0]) {
  const propagator = createPropagator(names);
  const carrier: Record<string, string> = {};
  propagator.inject(context, carrier, defaultTextMapSetter);
  return propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
}
