import type { Engine } from './engine.ts';
import { sqlString, within } from './sql-literal.ts';
import type { TraceIdMatch, TraceQuery } from './store.ts';

/**
 * The newest traces with a span of one operation, when nothing else is asked: the commonest search, and the first question of every
 * "why". Spans lie in this order, so the answer is read off the end of them and is as fast among a million as among a thousand;
 * grouped by trace, as any other search, it reads every span of the operation in the range. undefined: it is another search.
 */
export async function readNewestTraceIds(
  engine: Engine,
  query: TraceQuery,
  limit: string,
): Promise<readonly TraceIdMatch[] | undefined> {
  const { service, operation, range } = query;
  if (service === undefined || operation === undefined || !isPlain(query)) return undefined;
  const rows = await engine.rows(
    `SELECT lower(hex(trace_id)), toUnixTimestamp64Nano(start) FROM spans
     WHERE service = ${sqlString(service)} AND name = ${sqlString(operation)} AND ${within('start', range)}
     ORDER BY toStartOfMinute(start) DESC, service DESC, name DESC, start DESC, trace_id
     LIMIT 1 BY trace_id LIMIT ${limit}`,
  );
  return rows.map(([traceId, start]) => ({
    traceId: traceId as string,
    startUnixNano: BigInt(start as string),
  }));
}

/** A page after another has to know of newer spans of its traces; any other condition may hold for few spans only. */
function isPlain(query: TraceQuery): boolean {
  return (
    Object.keys(query.attributes).length === 0 &&
    query.minDurationNano === undefined &&
    query.maxDurationNano === undefined &&
    query.errorOnly !== true &&
    query.where === undefined &&
    query.after === undefined &&
    query.receivedUntilMs === undefined
  );
}
