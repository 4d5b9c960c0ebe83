import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageJson, RedJson } from '../../../backend/query/shapes.ts';
import { topicRows } from './topic-rows.ts';

const point = (calls: number) => ({
  timeUnixNano: '60000000000',
  calls,
  errors: 0,
  ratePerSecond: 0,
  p50Nano: '0',
  p95Nano: '0',
  p99Nano: '0',
});
const red: RedJson = {
  startUnixNano: '0',
  endUnixNano: '120000000000',
  stepNano: '60000000000',
  series: [
    { service: 'a', operation: 'send cards', kind: 'producer', points: [point(2)] },
    { service: 'b', operation: 'send cards', kind: 'producer', points: [point(4)] },
    { service: 'b', operation: 'POST', kind: 'client', points: [point(9)] },
  ],
};
const message = (state: MessageJson['state'], waitNano: string): MessageJson => ({
  traceId: 't',
  spanId: 's',
  topic: 'cards',
  partition: '0',
  offset: '1',
  key: '',
  producer: 'a',
  sentUnixNano: '0',
  state,
  deliveries: [
    {
      traceId: 't',
      spanId: 'd',
      consumerGroup: 'mail',
      trigger: 'mail',
      function: 'mail',
      receivedUnixNano: '0',
      endUnixNano: '0',
      waitNano,
      attempts: 1,
      outcome: 'success',
      error: false,
      statusMessage: '',
    },
  ],
});

void test('what several services send to one topic is one row, with how its records fare', () => {
  const [row, ...others] = topicRows([message('consumed', '5'), message('failed', '9')], red);
  assert.deepEqual(others, []);
  assert.equal(row?.sent, 6);
  assert.equal(row.ratePerSecond, 0.05);
  assert.equal(row.grid?.points[1]?.calls, 6);
  assert.deepEqual([row.failed, row.lag, row.waitP50, row.waitP99, row.groups], [1, 0, 9, 9, ['mail']]);
});

void test('what the platform holds is there without a span, with its own count of what waits', () => {
  const rows = topicRows([message('waiting', '5')], red, {
    functions: [],
    triggers: [],
    instances: [],
    topics: [
      { name: 'quiet', partitions: [], groups: [] },
      { name: 'cards', partitions: [], groups: [{ consumerGroup: 'mail', lag: '40', partitions: [] }] },
    ],
  });
  assert.deepEqual(
    rows.map(({ topic, lag }) => [topic, lag]),
    [
      ['cards', 40],
      ['quiet', 0],
    ],
  );
});
