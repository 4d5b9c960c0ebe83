import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findGaps, warpOf } from './gaps.ts';

const spans = [
  { start: 0, duration: 50 },
  { start: 10, duration: 90 },
  { start: 900, duration: 50 },
  { start: 960, duration: 40 },
];

void test('a gap is where no span is open, and only a long one', () => {
  assert.deepEqual(findGaps(spans, 1_000), [{ from: 100, to: 900 }]);
  assert.deepEqual(findGaps([{ start: 0, duration: 5 }], 5), []);
});

void test('a gap is drawn as a small share; around it time stays straight; the way back is exact', () => {
  const warp = warpOf([{ from: 100, to: 900 }], 1_000);
  const [gap] = warp.gaps;
  assert.ok(gap);
  assert.ok(Math.abs((gap.drawnTo - gap.drawnFrom) / warp.length - 0.06) < 1e-9);
  assert.equal(warp.at(50), 50);
  assert.equal(warp.at(950) - warp.at(900), 50);
  assert.equal(warp.at(1_000), warp.length);
  for (const time of [0, 99, 100, 500, 899, 900, 1_000])
    assert.ok(Math.abs(warp.timeAt(warp.at(time)) - time) < 1e-6, String(time));
});
