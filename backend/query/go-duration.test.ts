import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatGoDuration, parseGoDuration } from './go-duration.ts';

const cases: readonly (readonly [string, bigint | undefined])[] = [
  ['0', 0n],
  ['0s', 0n],
  ['1ns', 1n],
  ['1.5ms', 1_500_000n],
  ['.5s', 500_000_000n],
  ['1.s', 1_000_000_000n],
  ['1h15m30.918273645s', 4_530_918_273_645n],
  ['200us', 200_000n],
  ['200µs', 200_000n],
  ['200μs', 200_000n],
  ['-1.5h', -5_400_000_000_000n],
  ['+5s', 5_000_000_000n],
  ['', undefined],
  ['5', undefined],
  ['.s', undefined],
  ['1.5', undefined],
  ['1d', undefined],
  ['1s ', undefined],
  ['10x', undefined],
  ['3000000h', undefined],
];
for (const [text, nanos] of cases)
  void test(`duration [${text}]`, () => assert.equal(parseGoDuration(text), nanos));

void test('durations print the way Go prints them', () => {
  for (const text of ['0s', '1ns', '1.5µs', '2ms', '1.25s', '1m0s', '1h0m0.5s', '-540ms'])
    assert.equal(formatGoDuration(parseGoDuration(text) ?? -1n), text);
});
