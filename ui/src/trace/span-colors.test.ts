import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTrace } from '../model/trace.ts';
import { spanColors } from './span-colors.ts';

const ID = 'a'.repeat(32);
const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const span = (
  spanId: string,
  parentSpanId: string,
  kind: number,
  start: number,
  end: number,
  attributes: readonly ReturnType<typeof text>[] = [],
) => ({
  traceId: ID,
  spanId,
  parentSpanId,
  name: spanId,
  kind,
  startTimeUnixNano: String(1_000_000 + start),
  endTimeUnixNano: String(1_000_000 + end),
  status: {},
  attributes,
});
const trace = readTrace(ID, {
  resourceSpans: [
    {
      resource: { attributes: [text('service.name', 'router')] },
      scopeSpans: [
        {
          scope: {},
          spans: [
            span('r', '', 2, 0, 100_000),
            span('invoke', 'r', 3, 0, 100_000, [text('faas.invoked_name', 'greeter')]),
            span('start instance', 'invoke', 1, 0, 20_000),
          ],
        },
      ],
    },
    {
      resource: { attributes: [text('service.name', 'greeter'), text('faas.name', 'greeter')] },
      scopeSpans: [
        {
          scope: {},
          spans: [span('greeter', 'invoke', 2, 20_000, 100_000), span('GET', 'greeter', 3, 30_000, 38_000)],
        },
      ],
    },
  ],
});
assert.ok(trace);
const services = new Map([['greeter', 'var(--hue-1)']]);
const colorsBy = (coloring: 'service' | 'stage' | 'self') => {
  const { of, legend } = spanColors(trace, coloring, services);
  return {
    spans: Object.fromEntries(trace.spans.map((each) => [each.name, of(each)])),
    legend: legend.map(({ text }) => text),
  };
};

void test('by service each span has that of its service', () => {
  assert.equal(colorsBy('service').spans['GET'], 'var(--hue-1)');
  assert.deepEqual(colorsBy('service').legend, []);
});

void test('by stage: the road, the cold start, the handler and its calls', () => {
  const { spans, legend } = colorsBy('stage');
  assert.deepEqual(spans, {
    r: 'var(--stage-transfer)',
    invoke: 'var(--stage-transfer)',
    'start instance': 'var(--stage-start)',
    greeter: 'var(--stage-handler)',
    GET: 'var(--stage-downstream)',
  });
  assert.deepEqual(legend, ['transfer', 'start instance', 'handler', 'downstream call']);
});

void test('by self time: the hottest is who spent it, whoever only waited is cold', () => {
  const { spans, legend } = colorsBy('self');
  // Self times: 0, 0, 20 µs, 72 µs, 8 µs.
  assert.deepEqual(spans, {
    r: 'var(--heat-0)',
    invoke: 'var(--heat-0)',
    'start instance': 'var(--heat-4)',
    greeter: 'var(--heat-4)',
    GET: 'var(--heat-4)',
  });
  assert.deepEqual(legend, ['self from 7.20 µs', 'self below 7 ns']);
});
