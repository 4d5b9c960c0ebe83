import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlatformJson, TopicsJson } from '../../../backend/query/shapes.ts';
import { findTopicTrouble } from './topic-trouble.ts';

const START = new Date(2026, 0, 15, 14, 0).getTime();
const MINUTE = 60_000;
const END = START + 10 * MINUTE;

/** Waits (ms) of a group by minute; `undefined` where it received nothing. */
const topics = (waits: readonly (number | undefined)[]): TopicsJson => ({
  startUnixNano: `${START}000000`,
  endUnixNano: `${END}000000`,
  stepNano: '60000000000',
  topics: [
    {
      topic: 'greetings',
      isPartial: false,
      groups: [
        {
          consumerGroup: 'image',
          received: waits.length,
          failed: 0,
          waitP50Nano: '0',
          waitP99Nano: '0',
          points: waits.flatMap((wait, i) =>
            wait === undefined
              ? []
              : [
                  {
                    timeUnixNano: `${START + i * MINUTE}000000`,
                    received: 1,
                    failed: 0,
                    waitP99Nano: String(wait * 1e6),
                  },
                ],
          ),
        },
      ],
    },
  ],
});
const platform = (lag: string, more: Partial<PlatformJson> = {}): PlatformJson => ({
  functions: [],
  instances: [],
  triggers: [],
  topics: [{ name: 'greetings', partitions: [], groups: [{ consumerGroup: 'image', lag, partitions: [] }] }],
  ...more,
});
const say = (...of: Parameters<typeof findTopicTrouble>) =>
  findTopicTrouble(...of).map(({ headline }) => headline);

void test('records that nobody takes any more', () => {
  assert.deepEqual(say(topics([5, 5]), platform('23'), END), [
    '23 records wait for image, none taken since 14:02',
  ]);
  assert.deepEqual(say(topics([]), platform('1'), END), [
    '1 record waits for image, none taken in this time',
  ]);
});

void test('a group that takes them, and one with nothing to take, are no trouble', () => {
  assert.deepEqual(say(topics([5, 5, 5, 5, 5, 5, 5, 5, 5, 5]), platform('23'), END), []);
  assert.deepEqual(say(topics([5]), platform('0'), END), []);
  assert.deepEqual(say(undefined, null, END), []);
});

void test('records that wait far longer than they did, since when they do', () => {
  assert.deepEqual(say(topics([5, 6, 5, 5, 4_000, 9_000]), platform('0'), END), [
    'records wait 9.00 s for image since 14:04, usually 5.00 ms',
  ]);
  assert.deepEqual(say(topics([5, 6, 5, 900]), platform('0'), END), []);
});

void test('dead letters that were not sent back', () => {
  const errorTopic = {
    name: 'greetings-errors',
    partitions: [{ partition: 0, startOffset: '0', endOffset: '4' }],
    groups: [],
  };
  const trigger = {
    kind: 'queue',
    name: 'image',
    namespace: 'default',
    functions: ['image'],
    topic: 'greetings',
    consumerGroup: 'image',
    responseTopic: '',
    errorTopic: 'greetings-errors',
    maxRetries: 0,
  } as const;
  assert.deepEqual(say(undefined, platform('0', { topics: [errorTopic], triggers: [trigger] }), END), [
    '4 dead letters wait to be sent back',
  ]);
});
