import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gridOf } from './grid.ts';

const at = (ms: number) => `${ms}000000`;

void test('points stand in their step; steps without any are there and empty', () => {
  const grid = gridOf({ startUnixNano: at(130_000), endUnixNano: at(310_000), stepNano: at(60_000) }, [
    { timeUnixNano: at(120_000), calls: 1 },
    { timeUnixNano: at(300_000), calls: 2 },
    { timeUnixNano: at(999_000), calls: 3 },
  ]);
  assert.equal(grid.startMs, 120_000);
  assert.deepEqual(
    grid.points.map((point) => point?.calls),
    [1, undefined, undefined, 2],
  );
});
