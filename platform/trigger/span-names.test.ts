import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpanNames } from './span-names.ts';

void test('a name says what it is of, however many there have been', () => {
  const names = new SpanNames('process');
  for (let round = 0; round < 2; round += 1)
    for (let i = 0; i < 2_500; i += 1) assert.equal(names.of(`topic-${i}`), `process topic-${i}`);
});
