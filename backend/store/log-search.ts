import { LOG_RECORD_UID } from '../../function/span/attributes.ts';
import type { LogData } from '../../function/span/span-data.ts';
import type { Engine } from './engine.ts';
import { LOG_FIELDS, RowReader } from './span-row.ts';
import { sqlInteger, sqlSpanId, sqlString, sqlTraceId, within } from './sql-literal.ts';
import type { LogQuery } from './store.ts';

const MAX_LOGS = 10_000n;
const UID = `attributes[${sqlString(LOG_RECORD_UID)}]`;
/** A sender that heard no answer sends a record again, with the same uid. One without a uid is its own. */
export const ONCE_BY_UID = `LIMIT 1 BY if(${UID} != '', ${UID}, toString(generateUUIDv4(time)))`;

export async function readRecentLogs(engine: Engine, query: LogQuery): Promise<readonly LogData[]> {
  const conditions = [within('time', query.range)];
  if (query.service !== undefined) conditions.push(`service = ${sqlString(query.service)}`);
  if (query.traceId !== undefined) conditions.push(`trace_id = ${sqlTraceId(query.traceId)}`);
  if (query.spanId !== undefined) conditions.push(`span_id = ${sqlSpanId(query.spanId)}`);
  if (query.severityAtLeast !== undefined)
    conditions.push(`severity_number >= ${sqlInteger(query.severityAtLeast, 1n, 24n)}`);
  if (query.text !== undefined && query.text !== '') {
    // Bodies are kept as JSON text: what is looked for is written the same way.
    const needle = JSON.stringify(query.text.toWellFormed()).slice(1, -1);
    conditions.push(`positionCaseInsensitiveUTF8(body, ${sqlString(needle)}) > 0`);
  }
  const rows = await engine.rows(
    `SELECT ${LOG_FIELDS} FROM logs WHERE ${conditions.join(' AND ')}
     ORDER BY time DESC ${ONCE_BY_UID} LIMIT ${sqlInteger(query.limit, 1n, MAX_LOGS)}`,
  );
  const reader = new RowReader();
  return rows.map((row) => reader.toLog(row));
}
