import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queueMetrics } from './metrics.ts';

void test('offsets and lag are told in the text format of Prometheus, labels escaped', () => {
  const text = queueMetrics([
    {
      name: 'cards',
      partitions: [{ partition: 0, startOffset: 2n, endOffset: 9n }],
      groups: [{ group: 'a "b"\\\n', partitions: [{ partition: 0, committed: 5n, lag: 4n }] }],
    },
  ]);
  assert.deepEqual(
    text.split('\n').filter((line) => line !== '' && !line.startsWith('#')),
    [
      'spoor_topic_start_offset{topic="cards",partition="0"} 2',
      'spoor_topic_end_offset{topic="cards",partition="0"} 9',
      String.raw`spoor_consumer_group_committed_offset{group="a \"b\"\\\n",topic="cards",partition="0"} 5`,
      String.raw`spoor_consumer_group_lag{group="a \"b\"\\\n",topic="cards",partition="0"} 4`,
    ],
  );
});
