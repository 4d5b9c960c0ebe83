import { SPAN_KIND, STATUS_CODE } from '../../function/span/span-data.ts';
import { Failure } from '../../server/failure.ts';
import { namesOf } from './attribute-generations.ts';
import type { Engine } from './engine.ts';
import { MAX_UINT64, spansOfResources } from './resource-filter.ts';
import { EVENT_ATTRIBUTES } from './span-row.ts';
import { conditionSql } from './span-condition.ts';
import { sqlInteger, sqlString, within } from './sql-literal.ts';
import type { TraceQuery } from './store.ts';

const MAX_ATTRIBUTES = 32;
const MAX_TIME_MS = 4_102_444_800_000n;

/**
 * The condition under which one span satisfies every predicate of the query.
 *
 * A key means a span attribute or a resource attribute. `resource.KEY` and `event.KEY` mean only those, `exception.*` is
 * looked for in events too, and what Jaeger shows as a tag but is a field of its own is asked of that field: `error`,
 * `span.kind`, `otel.status_code`, `otel.status_description`, `otel.scope.name`, `otel.scope.version`.
 */
export async function matchingSpans(engine: Engine, query: TraceQuery): Promise<string> {
  const keys = Object.keys(query.attributes);
  if (keys.length > MAX_ATTRIBUTES)
    throw new Failure(
      'store',
      'bad_request',
      `cannot search for ${keys.length} attributes at once: the limit is ${MAX_ATTRIBUTES}`,
    );
  const conditions = [within('start', query.range)];
  if (query.service !== undefined) conditions.push(`service = ${sqlString(query.service)}`);
  if (query.operation !== undefined) conditions.push(`name = ${sqlString(query.operation)}`);
  if (query.minDurationNano !== undefined)
    conditions.push(`duration >= ${sqlInteger(query.minDurationNano, 0n, MAX_UINT64)}`);
  if (query.maxDurationNano !== undefined)
    conditions.push(`duration <= ${sqlInteger(query.maxDurationNano, 0n, MAX_UINT64)}`);
  if (query.errorOnly) conditions.push(`status = ${STATUS_CODE.error}`);
  for (const key of keys)
    conditions.push(await attributeCondition(engine, key, query.attributes[key] ?? null));
  if (query.where) conditions.push(await conditionSql(engine, query.where));
  if (query.receivedUntilMs !== undefined)
    conditions.push(
      `received <= fromUnixTimestamp64Milli(toInt64(${sqlInteger(query.receivedUntilMs, 0n, MAX_TIME_MS)}), 'UTC')`,
    );
  return conditions.join(' AND ');
}

async function attributeCondition(engine: Engine, key: string, value: string | null): Promise<string> {
  const field = fieldCondition(key, value);
  if (field !== undefined) return field;
  if (key.startsWith('resource.'))
    return (await resourceCondition(engine, key.slice('resource.'.length), value)) ?? '0';
  if (key.startsWith('event.')) return eventCondition(key.slice('event.'.length), value);
  const conditions = namesOf(key).map((name) => mapCondition('attributes', name, value));
  const resource = await resourceCondition(engine, key, value);
  if (resource !== undefined) conditions.push(resource);
  if (key.startsWith('exception.')) conditions.push(eventCondition(key, value));
  return conditions.length === 1 ? (conditions[0] as string) : `(${conditions.join(' OR ')})`;
}

function mapCondition(map: string, key: string, value: string | null): string {
  const name = sqlString(key);
  if (value === null) return `mapContains(${map}, ${name})`;
  // A key that is not there reads as '', so an empty value needs the key too.
  const has = value === '' ? `mapContains(${map}, ${name}) AND ` : '';
  return `(${has}${map}[${name}] = ${sqlString(value)})`;
}

async function resourceCondition(
  engine: Engine,
  key: string,
  value: string | null,
): Promise<string | undefined> {
  return await spansOfResources(engine, key, (text) => value === null || text === value);
}

function eventCondition(key: string, value: string | null): string {
  return `arrayExists(m -> ${mapCondition('m', key, value)}, ${EVENT_ATTRIBUTES})`;
}

function fieldCondition(key: string, value: string | null): string | undefined {
  switch (key) {
    case 'error':
      if (value === 'true' || value === null) return `status = ${STATUS_CODE.error}`;
      return value === 'false' ? `status != ${STATUS_CODE.error}` : undefined;
    case 'span.kind':
      return value === null ? 'kind != 0' : numberOf('kind', SPAN_KIND, value.toLowerCase());
    case 'otel.status_code':
      return value === null ? 'status != 0' : numberOf('status', STATUS_CODE, value.toLowerCase());
    case 'otel.status_description':
      return textOf('status_message', value);
    case 'otel.scope.name':
      return textOf('scope_name', value);
    case 'otel.scope.version':
      return textOf('scope_version', value);
    default:
      return undefined;
  }
}

function numberOf(column: string, words: Readonly<Record<string, number>>, word: string): string {
  return Object.hasOwn(words, word) ? `${column} = ${words[word]}` : '0';
}

function textOf(column: string, value: string | null): string {
  return value === null ? `${column} != ''` : `${column} = ${sqlString(value)}`;
}
