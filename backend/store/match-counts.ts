import type { Engine } from './engine.ts';
import { matchingSpans } from './span-filter.ts';
import { sqlInteger } from './sql-literal.ts';
import type { MatchCounts, MatchCountsQuery } from './store.ts';

const MAX_BINS = 1_000n;
/** A picture beside the answer is worth no more of the engine than this. */
const MAX_EXECUTION_TIME_MS = 10_000;
const MAX_NANO = 2n ** 63n - 1n;

/** Exact up to a thousand or so, then within a hundredth: a HyperLogLog of 2^CELLS cells, counted in half the time that a set takes. */
const CELLS = 14;
/** The half of an id that is chance whoever made it: of some the other half is zero, or a time. */
const ID = 'reinterpretAsUInt64(substring(trace_id, 9, 8))';

/**
 * How many traces a search finds, over time, without listing them. A trace counts in each bin in which a span of it matches, once
 * there, and once in the sum. What it costs is the reading of the ids: about half of what the engine does for it.
 */
export async function readMatchCounts(engine: Engine, query: MatchCountsQuery): Promise<MatchCounts> {
  const { startUnixNano, endUnixNano } = query.range;
  const count = BigInt(sqlInteger(query.bins, 1n, MAX_BINS));
  const stepNano = (endUnixNano - startUnixNano) / count + 1n;
  const step = sqlInteger(stepNano, 1n, MAX_NANO);
  const from = sqlInteger(startUnixNano, 0n, MAX_NANO);
  const where = await matchingSpans(engine, {
    range: query.range,
    attributes: {},
    limit: 1,
    ...(query.where ? { where: query.where } : {}),
  });
  const rows = await engine.rows(
    `SELECT intDiv(toUnixTimestamp64Nano(start) - ${from}, ${step}) AS bin,
      uniqCombined(${CELLS})(${ID}), uniqCombinedIf(${CELLS})(${ID}, status = 2), grouping(bin) AS is_sum
     FROM spans WHERE ${where} GROUP BY bin WITH ROLLUP ORDER BY bin`,
    { maxExecutionTimeMs: MAX_EXECUTION_TIME_MS },
  );
  const all = rows.find((row) => Number(row[3]) === 1);
  return {
    stepNano,
    traces: Number(all?.[1] ?? 0),
    errorTraces: Number(all?.[2] ?? 0),
    bins: rows
      .filter((row) => Number(row[3]) === 0)
      .map((row) => ({
        startUnixNano: startUnixNano + BigInt(row[0] as string) * stepNano,
        traces: Number(row[1]),
        errorTraces: Number(row[2]),
      })),
  };
}
