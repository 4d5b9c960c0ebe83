import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_SEARCH } from './params.ts';
import { queryText } from './query-text.ts';

void test('the conditions of the bar are one query', () => {
  assert.equal(queryText(DEFAULT_SEARCH), '');
  assert.equal(
    queryText({
      ...DEFAULT_SEARCH,
      service: 'greeter',
      operation: 'POST /greetings',
      errors: true,
      min: '200ms',
      max: '2s',
      query: ' a:1 or b:2 ',
    }),
    'service:greeter AND name:"POST /greetings" AND error AND duration>=200ms AND duration<=2s AND (a:1 or b:2)',
  );
  assert.equal(queryText({ ...DEFAULT_SEARCH, query: 'a=1 b="c d"' }), 'a=1 b="c d"');
  assert.equal(queryText({ ...DEFAULT_SEARCH, service: 'a "b" \\' }), 'service:"a \\"b\\" \\\\"');
});
