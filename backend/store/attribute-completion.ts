import type { Engine } from './engine.ts';
import { sqlInteger, sqlString, within } from './sql-literal.ts';
import type { AttributeCount, AttributeKeysQuery, AttributeValuesQuery } from './store.ts';

const MAX_SUGGESTIONS = 1_000n;
/** Completion wants an answer now rather than all of it: no more spans are looked at than these. */
const SETTINGS = { max_rows_to_read: 2_000_000, read_overflow_mode: 'break' };

export async function readAttributeKeys(
  engine: Engine,
  query: AttributeKeysQuery,
): Promise<readonly AttributeCount[]> {
  const prefix = query.prefix ? `WHERE startsWith(found, ${sqlString(query.prefix)})` : '';
  return await counted(
    engine,
    `SELECT found, count() AS spans FROM (SELECT arrayJoin(mapKeys(attributes)) AS found FROM spans WHERE ${spansOf(query)})
     ${prefix} GROUP BY found ORDER BY spans DESC, found LIMIT ${sqlInteger(query.limit, 1n, MAX_SUGGESTIONS)}`,
  );
}

export async function readAttributeValues(
  engine: Engine,
  query: AttributeValuesQuery,
): Promise<readonly AttributeCount[]> {
  const key = sqlString(query.key);
  const prefix = query.prefix ? ` AND startsWith(found, ${sqlString(query.prefix)})` : '';
  return await counted(
    engine,
    `SELECT attributes[${key}] AS found, count() AS spans FROM spans
     WHERE ${spansOf(query)} AND mapContains(attributes, ${key})${prefix}
     GROUP BY found ORDER BY spans DESC, found LIMIT ${sqlInteger(query.limit, 1n, MAX_SUGGESTIONS)}`,
  );
}

async function counted(engine: Engine, sql: string): Promise<readonly AttributeCount[]> {
  const rows = await engine.rows(sql, { settings: SETTINGS });
  return rows.map(([text, count]) => ({ text: text as string, count: Number(count) }));
}

function spansOf(query: AttributeKeysQuery): string {
  const service = query.service === undefined ? '' : ` AND service = ${sqlString(query.service)}`;
  return `${within('start', query.range)}${service}`;
}
