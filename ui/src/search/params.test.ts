import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_SEARCH, readSearch, writeSearch } from './params.ts';

void test('a search survives the way into the URL and back', () => {
  const search = {
    ...DEFAULT_SEARCH,
    service: 'greeter',
    query: 'a="b c"',
    errors: true,
    fromMs: 1_000,
    toMs: 2_000,
    bySpan: true,
  };
  assert.deepEqual(readSearch(writeSearch(search)), search);
  assert.deepEqual(writeSearch(DEFAULT_SEARCH), {});
});

void test('what makes no sense in a URL falls back', () => {
  assert.deepEqual(
    readSearch({
      limit: '-5',
      lookback: 'x',
      from: '9',
      to: '3',
      spans: 'true',
      live: 'maybe',
      service: ['a'],
    }),
    DEFAULT_SEARCH,
  );
});

void test('a link from before the language still means what it said', () => {
  assert.equal(readSearch({ tags: 'a=b' }).query, 'a=b');
  assert.deepEqual(writeSearch({ ...DEFAULT_SEARCH, query: 'a=b' }), { q: 'a=b' });
});
