import type { Engine } from './engine.ts';
import { BUCKETS_PER_OCTAVE, minutesOf } from './red.ts';
import { sqlInteger, sqlString } from './sql-literal.ts';
import type { DurationHeatmap, DurationHeatmapQuery, HeatmapColumn } from './store.ts';

const MAX_COLUMNS = 10_000;
/** Buckets of the roll-up that one row may hold: from each alone up to all that there can be. */
const BUCKETS_PER_ROW = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/**
 * How many invocations of a function took how long, over time, from the roll-up `functions` (sql/006-roll-ups.sql): some rows a
 * minute, whatever the number of spans. A row of the map holds as many of the roll-up's buckets as make the map no higher than asked:
 * with buckets 320..335 (an octave, 1.05 to 2.1 ms) and at most four rows, four buckets are a row.
 */
export async function readDurationHeatmap(
  engine: Engine,
  query: DurationHeatmapQuery,
): Promise<DurationHeatmap> {
  const step = sqlInteger(query.stepSeconds, 60n, 1_000_000_000n);
  const rows = await engine.rows(
    `SELECT intDiv(toUnixTimestamp(minute), ${step}) * ${step} AS step, sum(invocations), sum(errors), sumMap(durations)
     FROM functions WHERE function = ${sqlString(query.name)} AND ${minutesOf(query.range)}
     GROUP BY step HAVING sum(invocations) > 0 ORDER BY step LIMIT ${MAX_COLUMNS}`,
  );
  const columns = rows.map((row) => {
    const [buckets, counts] = row[3] as readonly [readonly number[], readonly string[]];
    return {
      startUnixNano: BigInt(row[0] as string) * 1_000_000_000n,
      invocations: Number(row[1]),
      errors: Number(row[2]),
      buckets,
      counts: counts.map(Number),
    };
  });
  const seen = columns.flatMap(({ buckets }) => buckets);
  if (seen.length === 0) return { boundsNano: [], columns: [] };
  const [least, most] = seen.reduce(([a, b], each) => [Math.min(a, each), Math.max(b, each)], [Infinity, 0]);
  const perRow =
    BUCKETS_PER_ROW.find((size) => Math.floor(most / size) - Math.floor(least / size) < query.maxRows) ??
    1_024;
  const lowest = Math.floor(least / perRow);
  const height = Math.floor(most / perRow) - lowest + 1;
  return {
    boundsNano: Array.from({ length: height + 1 }, (_, row) => edgeOf((lowest + row) * perRow)),
    columns: columns.map(({ buckets, counts, ...column }): HeatmapColumn => {
      const inRows = Array.from({ length: height }, () => 0);
      for (const [at, bucket] of buckets.entries()) {
        const row = Math.floor(bucket / perRow) - lowest;
        inRows[row] = (inRows[row] ?? 0) + (counts[at] ?? 0);
      }
      return { ...column, counts: inRows };
    }),
  };
}

/** The least whole number of nanoseconds in the bucket. */
function edgeOf(bucket: number): bigint {
  return BigInt(Math.ceil(2 ** (bucket / BUCKETS_PER_OCTAVE)));
}
