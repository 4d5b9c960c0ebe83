import type { Engine } from './engine.ts';
import { sqlInteger, sqlString, sqlTime, within } from './sql-literal.ts';
import { Failure } from '../../server/failure.ts';
import type { FunctionStats, RedPoint, RedQuery, RedSeries, TimeRange } from './store.ts';

const MAX_POINTS = 200_000;

/** Rate, errors and duration from the roll-up `red` (sql/006-roll-ups.sql). */
export async function readRed(engine: Engine, query: RedQuery): Promise<readonly RedSeries[]> {
  const step = query.stepSeconds;
  if (!Number.isInteger(step) || step < 60 || step % 60 !== 0)
    throw new Failure(
      'store',
      'bad_request',
      `cannot use a step of [${step}] s: roll-ups are by the minute, so a multiple of 60`,
    );
  const conditions = [minutesOf(query.range)];
  if (query.service !== undefined) conditions.push(`service = ${sqlString(query.service)}`);
  if (query.operation !== undefined) conditions.push(`name = ${sqlString(query.operation)}`);
  if (query.kind !== undefined) conditions.push(`kind = ${sqlInteger(query.kind, 0n, 255n)}`);
  const rows = await engine.rows(
    `SELECT service, name, kind, intDiv(toUnixTimestamp(minute), ${step}) * ${step} AS step, sum(spans), sum(errors), sumMap(durations)
     FROM red WHERE ${conditions.join(' AND ')}
     GROUP BY service, name, kind, step ORDER BY service, name, kind, step LIMIT ${MAX_POINTS}`,
  );
  const series: (RedSeries & { readonly points: RedPoint[] })[] = [];
  for (const row of rows) {
    const [service, operation, kind] = row as readonly [string, string, number];
    let last = series.at(-1);
    if (last?.service !== service || last.operation !== operation || last.kind !== kind) {
      last = { service, operation, kind, points: [] };
      series.push(last);
    }
    const quantile = quantiles(row[6] as Histogram);
    last.points.push({
      startUnixNano: BigInt(row[3] as string) * 1_000_000_000n,
      count: Number(row[4]),
      errorCount: Number(row[5]),
      p50Nano: quantile(0.5),
      p95Nano: quantile(0.95),
      p99Nano: quantile(0.99),
    });
  }
  return series;
}

export async function readFunctionStats(engine: Engine, range: TimeRange): Promise<readonly FunctionStats[]> {
  const rows = await engine.rows(
    `SELECT function, sum(invocations), sum(errors), sum(cold_starts), sum(timeouts), sum(retries), sumMap(durations),
      toUnixTimestamp64Nano(max(last_seen))
     FROM functions WHERE ${minutesOf(range)} GROUP BY function ORDER BY function`,
  );
  return rows.map((row) => {
    const quantile = quantiles(row[6] as Histogram);
    return {
      name: row[0] as string,
      invocations: Number(row[1]),
      errors: Number(row[2]),
      coldStarts: Number(row[3]),
      timeouts: Number(row[4]),
      retries: Number(row[5]),
      p50Nano: quantile(0.5),
      p99Nano: quantile(0.99),
      lastSeenUnixNano: BigInt(row[7] as string),
    };
  });
}

/** The minutes that the range touches. */
export function minutesOf(range: TimeRange): string {
  within('minute', range);
  return `minute >= toStartOfMinute(${sqlTime(range.startUnixNano)}, 'UTC') AND minute <= ${sqlTime(range.endUnixNano)}`;
}

/** Buckets in order, and how many spans each has. */
type Histogram = readonly [readonly number[], readonly string[]];

export const BUCKETS_PER_OCTAVE = 16;

/**
 * Bucket b holds durations in [2^(b/16), 2^((b+1)/16)); its middle on the log scale stands for all of them, so it is off by
 * 2^(1/32), 2.2 %, at most. As with ClickHouse's own quantileExact, the value is that of rank floor(q * n).
 */
function quantiles([buckets, counts]: Histogram): (level: number) => number {
  const numbers = counts.map(Number);
  const total = numbers.reduce((sum, count) => sum + count, 0);
  return (level) => {
    let rank = Math.min(Math.floor(level * total), total - 1);
    for (const [at, count] of numbers.entries()) {
      rank -= count;
      if (rank < 0) return Math.round(2 ** (((buckets[at] as number) + 0.5) / BUCKETS_PER_OCTAVE));
    }
    return 0;
  };
}
