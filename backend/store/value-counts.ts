import type { Engine } from './engine.ts';
import { sqlInteger, sqlString, within } from './sql-literal.ts';
import type { ValueCounts, ValueCountsQuery } from './store.ts';
import { attributesFromJson, toText } from './value-text.ts';

/** The newest so many spans speak for all: 200 attributes each are counted in well under a second. */
const MAX_SPANS = 20_000n;
/** Values that are looked at past the counting: the most telling. */
const MAX_VALUES = 2_000;
const MAX_RESOURCES = 2_000;

/** How often each attribute value stands on spans that failed, that were slow, and on all (store.ts). */
export async function readValueCounts(engine: Engine, query: ValueCountsQuery): Promise<ValueCounts> {
  const least = sqlInteger(query.leastBad, 1n, 1_000_000n);
  const of = `service = ${sqlString(query.service)} AND name = ${sqlString(query.operation)} AND kind = ${sqlInteger(query.kind, 0n, 255n)}`;
  const [edge] = await engine.rows(
    `SELECT toUnixTimestamp64Nano(min(start)), count(), countIf(status = 2), quantileExact(0.95)(duration), quantileExact(0.5)(duration)
     FROM (SELECT start, status, duration FROM spans WHERE ${of} AND ${within('start', query.range)} ORDER BY start DESC LIMIT ${MAX_SPANS})`,
  );
  const [from = '0', all = '0', failed = '0', p95 = '0', p50 = '0'] = (edge ?? []) as readonly string[];
  if (all === '0') return { spans: 0, failed: 0, slow: 0, tried: 0, values: [] };
  const slowest = BigInt(Math.max(Number(p95), 2 * Number(p50), 1));
  const range = { startUnixNano: BigInt(from), endUnixNano: query.range.endUnixNano };
  const flags = `status = 2 AS failed, duration >= ${sqlInteger(slowest, 0n, 2n ** 63n)} AS slow`;
  const [[slow] = []] = await engine.rows(
    `SELECT countIf(slow) FROM (SELECT ${flags} FROM spans WHERE ${of} AND ${within('start', range)})`,
  );
  const rows = await engine.rows(
    `SELECT entry.1, entry.2, spans, failed_spans, slow_spans, tried FROM (
       SELECT entry, spans, failed_spans, slow_spans, count() OVER () AS tried FROM (
         SELECT arrayJoin(arrayZip(mapKeys(attributes), mapValues(attributes))) AS entry,
          count() AS spans, sum(failed) AS failed_spans, sum(slow) AS slow_spans
         FROM (SELECT attributes, ${flags} FROM spans WHERE ${of} AND ${within('start', range)})
         GROUP BY entry
       )
     ) WHERE failed_spans >= ${least} OR slow_spans >= ${least}
     ORDER BY greatest(failed_spans, slow_spans) / spans DESC, spans DESC LIMIT ${MAX_VALUES}`,
  );
  const resources = await engine.rows(
    `SELECT resource, count(), sum(failed), sum(slow) FROM (SELECT resource, ${flags} FROM spans WHERE ${of} AND ${within('start', range)})
     GROUP BY resource ORDER BY count() DESC LIMIT ${MAX_RESOURCES}`,
  );
  const ofResources = countsOfResources(resources);
  return {
    spans: Number(all),
    failed: Number(failed),
    slow: Number(slow),
    tried: Number(rows[0]?.[5] ?? 0) + ofResources.length,
    values: [
      ...rows.map(([key, value, ...counts]) => toCount(key as string, value as string, counts)),
      ...ofResources.filter((each) => Math.max(each.failed, each.slow) >= query.leastBad),
    ],
  };
}

type Count = ValueCounts['values'][number];

/** A version, an instance or a host is the same for many spans, and for several resources. */
function countsOfResources(rows: readonly (readonly unknown[])[]): Count[] {
  const counts = new Map<string, Count>();
  for (const [resource, ...numbers] of rows)
    for (const [key, value] of Object.entries(attributesFromJson(resource as string))) {
      const next = toCount(key, toText(value), numbers);
      const id = JSON.stringify([key, next.value]);
      const known = counts.get(id);
      counts.set(
        id,
        known
          ? {
              ...next,
              spans: known.spans + next.spans,
              failed: known.failed + next.failed,
              slow: known.slow + next.slow,
            }
          : next,
      );
    }
  return [...counts.values()];
}

function toCount(key: string, value: string, [spans, failed, slow]: readonly unknown[]): Count {
  return { key, value, spans: Number(spans), failed: Number(failed), slow: Number(slow) };
}
