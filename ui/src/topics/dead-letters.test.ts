import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlatformJson } from '../../../backend/query/shapes.ts';
import { deadLettersOf, REDRIVE_GROUP } from './dead-letters.ts';

const platform: PlatformJson = {
  functions: [],
  instances: [],
  triggers: [
    {
      kind: 'queue',
      name: 'cards',
      namespace: 'default',
      functions: ['image'],
      topic: 'greetings',
      responseTopic: 'cards',
      errorTopic: 'errors',
      maxRetries: 2,
      consumerGroup: 'default/cards',
    },
    { kind: 'timer', name: 't', namespace: 'default', functions: ['image'], cron: '@hourly' },
  ],
  topics: [
    {
      name: 'errors',
      partitions: [
        { partition: 0, startOffset: '2', endOffset: '9' },
        { partition: 1, startOffset: '0', endOffset: '1' },
      ],
      groups: [],
    },
  ],
};

void test('an error topic holds what its triggers gave up, less what was sent back', () => {
  assert.deepEqual(deadLettersOf(platform, 'errors'), { from: ['greetings'], count: 8 });
  const [errors] = platform.topics;
  const redriven = {
    ...platform,
    topics: [{ ...errors!, groups: [{ consumerGroup: REDRIVE_GROUP, lag: '3', partitions: [] }] }],
  };
  assert.equal(deadLettersOf(redriven, 'errors')?.count, 3);
  assert.equal(deadLettersOf(platform, 'greetings'), undefined);
  assert.equal(deadLettersOf({ ...platform, topics: [] }, 'errors')?.count, 0);
});
