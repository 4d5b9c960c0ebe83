import { HEATS } from './colors.ts';

export interface HeatCell {
  readonly column: number;
  /** 0 at the bottom. */
  readonly row: number;
  readonly count: number;
  readonly errorCount: number;
  /** 0 (few) to `HEATS` − 1 (as many as anywhere), by the logarithm: one outlier is seen beside thousands. */
  readonly heat: number;
}

/** Points (0..1 each way) counted in cells of equal size; the empty ones are left out. */
export function heatCells(
  points: readonly { readonly x: number; readonly y: number; readonly isError: boolean }[],
  columns: number,
  rows: number,
): readonly HeatCell[] {
  const counts = new Map<number, { count: number; errorCount: number }>();
  for (const { x, y, isError } of points) {
    const column = Math.min(columns - 1, Math.floor(x * columns));
    const row = Math.min(rows - 1, Math.floor(y * rows));
    const key = row * columns + column;
    const cell = counts.get(key) ?? { count: 0, errorCount: 0 };
    cell.count += 1;
    if (isError) cell.errorCount += 1;
    counts.set(key, cell);
  }
  const most = [...counts.values()].reduce((max, { count }) => Math.max(max, count), 1);
  return [...counts].map(([key, { count, errorCount }]) => ({
    column: key % columns,
    row: Math.floor(key / columns),
    count,
    errorCount,
    heat: most === 1 ? 0 : Math.round((Math.log(count) / Math.log(most)) * (HEATS - 1)),
  }));
}
