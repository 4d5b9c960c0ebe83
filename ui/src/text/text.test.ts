import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, formatRound, formatTick } from './duration.ts';
import { keepDirection, showName } from './name.ts';
import { formatAgo } from './time.ts';
import { formatValue, typeOf } from './value.ts';

const durations: readonly (readonly [number, string])[] = [
  [0, '0 ns'],
  [812, '812 ns'],
  [1_240, '1.24 µs'],
  [9_999, '10.0 µs'],
  [1_240_000, '1.24 ms'],
  [38_120_000_000, '38.1 s'],
  [125e9, '2 m 05 s'],
  [3_725e9, '1 h 02 m'],
  [90_000e9, '1 d 1 h'],
  [-5_000_000, '−5.00 ms'],
];
for (const [nanos, text] of durations)
  void test(`${nanos} ns reads ${text}`, () => assert.equal(formatDuration(nanos), text));

void test('a round duration has no zeros behind its point', () => {
  assert.deepEqual([1e6, 1.5e9, 20e6, 100e6, 2.1e6, 12.5e6].map(formatRound), [
    '1 ms',
    '1.5 s',
    '20 ms',
    '100 ms',
    '2.1 ms',
    '12.5 ms',
  ]);
});

void test('ticks carry no more digits than their step', () => {
  assert.equal(formatTick(200e6, 100e6), '200 ms');
  assert.equal(formatTick(1.5e9, 500e6), '1.5 s');
  assert.equal(formatTick(0, 5), '0');
  assert.equal(formatTick(600e9, 60e9), '10 m 00 s');
  assert.equal(formatTick(185.32e9, 10e6), '185.32 s');
  assert.equal(formatTick(94_607_999.86e9, 10e6), '1094 d 23 h');
});

void test('values of every type read as text', () => {
  assert.equal(formatValue({ kvlistValue: { values: [{ key: 'k', value: { intValue: '5' } }] } }), '{k: 5}');
  assert.equal(
    formatValue({ arrayValue: { values: [{ stringValue: 'a' }, { boolValue: false }] } }),
    '["a", false]',
  );
  assert.equal(formatValue({}), '');
  assert.equal(typeOf({ intValue: '9' }), 'int');
  assert.equal(typeOf({ stringValue: '9' }), '');
});

void test('how long ago', () => {
  assert.equal(formatAgo(1_000, 6_000), '5 s ago');
  assert.equal(formatAgo(0, 3 * 60_000), '3 min ago');
  assert.equal(formatAgo(600_000, 0), 'in the future');
});

void test('a name of nothing visible is none, and no name turns a sentence around', () => {
  assert.equal(showName(' \u200b\u2060'), '(no name)');
  assert.equal(showName('a\u200b'), 'a\u200b');
  assert.equal(keepDirection('\u202eevil\u202c failed'), 'evil failed');
});
