import type { Engine } from './engine.ts';
import { sqlInteger, sqlString, sqlTime, within } from './sql-literal.ts';
import type {
  BadAndGood,
  TimeRange,
  ValueCount,
  ValueCounts,
  ValueCountsQuery,
  ValueGroup,
} from './store.ts';
import { attributesFromJson, toText } from './value-text.ts';
import { sampleOf, type Cell, type CellGrid, type Sample, type Stretch } from './value-sample.ts';

/** The range is counted in so many cells of equal length. */
const CELLS = 4_096n;
/** Values that are looked at past the counting: the most telling. */
const MAX_VALUES = 2_000;
const MAX_RESOURCES = 2_000;
/** Should spans lie so close that stretches of time cannot part them. */
const MAX_LOOKED_AT = 40_000;
const TOTAL = `'spans looked at'`;
const MAX_UINT64 = 2n ** 64n - 1n;

/**
 * How often each attribute value stands on spans that failed or were slow, and on the others (store.ts). What a span's process says
 * of itself is the same for many spans and counted of all; a span's own attributes are counted of a sample (value-sample.ts).
 */
export async function readValueCounts(engine: Engine, query: ValueCountsQuery): Promise<ValueCounts> {
  const of = `service = ${sqlString(query.service)} AND name = ${sqlString(query.operation)} AND kind = ${sqlInteger(query.kind, 0n, 255n)}`;
  const { grid, cells, slowestNano } = await readCells(engine, of, query.range);
  if (cells.length === 0) return { tried: 0, groups: [] };
  const slow = `duration >= ${sqlInteger(slowestNano, 0n, MAX_UINT64)}`;
  const [own, ofProcess] = await Promise.all([
    countOwn(engine, sampled(of, slow, sampleOf(cells, grid)), query.leastBad),
    countOfProcess(engine, `${of} AND ${within('start', query.range)}`, slow, query.leastBad),
  ]);
  return { tried: own.tried + ofProcess.tried, groups: [ofProcess.group, own.group] };
}

/** How many spans, failed and slow ones, each cell of the range has; slow is above the 95th percentile and at least twice the median. */
async function readCells(
  engine: Engine,
  of: string,
  range: TimeRange,
): Promise<{ readonly grid: CellGrid; readonly cells: readonly Cell[]; readonly slowestNano: bigint }> {
  const cellNano = (range.endUnixNano - range.startUnixNano) / CELLS + 1n;
  const where = `${of} AND ${within('start', range)}`;
  const rows = await engine.rows(
    `WITH (SELECT quantiles(0.5, 0.95)(duration) FROM spans WHERE ${where}) AS levels,
      toUInt64(ceil(greatest(levels[2], 2 * levels[1], 1))) AS slowest
     SELECT intDiv(toUnixTimestamp64Nano(start) - ${range.startUnixNano}, ${cellNano}) AS cell,
      count(), countIf(status = 2), countIf(duration >= slowest), slowest
     FROM spans WHERE ${where} GROUP BY cell ORDER BY cell`,
  );
  return {
    grid: { startUnixNano: range.startUnixNano, cellNano },
    cells: rows.map(([at, spans, failed, slow]) => ({
      at: Number(at),
      spans: Number(spans),
      failed: Number(failed),
      slow: Number(slow),
    })),
    slowestNano: BigInt((rows[0]?.[4] as string | undefined) ?? 0),
  };
}

/** Attributes of the spans of the sample, each as one of the bad or of the others in either comparison, or neither. */
function sampled(of: string, slow: string, sample: Sample): string {
  const select = (stretches: readonly Stretch[], flags: string, condition = '1') =>
    `SELECT attributes, ${flags} FROM spans WHERE ${of} AND (${stretches.map(inStretch).join(' OR ')}) AND ${condition} LIMIT ${MAX_LOOKED_AT}`;
  const flags = (failed: string, others: string, slowOnes: string, fast: string) =>
    `${failed} AS bad_failed, ${others} AS good_failed, ${slowOnes} AS bad_slow, ${fast} AS good_slow`;
  return [
    select(
      sample.controls,
      flags(sample.failed ? '0' : 'status = 2', 'status != 2', sample.slow ? '0' : slow, `NOT (${slow})`),
    ),
    ...(sample.failed ? [select(sample.failed, flags('1', '0', '0', '0'), 'status = 2')] : []),
    ...(sample.slow ? [select(sample.slow, flags('0', '0', '1', '0'), slow)] : []),
  ].join(' UNION ALL ');
}

function inStretch({ fromUnixNano, toUnixNano }: Stretch): string {
  return `(start >= ${sqlTime(fromUnixNano)} AND start < ${sqlTime(toUnixNano)})`;
}

interface Counted {
  readonly tried: number;
  readonly group: ValueGroup;
}

/**
 * Counted by a number of 64 bits in place of two texts, which is a third of the time. What stands on every span, a value of no key, is
 * counted with the others and gives the totals.
 */
async function countOwn(engine: Engine, sample: string, leastBad: number): Promise<Counted> {
  const least = sqlInteger(leastBad, 1n, 1_000_000n);
  const [total, ...rows] = await engine.rows(
    `SELECT keys, texts, bad_failed, good_failed, bad_slow, good_slow, tried FROM (
       SELECT any(key) AS keys, any(text) AS texts, sum(bad_failed) AS bad_failed, sum(good_failed) AS good_failed,
        sum(bad_slow) AS bad_slow, sum(good_slow) AS good_slow, count() OVER () AS tried
       FROM (
         SELECT arrayPushBack(mapKeys(attributes), '') AS ks, arrayPushBack(mapValues(attributes), ${TOTAL}) AS vs,
          bad_failed, good_failed, bad_slow, good_slow
         FROM (${sample})
       ) ARRAY JOIN ks AS key, vs AS text
       GROUP BY cityHash64(key, text)
     ) WHERE bad_failed >= ${least} OR bad_slow >= ${least} OR (keys = '' AND texts = ${TOTAL})
     ORDER BY keys = '' AND texts = ${TOTAL} DESC,
      greatest(bad_failed / (bad_failed + good_failed + 1), bad_slow / (bad_slow + good_slow + 1)) DESC, keys, texts
     LIMIT ${MAX_VALUES}`,
  );
  return {
    tried: Number(total?.[6] ?? 1) - 1,
    group: {
      ...sidesOf(total?.slice(2) ?? []),
      values: rows.map(([key, value, ...counts]) => ({
        key: key as string,
        value: value as string,
        ...sidesOf(counts),
      })),
    },
  };
}

/** A version, an instance or a host is the same for many spans, and for several resources. */
async function countOfProcess(
  engine: Engine,
  where: string,
  slow: string,
  leastBad: number,
): Promise<Counted> {
  const rows = await engine.rows(
    `SELECT resource, countIf(status = 2), countIf(status != 2), countIf(${slow}), countIf(NOT (${slow}))
     FROM spans WHERE ${where} GROUP BY resource ORDER BY count() DESC LIMIT ${MAX_RESOURCES}`,
  );
  const counts = new Map<string, ValueCount>();
  let totals = sidesOf([]);
  for (const [resource, ...numbers] of rows) {
    const sides = sidesOf(numbers);
    totals = add(totals, sides);
    for (const [key, attribute] of Object.entries(attributesFromJson(resource as string))) {
      const value = toText(attribute);
      const id = JSON.stringify([key, value]);
      const known = counts.get(id);
      counts.set(id, { key, value, ...(known ? add(known, sides) : sides) });
    }
  }
  return {
    tried: counts.size,
    group: {
      ...totals,
      values: [...counts.values()].filter(
        ({ failed, slow: slowOnes }) => Math.max(failed.bad, slowOnes.bad) >= leastBad,
      ),
    },
  };
}

function sidesOf(numbers: readonly unknown[]): BadAndGood {
  const [badFailed = 0, goodFailed = 0, badSlow = 0, goodSlow = 0] = numbers.map(Number);
  return { failed: { bad: badFailed, good: goodFailed }, slow: { bad: badSlow, good: goodSlow } };
}

function add(a: BadAndGood, b: BadAndGood): BadAndGood {
  return {
    failed: { bad: a.failed.bad + b.failed.bad, good: a.failed.good + b.failed.good },
    slow: { bad: a.slow.bad + b.slow.bad, good: a.slow.good + b.slow.good },
  };
}
