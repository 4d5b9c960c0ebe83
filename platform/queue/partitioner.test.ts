import assert from 'node:assert/strict';
import { test } from 'node:test';
import { murmur2 } from './partitioner.ts';

/** org.apache.kafka.common.utils.UtilsTest.testMurmur2 */
const CASES = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
] as const;

for (const [text, hash] of CASES)
  void test(`murmur2 of ${text} is what Kafka's own client computes`, () => {
    assert.equal(murmur2(Buffer.from(text)) | 0, hash);
  });
