import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DENSITIES, densityOf, logPlace, logTicks, stepCell } from './density.ts';

const COLUMNS = [{ counts: [1, 0, 4] }, undefined, { counts: [0, 1_000, 2] }];

void test('cells that hold something are kept, the fullest is the densest, one alone is still seen', () => {
  const { cells, most, columnCount } = densityOf(COLUMNS, 3);
  assert.equal(columnCount, 3);
  assert.equal(most, 1_000);
  assert.deepEqual(
    cells.map(({ column, row, count, density }) => [column, row, count, density]),
    [
      [0, 0, 1, 0],
      [0, 2, 4, 1],
      [2, 1, 1_000, DENSITIES - 1],
      [2, 2, 2, 1],
    ],
  );
});

void test('where every cell holds one they are all as dense as can be', () => {
  assert.deepEqual(
    densityOf([{ counts: [1] }, { counts: [1] }], 1).cells.map(({ density }) => density),
    [DENSITIES - 1, DENSITIES - 1],
  );
});

void test('keys lead from cell to cell over what is empty, and stop at the edges', () => {
  const grid = densityOf(COLUMNS, 3);
  const from = (column: number, row: number) =>
    grid.cells.find((cell) => cell.column === column && cell.row === row);
  const steps: readonly (readonly [
    Parameters<typeof stepCell>[1],
    Parameters<typeof stepCell>[2],
    string,
  ])[] = [
    [undefined, 'left', '2 1'],
    [from(2, 2), 'left', '0 2'],
    [from(2, 1), 'left', '0 0'],
    [from(0, 0), 'up', '0 2'],
    [from(0, 2), 'up', '0 2'],
    [from(0, 2), 'down', '0 0'],
    [from(0, 0), 'right', '2 1'],
    [from(2, 2), 'right', '2 2'],
    [from(2, 2), 'first', '0 2'],
    [from(0, 0), 'last', '2 1'],
  ];
  for (const [at, direction, expected] of steps) {
    const cell = stepCell(grid, at, direction);
    assert.equal(`${cell?.column} ${cell?.row}`, expected, `${at?.column} ${at?.row} ${direction}`);
  }
  assert.equal(stepCell(densityOf([], 3), undefined, 'left'), undefined);
});

void test('ticks are round and few; a narrow scale names its ends', () => {
  assert.deepEqual(logTicks(1.2e6, 9e6, 6), [2e6, 5e6]);
  assert.deepEqual(logTicks(5e5, 2e9, 6), [1e6, 1e7, 1e8, 1e9]);
  assert.deepEqual(logTicks(2.1e6, 4.2e6, 6), [2.1e6, 4.2e6]);
});

void test('a value stands by its logarithm', () => {
  assert.equal(logPlace(10, 1, 100), 0.5);
  assert.equal(logPlace(5, 5, 5), 0);
});
