import type { Grid } from '../chart/grid.ts';
import { type SearchParams, writeSearch, DEFAULT_SEARCH } from '../search/params.ts';

/** The search that finds the calls of a cell: of this function, of that time, as long as that. */
export function searchOfCell(
  name: string,
  grid: Pick<Grid<unknown>, 'startMs' | 'stepMs'>,
  boundsNano: readonly number[],
  cell: { readonly column: number; readonly row: number },
): Record<string, string | number | boolean> {
  const fromMs = grid.startMs + cell.column * grid.stepMs;
  const search: SearchParams = {
    ...DEFAULT_SEARCH,
    service: name,
    operation: name,
    min: exactDuration(boundsNano[cell.row] ?? 0),
    // A row does not hold its upper edge.
    max: exactDuration((boundsNano[cell.row + 1] ?? 1) - 1),
    fromMs,
    toMs: fromMs + grid.stepMs,
    bySpan: true,
  };
  return writeSearch(search);
}

/** As the search bar writes it, to the nanosecond: 1.414214ms. */
export function exactDuration(nanos: number): string {
  if (nanos >= 1e9) return `${nanos / 1e9}s`;
  if (nanos >= 1e6) return `${nanos / 1e6}ms`;
  return nanos >= 1e3 ? `${nanos / 1e3}us` : `${nanos}ns`;
}
