import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findSpans } from './find.ts';
import { selfTimes } from './self-time.ts';
import { readTrace } from './trace.ts';

const ID = 'a'.repeat(32);
const span = (spanId: string, parentSpanId: string, start: number, end: number, name = spanId) => ({
  traceId: ID,
  spanId,
  parentSpanId,
  name,
  kind: 1,
  startTimeUnixNano: String(1_000_000 + start),
  endTimeUnixNano: String(1_000_000 + end),
  status: {},
  attributes: [{ key: 'card', value: { stringValue: `Card of ${name}` } }],
});
const trace = readTrace(ID, {
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'greeter' } }] },
      scopeSpans: [
        {
          scope: {},
          spans: [
            span('r', '', 0, 100),
            span('a', 'r', 10, 50),
            span('b', 'r', 40, 60),
            span('late', 'r', 90, 300),
            span('aa', 'a', 20, 30),
          ],
        },
      ],
    },
  ],
});
assert.ok(trace);

void test('self time: overlapping children count once, and not beyond the end of their parent', () => {
  const self = selfTimes(trace.spans);
  assert.deepEqual(
    trace.spans.map(({ id }, i) => [id, self[i]]),
    [
      ['r', 40],
      ['a', 30],
      ['aa', 10],
      ['b', 20],
      ['late', 210],
    ],
  );
});

void test('find looks into names and attributes, whatever the case', () => {
  assert.deepEqual(findSpans(trace.spans, ' CARD of LATE'), [4]);
  assert.deepEqual(findSpans(trace.spans, 'greeter').length, 5);
  assert.deepEqual(findSpans(trace.spans, '  '), []);
});
