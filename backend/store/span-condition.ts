import { SPAN_KIND, STATUS_CODE } from '../../function/span/span-data.ts';
import { Failure } from '../../server/failure.ts';
import { namesOf } from './attribute-generations.ts';
import type { Engine } from './engine.ts';
import { MAX_UINT64, spansOfResources } from './resource-filter.ts';
import { EVENT_ATTRIBUTES } from './span-row.ts';
import { sqlInteger, sqlString } from './sql-literal.ts';
import type { SpanCondition, SpanTest } from './store.ts';

/** Tests in one condition, and how deep they nest. */
const MAX_TESTS = 64;
const MAX_DEPTH = 32;

/**
 * A condition on one span as SQL that is 0 or 1 and never NULL, so that NOT is the opposite whatever a span lacks: a test of an
 * attribute that is not there is false, and its NOT is true.
 */
export async function conditionSql(engine: Engine, condition: SpanCondition): Promise<string> {
  const size = sizeOf(condition, 0);
  if (size > MAX_TESTS)
    throw new Failure(
      'store',
      'bad_request',
      `cannot search by ${size} tests at once: the limit is ${MAX_TESTS}`,
    );
  return await compile(engine, condition);
}

function sizeOf(condition: SpanCondition, depth: number): number {
  if (depth > MAX_DEPTH)
    throw new Failure('store', 'bad_request', `cannot search by a condition nested deeper than ${MAX_DEPTH}`);
  switch (condition.kind) {
    case 'and':
    case 'or':
      return condition.all.reduce((sum, each) => sum + sizeOf(each, depth + 1), 0);
    case 'not':
      return sizeOf(condition.condition, depth + 1);
    case 'test':
      return 1;
  }
}

async function compile(engine: Engine, condition: SpanCondition): Promise<string> {
  switch (condition.kind) {
    case 'and':
    case 'or': {
      const parts: string[] = [];
      for (const each of condition.all) parts.push(await compile(engine, each));
      if (parts.length === 0) return condition.kind === 'and' ? '1' : '0';
      return `(${parts.join(condition.kind === 'and' ? ' AND ' : ' OR ')})`;
    }
    case 'not':
      return `NOT (${await compile(engine, condition.condition)})`;
    case 'test':
      return fieldSql(condition) ?? (await attributeSql(engine, condition));
  }
}

/** Whether a test of the field asks a column of its own, and not attributes. */
export function isColumn(field: string): boolean {
  return fieldSql({ kind: 'test', field, operator: 'exists' }) !== undefined;
}

/** What is a column of its own. */
function fieldSql(test: SpanTest): string | undefined {
  switch (test.field) {
    case 'service':
    case 'name':
      return textSql(test.field, test, `${test.field} != ''`);
    case 'status.message':
    case 'otel.status_description':
      return textSql('status_message', test, "status_message != ''");
    case 'kind':
    case 'span.kind':
      return wordSql('kind', SPAN_KIND, test);
    case 'status':
    case 'otel.status_code':
      return wordSql('status', STATUS_CODE, test);
    case 'error':
      if (test.operator === 'exists') return `status = ${STATUS_CODE.error}`;
      if (test.operator === '=' && (test.value === 'true' || test.value === 'false'))
        return `status ${test.value === 'true' ? '=' : '!='} ${STATUS_CODE.error}`;
      return undefined;
    case 'duration':
      if (test.operator === 'exists') return '1';
      if (test.operator === 'prefix')
        throw new Failure(
          'store',
          'bad_request',
          `cannot compare a duration with the prefix [${test.value}]`,
        );
      // Nanoseconds, whoever wrote them.
      if (!/^\d{1,19}$/.test(test.value))
        throw new Failure('store', 'bad_request', `cannot use [${test.value}] as nanoseconds`);
      return `duration ${test.operator} ${sqlInteger(BigInt(test.value), 0n, MAX_UINT64)}`;
    default:
      return undefined;
  }
}

function wordSql(column: string, words: Readonly<Record<string, number>>, test: SpanTest): string {
  if (test.operator === 'exists') return `${column} != 0`;
  const word = test.value.toLowerCase();
  if (test.operator !== '=' || !Object.hasOwn(words, word))
    throw new Failure(
      'store',
      'bad_request',
      `cannot search for ${test.field} [${test.value}]: it is one of ${Object.keys(words).join(', ')}`,
    );
  return `${column} = ${words[word]}`;
}

async function attributeSql(engine: Engine, test: SpanTest): Promise<string> {
  const { field } = test;
  if (field.startsWith('resource.')) return await resourceSql(engine, field.slice('resource.'.length), test);
  if (field.startsWith('event.')) return eventSql(field.slice('event.'.length), test);
  const parts = namesOf(field).map((name) => mapSql('attributes', name, test));
  const resource = await resourceSql(engine, field, test);
  if (resource !== '0') parts.push(resource);
  if (field.startsWith('exception.')) parts.push(eventSql(field, test));
  return parts.length === 1 ? (parts[0] as string) : `(${parts.join(' OR ')})`;
}

function eventSql(key: string, test: SpanTest): string {
  return `arrayExists(m -> ${mapSql('m', key, test)}, ${EVENT_ATTRIBUTES})`;
}

async function resourceSql(engine: Engine, key: string, test: SpanTest): Promise<string> {
  return (await spansOfResources(engine, key, (text) => holds(text, test))) ?? '0';
}

/** A key that a map lacks reads as ''. */
function mapSql(map: string, key: string, test: SpanTest): string {
  const name = sqlString(key);
  const has = `mapContains(${map}, ${name})`;
  const condition = textSql(`${map}[${name}]`, test, has);
  const emptyHolds = test.operator === '=' && test.value === '';
  return emptyHolds ? `(${has} AND ${condition})` : condition;
}

function textSql(column: string, test: SpanTest, exists: string): string {
  switch (test.operator) {
    case 'exists':
      return exists;
    case '=':
      return `${column} = ${sqlString(test.value)}`;
    case 'prefix':
      return test.value === '' ? exists : `startsWith(${column}, ${sqlString(test.value)})`;
    default:
      return `ifNull(toFloat64OrNull(${column}) ${test.operator} ${numberSql(test)}, 0)`;
  }
}

function numberSql({ field, value }: SpanTest & { readonly value: string }): string {
  const number = NUMBER.test(value) ? Number(value) : Number.NaN;
  if (!Number.isFinite(number))
    throw new Failure('store', 'bad_request', `cannot compare ${field} with [${value}]: it is no number`);
  return `toFloat64(${sqlString(String(number))})`;
}

const NUMBER = /^[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/;

/** The same as the SQL, for a text at hand. */
export function holds(text: string, test: SpanTest): boolean {
  switch (test.operator) {
    case 'exists':
      return true;
    case '=':
      return text === test.value;
    case 'prefix':
      return text.startsWith(test.value);
    default: {
      if (!NUMBER.test(text)) return false;
      const [number, wanted] = [Number(text), Number(test.value)];
      return test.operator === '<'
        ? number < wanted
        : test.operator === '<='
          ? number <= wanted
          : test.operator === '>'
            ? number > wanted
            : number >= wanted;
    }
  }
}
