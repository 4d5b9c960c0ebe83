/** Durations over time as a grid of counts. */
export interface Density {
  readonly columnCount: number;
  readonly rowCount: number;
  /** Those that hold something, by column, then from the shortest up. */
  readonly cells: readonly DensityCell[];
  readonly most: number;
}

export interface DensityCell {
  readonly column: number;
  /** 0 holds the shortest. */
  readonly row: number;
  readonly count: number;
  /** 0 (few) to `DENSITIES` − 1 (as many as anywhere), by the logarithm: one outlier is seen beside thousands. */
  readonly density: number;
}

/** Steps from few to many, as CSS variables `--dense-0` …, each defined for light and for dark. */
export const DENSITIES = 6;

/** From the counts of each row by column; `undefined` is a column in which nothing happened. */
export function densityOf(
  columns: readonly ({ readonly counts: readonly number[] } | undefined)[],
  rowCount: number,
): Density {
  const counts = columns.flatMap((each, column) =>
    (each?.counts ?? []).flatMap((count, row) =>
      count > 0 && row < rowCount ? [{ column, row, count }] : [],
    ),
  );
  const most = counts.reduce((max, { count }) => Math.max(max, count), 0);
  return {
    columnCount: columns.length,
    rowCount,
    most,
    cells: counts.map((cell) => ({
      ...cell,
      density:
        most <= 1 ? DENSITIES - 1 : Math.round((Math.log(cell.count) / Math.log(most)) * (DENSITIES - 1)),
    })),
  };
}

export type Direction = 'left' | 'right' | 'up' | 'down' | 'first' | 'last';

/**
 * The cell that a key leads to: sideways the nearest column that holds something, there the row nearest to this one; up and down the
 * next one of this column. Where there is none, it stays; without a cell it begins at the last column's fullest.
 */
export function stepCell(
  { cells }: Density,
  at: DensityCell | undefined,
  direction: Direction,
): DensityCell | undefined {
  if (!at) return fullest(cells, cells.at(-1)?.column);
  switch (direction) {
    case 'up':
      return cells.find(({ column, row }) => column === at.column && row > at.row) ?? at;
    case 'down':
      return cells.findLast(({ column, row }) => column === at.column && row < at.row) ?? at;
    case 'first':
      return nearest(cells, cells[0]?.column, at.row) ?? at;
    case 'last':
      return nearest(cells, cells.at(-1)?.column, at.row) ?? at;
    case 'left':
      return nearest(cells, cells.findLast(({ column }) => column < at.column)?.column, at.row) ?? at;
    case 'right':
      return nearest(cells, cells.find(({ column }) => column > at.column)?.column, at.row) ?? at;
  }
}

function fullest(cells: readonly DensityCell[], column: number | undefined): DensityCell | undefined {
  return cells
    .filter((cell) => cell.column === column)
    .reduce<DensityCell | undefined>(
      (best, cell) => (best && best.count >= cell.count ? best : cell),
      undefined,
    );
}

function nearest(
  cells: readonly DensityCell[],
  column: number | undefined,
  row: number,
): DensityCell | undefined {
  return cells
    .filter((cell) => cell.column === column)
    .reduce<DensityCell | undefined>(
      (best, cell) => (best && Math.abs(best.row - row) <= Math.abs(cell.row - row) ? best : cell),
      undefined,
    );
}

/** Round values between two, on a logarithmic scale, at most `most`; the two themselves when there is none but one. */
export function logTicks(low: number, high: number, most: number): readonly number[] {
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const ticks: number[] = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1)
      for (const factor of factors) {
        const tick = factor * 10 ** power;
        if (tick >= low && tick <= high) ticks.push(tick);
      }
    if (ticks.length <= most && ticks.length >= 2) return ticks;
  }
  return [low, high];
}

/** Where a value stands between two on a logarithmic scale, 0..1. */
export function logPlace(value: number, low: number, high: number): number {
  return high > low ? Math.log(value / low) / Math.log(high / low) : 0;
}
