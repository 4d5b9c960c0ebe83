import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sayKept } from './say-kept.ts';

const CASES: readonly (readonly [string, number, string])[] = [
  ['status_code', 1, 'kept for its error'],
  ['probabilistic', 10, 'kept as 1 of 10 like it'],
  ['probabilistic', 3.333333, 'kept as 1 of 3.3 like it'],
  ['probabilistic', 1_000_000, 'kept as 1 of 1 000 000 like it'],
  ['probabilistic', 1, 'kept'],
];
for (const [policy, adjustedCount, text] of CASES)
  void test(`${policy} for ${adjustedCount}: ${text}`, () =>
    assert.equal(sayKept({ policy, adjustedCount }), text));
