import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suggestionsFor, termAt } from './completion.ts';

const terms: readonly (readonly [text: string, term: readonly string[] | undefined])[] = [
  ['', ['key', '', '']],
  ['http.r', ['key', 'http.r', '']],
  ['error AND (http', ['key', 'http', 'error AND (']],
  ['http.route:', ['value', '', 'http.route:', 'http.route']],
  ['a=1 http.route!=/gre', ['value', '/gre', 'a=1 http.route!=', 'http.route']],
  ['name:"POST /g', ['value', 'POST /g', 'name:', 'name']],
  ['duration>2', undefined],
  ['a=1 OR', undefined],
  ['a="b"', undefined],
  ['a="b" ', ['key', '', 'a="b" ']],
];
for (const [text, wanted] of terms)
  void test(`what is typed at the end of [${text}]`, () => {
    const term = termAt(text);
    assert.deepEqual(
      term && [term.kind, term.prefix, term.head, ...(term.kind === 'value' ? [term.key] : [])],
      wanted,
    );
  });

void test('a suggestion is the whole query with it, ready to be typed on', () => {
  const key = termAt('error AND s');
  assert.deepEqual(
    key && suggestionsFor(key, ['spoor.attempt', 'service', 'odd key']).map(({ query }) => query),
    ['service:', 'status:', 'status.message:', 'spoor.attempt:'].map((text) => `error AND ${text}`),
  );
  const value = termAt('name:"PO');
  assert.deepEqual(value && suggestionsFor(value, ['POST /greetings', 'PO']).map(({ query }) => query), [
    'name:"POST /greetings" ',
  ]);
});
