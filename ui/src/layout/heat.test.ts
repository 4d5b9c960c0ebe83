import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEATS } from './colors.ts';
import { heatCells } from './heat.ts';

const point = (x: number, y: number, isError = false) => ({ x, y, isError });

void test('points are counted by cell, the ends belong to the last ones', () => {
  const cells = heatCells([point(0, 0), point(0.1, 0.1, true), point(1, 1)], 2, 2);
  assert.deepEqual(
    cells.map(({ column, row, count, errorCount }) => [column, row, count, errorCount]),
    [
      [0, 0, 2, 1],
      [1, 1, 1, 0],
    ],
  );
});

void test('the fullest cell is the hottest, a single one the coldest', () => {
  const many = Array.from({ length: 1_000 }, () => point(0, 0));
  const [full, single] = heatCells([...many, point(1, 1)], 4, 4);
  assert.deepEqual([full?.heat, single?.heat], [HEATS - 1, 0]);
  assert.deepEqual(heatCells([], 4, 4), []);
});
