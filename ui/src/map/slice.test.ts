import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endAt, positionOf, readSlice, SLICES } from './slice.ts';

const HOUR = 3_600_000;
const NOW = 1_800_000_000_000;

void test('each position of the slider is a slice, and finds its way back', () => {
  for (let position = 1; position <= SLICES; position += 1) {
    const slice = readSlice(String(endAt(position, HOUR, NOW)), HOUR);
    assert.equal(slice && slice.toMs - slice.fromMs, HOUR / SLICES);
    assert.equal(positionOf(slice, HOUR, NOW), position);
  }
  assert.equal(readSlice(String(endAt(SLICES, HOUR, NOW)), HOUR)?.toMs, NOW);
});

void test('all of the time is position 0, and so is what makes no sense', () => {
  assert.equal(endAt(0, HOUR, NOW), undefined);
  for (const at of [undefined, 'x', '-5', '1.5']) assert.equal(readSlice(at, HOUR), undefined);
  assert.equal(positionOf(undefined, HOUR, NOW), 0);
  // A link from yesterday stands at the far left.
  assert.equal(positionOf(readSlice(String(NOW - 24 * HOUR), HOUR), HOUR, NOW), 1);
});
