import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHeaders } from './read-headers.ts';

void test('headers as people type them', () => {
  assert.deepEqual(readHeaders('a: b\n\n X-Y :c: d \nempty:'), {
    headers: [
      ['a', 'b'],
      ['X-Y', 'c: d'],
      ['empty', ''],
    ],
  });
  assert.deepEqual(readHeaders(''), { headers: [] });
  assert.deepEqual(readHeaders('a: b\nno header'), { wrongLine: 'no header' });
});
