import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageOf } from './supervisor.ts';

test('a log line is told to a person as a sentence with its data', () => {
  for (const [line, told] of [
    [
      '{"level":"warn","time":"t","part":"platform","msg":"an instance died","function":"image","signal":"SIGKILL"}',
      'an instance died (function=image, signal=SIGKILL)',
    ],
    [
      '{"level":"error","part":"agent","msg":"cannot ship","err":{"message":"refused"}}',
      'cannot ship: refused',
    ],
    ['{"level":"error","msg":"cannot listen","reason":"conflict"}', 'cannot listen'],
    ['Segmentation fault', 'Segmentation fault'],
    ['{"level":"error"}', '{"level":"error"}'],
  ] as const)
    assert.equal(messageOf(line), told);
});
