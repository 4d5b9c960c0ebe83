import type { Engine } from './engine.ts';
import { isColumn } from './span-condition.ts';
import { matchingSpans } from './span-filter.ts';
import { sqlInteger, sqlTime, sqlTraceId } from './sql-literal.ts';
import type { SpanCondition, TraceIdMatch, TraceQuery } from './store.ts';

/** How far back the first look goes. */
const FIRST_LOOK_NANO = 60_000_000_000n;
/** By how much the next one goes farther at most. */
const MAX_GROWTH = 8;
/** What is found is not spread evenly: looked for is so much more than is wanted. */
const MARGIN = 1.5;
const MAX_INT64 = 2n ** 63n - 1n;

/**
 * Traces with a span that matches, by the newest such span, newest first. Looked for from the end of the range backwards until there
 * are enough: whatever a look finds is newer than what it does not, so the answer is that of the whole range, and what it costs
 * depends on how many traces are wanted and not on how many there are.
 *
 *     range    |----------------------------------|   20 wanted
 *     1st look                                |---|   7 found
 *     2nd look                       |------------|   26 found: the newest 20 of them
 *
 * A page after another is looked for from where the last one ended, but its traces may have spans up to the end of the range:
 * such a trace was on an earlier page.
 */
export async function readTraceIds(
  engine: Engine,
  query: TraceQuery,
  limit: string,
): Promise<readonly TraceIdMatch[]> {
  const { range, after } = query;
  const where = await matchingSpans(engine, query);
  const last = after && after.startUnixNano < range.endUnixNano ? after.startUnixNano : range.endUnixNano;
  const wholeNano = last > range.startUnixNano ? last - range.startUnixNano : 0n;
  let lookNano = findsMany(query) ? FIRST_LOOK_NANO : wholeNano;
  for (;;) {
    const isWhole = lookNano * 2n >= wholeNano;
    const since = isWhole ? '' : ` AND start >= ${sqlTime(last - lookNano)}`;
    const rows = await engine.rows(
      `SELECT lower(hex(trace_id)), toUnixTimestamp64Nano(max(start)) AS newest FROM spans
       WHERE ${where}${since} GROUP BY trace_id${pageOf(after)} ORDER BY newest DESC, trace_id LIMIT ${limit}`,
    );
    if (isWhole || rows.length === Number(limit))
      return rows.map(([traceId, start]) => ({
        traceId: traceId as string,
        startUnixNano: BigInt(start as string),
      }));
    lookNano = BigInt(Math.round(Number(lookNano) * growthOf(rows.length, Number(limit))));
  }
}

/**
 * What has few matches has them anywhere: several looks for it cost as much again as one (rare attribute: 31 and 63 CPU ms). One
 * operation's spans are few and found by the sort key, and so, by their index, are those with a certain attribute.
 */
function findsMany({ service, operation, attributes, where }: TraceQuery): boolean {
  const isOperation = service !== undefined && operation !== undefined;
  return !isOperation && Object.keys(attributes).length === 0 && (!where || isOfColumns(where));
}

function isOfColumns(condition: SpanCondition): boolean {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return condition.all.every(isOfColumns);
    case 'not':
      return isOfColumns(condition.condition);
    case 'test':
      return isColumn(condition.field);
  }
}

function growthOf(found: number, wanted: number): number {
  return Math.min(MAX_GROWTH, Math.max(2, (MARGIN * wanted) / Math.max(1, found)));
}

function pageOf(after: TraceIdMatch | undefined): string {
  if (!after) return '';
  const start = sqlInteger(after.startUnixNano, -MAX_INT64, MAX_INT64);
  return ` HAVING newest < ${start} OR (newest = ${start} AND trace_id > toFixedString(${sqlTraceId(after.traceId)}, 16))`;
}
