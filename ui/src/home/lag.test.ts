import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlatformJson, TopicsJson, TriggerJson } from '../../../backend/query/shapes.ts';
import { lagOf, lagsByFunction } from './lag.ts';

const group = (consumerGroup: string, step: number, wait: number) => ({
  consumerGroup,
  received: 1,
  failed: 0,
  waitP50Nano: String(wait),
  waitP99Nano: String(wait),
  points: [{ timeUnixNano: String(step * 60e9), received: 1, failed: 0, waitP99Nano: String(wait) }],
});
const topics: TopicsJson = {
  startUnixNano: '0',
  endUnixNano: String(180e9),
  stepNano: String(60e9),
  topics: [
    { topic: 'greetings', isPartial: false, groups: [group('a', 0, 5), group('b', 2, 7)] },
    { topic: 'orders', isPartial: false, groups: [group('a', 2, 9)] },
  ],
};
const trigger = (topic: string, consumerGroup: string, name: string): TriggerJson => ({
  kind: 'queue',
  name: consumerGroup,
  namespace: 'default',
  functions: [name],
  topic,
  consumerGroup,
  responseTopic: '',
  errorTopic: '',
  maxRetries: 0,
});
const platform: PlatformJson = {
  functions: [],
  instances: [],
  triggers: [
    trigger('greetings', 'a', 'image'),
    trigger('orders', 'a', 'image'),
    trigger('gone', 'x', 'other'),
  ],
  topics: [{ name: 'orders', partitions: [], groups: [{ consumerGroup: 'a', lag: '12', partitions: [] }] }],
};

void test('a function waits as long as the slowest of its topics, step by step', () => {
  const lags = lagsByFunction(topics, platform);
  assert.deepEqual([...lags.keys()], ['image']);
  assert.deepEqual(lags.get('image'), { waits: [5, undefined, 9], waitP99Nano: 9, waiting: 12 });
  assert.equal(lagsByFunction(topics, null).size, 0);
});

void test('lag is what the platform says, and nothing where it does not', () => {
  assert.equal(lagOf(platform, 'orders', 'a'), 12);
  assert.equal(lagOf(platform, 'greetings', 'a'), undefined);
  assert.equal(lagOf(null, 'orders', 'a'), undefined);
});
