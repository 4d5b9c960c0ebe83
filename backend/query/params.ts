import { Failure } from '../../server/failure.ts';
import type { TimeRange, TraceQuery } from '../store/store.ts';
import { parseGoDuration } from './go-duration.ts';
import { parseTraceId } from './trace-id.ts';

/** Most traces that one search returns: Jaeger UI's own limit. */
export const MAX_TRACES = 1_500;
const DEFAULT_TRACES = 100;
/** Most trace ids in one request for several. */
const MAX_TRACE_IDS = 200;
const DEFAULT_LOOKBACK_NANO = 2n * 24n * 3_600n * 1_000_000_000n;
/** What the engine's nanosecond clock holds: until 2262. */
const MAX_NANO = 2n ** 63n - 1n;
/** How far a window reaches into the future. */
const MAX_AHEAD_NANO = 60_000_000_000n;

/** The query string, every key with every value it was given. */
export type Params = URLSearchParams;

/** What a search asks for, whichever API it came by. */
export interface TraceSearch {
  readonly query: TraceQuery;
  readonly raw: boolean;
}

/** `GET /api/traces`: Jaeger's v1 search. With `traceIds` the rest of the search does not count. */
export function parseV1Search(
  params: Params,
  nowNano: bigint,
): TraceSearch & { readonly traceIds: readonly string[] } {
  const traceIds = params.getAll('traceID').map((text) => requireTraceId(text, 'traceID'));
  if (traceIds.length > MAX_TRACE_IDS)
    throw bad('traceID', `${traceIds.length} ids`, `at most ${MAX_TRACE_IDS} in one request`);
  return {
    query: traceQuery({
      service: text(params, 'service'),
      operation: text(params, 'operation'),
      range: {
        startUnixNano: micros(params, 'start') ?? nowNano - DEFAULT_LOOKBACK_NANO,
        endUnixNano: micros(params, 'end') ?? nowNano,
      },
      rangeNames: ['start', 'end'],
      minDurationNano: duration(params, 'minDuration'),
      maxDurationNano: duration(params, 'maxDuration'),
      durationNames: ['minDuration', 'maxDuration'],
      attributes: params
        .getAll('tags')
        .reduce((all, json) => ({ ...all, ...jsonTags(json, 'tags') }), simpleTags(params.getAll('tag'))),
      limit: limit(params, 'limit'),
    }),
    raw: bool(params, 'raw'),
    traceIds: [...new Set(traceIds)],
  };
}

/** `query.*` of `GET /api/v3/traces` and `/api/v3/trace-summaries`, camelCase with Jaeger's older snake_case beside it. */
export function parseV3Search(params: Params): TraceSearch {
  const start = either(params, 'query.startTimeMin', 'query.start_time_min');
  const end = either(params, 'query.startTimeMax', 'query.start_time_max');
  const startUnixNano = rfc3339(params, start);
  const endUnixNano = rfc3339(params, end);
  if (startUnixNano === undefined || endUnixNano === undefined)
    throw new Failure(
      'query',
      'bad_request',
      'query.startTimeMin and query.startTimeMax are required, as RFC 3339 times',
    );
  if (text(params, 'query.filter') !== undefined)
    throw new Failure('query', 'not_supported', 'cannot search by query.filter: not supported yet');
  const depth = ['query.searchDepth', 'query.search_depth', 'query.num_traces'].find((name) =>
    params.get(name),
  );
  const min = either(params, 'query.durationMin', 'query.duration_min');
  const max = either(params, 'query.durationMax', 'query.duration_max');
  const attributes = text(params, 'query.attributes');
  return {
    query: traceQuery({
      service: text(params, either(params, 'query.serviceName', 'query.service_name')),
      operation: text(params, either(params, 'query.operationName', 'query.operation_name')),
      range: { startUnixNano, endUnixNano },
      rangeNames: [start, end],
      minDurationNano: duration(params, min),
      maxDurationNano: duration(params, max),
      durationNames: [min, max],
      attributes: attributes === undefined ? {} : jsonTags(attributes, 'query.attributes'),
      limit: limit(params, depth ?? 'query.searchDepth'),
    }),
    raw: bool(params, either(params, 'query.rawTraces', 'query.raw_traces')),
  };
}

/** Optional time hint of `GET /api/traces/{id}`, µs. */
export function parseV1Hint(params: Params): TimeRange | undefined {
  return hint(micros(params, 'start'), micros(params, 'end'), ['start', 'end']);
}

/** Optional time hint of `GET /api/v3/traces/{id}`, RFC 3339. */
export function parseV3Hint(params: Params): TimeRange | undefined {
  const names = [either(params, 'startTime', 'start_time'), either(params, 'endTime', 'end_time')] as const;
  return hint(rfc3339(params, names[0]), rfc3339(params, names[1]), names);
}

/** `endTs` and `lookback` of `GET /api/dependencies`, both ms; by default the last 24 hours. */
export function parseDependencyRange(params: Params, nowNano: bigint): TimeRange {
  const endUnixNano = integer(params, 'endTs', 1_000_000n) ?? nowNano;
  const lookback = integer(params, 'lookback', 1_000_000n) ?? 24n * 3_600n * 1_000_000_000n;
  return { startUnixNano: endUnixNano > lookback ? endUnixNano - lookback : 0n, endUnixNano };
}

export function requireTraceId(value: string, name: string): string {
  const id = parseTraceId(value);
  if (!id) throw bad(name, value, '32 hex digits, or 16 bytes in base64');
  return id;
}

/** As Go's strconv.ParseBool, which Jaeger uses. Absent or empty is false. */
export function bool(params: Params, name: string): boolean {
  const value = params.get(name) ?? '';
  if (/^(1|t|T|true|TRUE|True)$/.test(value)) return true;
  if (/^(|0|f|F|false|FALSE|False)$/.test(value)) return false;
  throw bad(name, value, 'true or false');
}

const KINDS: Readonly<Record<string, number>> = {
  unspecified: 0,
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
};

export function parseSpanKind(params: Params, name: string): number | undefined {
  const value = text(params, name);
  if (value === undefined) return undefined;
  const kind = Object.hasOwn(KINDS, value.toLowerCase()) ? KINDS[value.toLowerCase()] : undefined;
  if (kind === undefined) throw bad(name, value, Object.keys(KINDS).join(', '));
  return kind;
}

/** As parseSpanKind, for a parameter that may be repeated. */
export function parseSpanKinds(params: Params, name: string, fallback: number): number[] {
  const kinds = params
    .getAll(name)
    .filter((value) => value !== '')
    .map((value) => parseSpanKind(new URLSearchParams({ [name]: value.replace(/^SPAN_KIND_/i, '') }), name));
  return kinds.length === 0 ? [fallback] : kinds.filter((kind) => kind !== undefined);
}

/** One of a few words; `fallback` when it is absent. */
export function oneOf<Word extends string>(
  params: Params,
  name: string,
  words: readonly Word[],
  fallback: Word,
): Word {
  const value = text(params, name);
  if (value === undefined) return fallback;
  const word = words.find((each) => each === value);
  if (word === undefined) throw bad(name, value, `one of ${words.join(', ')}`);
  return word;
}

/** A whole number from 1 to `most`. */
export function count(params: Params, name: string, fallback: number, most: number): number {
  const value = text(params, name);
  if (value === undefined) return fallback;
  if (!/^\d{1,9}$/.test(value) || Number(value) < 1 || Number(value) > most)
    throw bad(name, value, `a whole number from 1 to ${most}`);
  return Number(value);
}

export function spanId(params: Params, name: string): string | undefined {
  const value = text(params, name)?.toLowerCase();
  if (value !== undefined && !/^[0-9a-f]{16}$/.test(value)) throw bad(name, value, '16 hex digits');
  return value;
}

/**
 * `endTs` and `lookback`, both ms: by default the hour before now, a minute ahead for clocks that are. A shorter window is ahead by a
 * sixtieth of its length, since one of half a minute would else begin in the future.
 */
export function parseWindow(params: Params, nowNano: bigint, lookbackNano = 3_600_000_000_000n): TimeRange {
  const lookback = integer(params, 'lookback', 1_000_000n) ?? lookbackNano;
  const ahead = lookback / 60n < MAX_AHEAD_NANO ? lookback / 60n : MAX_AHEAD_NANO;
  const endUnixNano = integer(params, 'endTs', 1_000_000n) ?? nowNano + ahead;
  return { startUnixNano: endUnixNano > lookback ? endUnixNano - lookback : 0n, endUnixNano };
}

/** A length in ms, to ns. */
export function milliseconds(params: Params, name: string): bigint | undefined {
  return integer(params, name, 1_000_000n);
}

/** Absent and empty are the same, as in Jaeger. */
export function text(params: Params, name: string): string | undefined {
  return params.get(name) || undefined;
}

/** The name under which the parameter was sent: Jaeger takes the first when it is not empty. */
export function either(params: Params, name: string, older: string): string {
  return params.get(name) ? name : params.get(older) ? older : name;
}

interface Asked {
  readonly service: string | undefined;
  readonly operation: string | undefined;
  readonly range: TimeRange;
  readonly rangeNames: readonly [string, string];
  readonly minDurationNano: bigint | undefined;
  readonly maxDurationNano: bigint | undefined;
  readonly durationNames: readonly [string, string];
  readonly attributes: Readonly<Record<string, string | null>>;
  readonly limit: number;
}

function traceQuery(asked: Asked): TraceQuery {
  const { range, minDurationNano: min, maxDurationNano: max } = asked;
  requireOrder(range, asked.rangeNames);
  if (min !== undefined && max !== undefined && max < min)
    throw new Failure(
      'query',
      'bad_request',
      `'${asked.durationNames[1]}' should be greater than '${asked.durationNames[0]}'`,
    );
  const { error, ...attributes } = asked.attributes;
  // `error=true` means the span's status (jaeger internal/storage/v2/memory/tenant.go); the store has a column for that.
  const errorOnly = error === 'true';
  return {
    ...(asked.service === undefined ? {} : { service: asked.service }),
    ...(asked.operation === undefined ? {} : { operation: asked.operation }),
    ...(min === undefined ? {} : { minDurationNano: min }),
    ...(max === undefined ? {} : { maxDurationNano: max }),
    ...(errorOnly ? { errorOnly } : {}),
    range,
    attributes: error === undefined || errorOnly ? attributes : asked.attributes,
    limit: asked.limit,
  };
}

function hint(
  startUnixNano: bigint | undefined,
  endUnixNano: bigint | undefined,
  names: readonly [string, string],
): TimeRange | undefined {
  if (startUnixNano === undefined && endUnixNano === undefined) return undefined;
  const range = { startUnixNano: startUnixNano ?? 0n, endUnixNano: endUnixNano ?? MAX_NANO };
  requireOrder(range, names);
  return range;
}

function requireOrder(range: TimeRange, names: readonly [string, string]): void {
  if (range.startUnixNano > range.endUnixNano)
    throw new Failure(
      'query',
      'bad_request',
      `invalid parameter: ${names[0]} time must be before ${names[1]} time`,
    );
}

function micros(params: Params, name: string): bigint | undefined {
  return integer(params, name, 1_000n);
}

function integer(params: Params, name: string, scale: bigint): bigint | undefined {
  const value = text(params, name);
  if (value === undefined) return undefined;
  const unit = scale === 1_000n ? 'microseconds' : 'milliseconds';
  if (!/^\d{1,19}$/.test(value)) throw bad(name, value, `a whole number of ${unit}`);
  const scaled = BigInt(value) * scale;
  if (scaled > MAX_NANO) throw bad(name, value, `${unit} before the year 2262`);
  return scaled;
}

function duration(params: Params, name: string): bigint | undefined {
  const value = text(params, name);
  if (value === undefined) return undefined;
  const nanos = parseGoDuration(value);
  if (nanos === undefined || nanos < 0n) throw bad(name, value, 'a duration such as 1.5s, 200ms or 10us');
  // Jaeger takes 0 for "not asked".
  return nanos === 0n ? undefined : nanos;
}

/** 2026-11-22T14:00:00.123456789Z, with up to nine digits of a second and any offset; to ns. */
function rfc3339(params: Params, name: string): bigint | undefined {
  const value = text(params, name);
  if (value === undefined) return undefined;
  // Grafana sends the offset's + without escaping it, so that it arrives as a space.
  const match = /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+ -]\d\d:\d\d)$/.exec(value);
  const ms = match ? Date.parse(`${match[1]}${match[3]?.replace(' ', '+')}`) : Number.NaN;
  const nanos = BigInt((match?.[2] ?? '').padEnd(9, '0'));
  if (Number.isNaN(ms)) throw bad(name, value, 'an RFC 3339 time such as 2026-01-31T10:00:00Z');
  const total = BigInt(ms) * 1_000_000n + nanos;
  if (total < 0n || total > MAX_NANO) throw bad(name, value, 'a time between 1970 and 2262');
  return total;
}

function limit(params: Params, name: string): number {
  const value = text(params, name);
  if (value === undefined) return DEFAULT_TRACES;
  if (!/^\d{1,9}$/.test(value) || Number(value) < 1 || Number(value) > MAX_TRACES)
    throw bad(name, value, `a whole number from 1 to ${MAX_TRACES}`);
  return Number(value);
}

/** `tag=k:v`, or `tag=k` for "the key is there". A value may hold colons, a key may not. */
function simpleTags(tags: readonly string[]): Record<string, string | null> {
  const attributes: Record<string, string | null> = {};
  for (const tag of tags) {
    const colon = tag.indexOf(':');
    const key = colon < 0 ? tag : tag.slice(0, colon);
    if (key === '') throw bad('tag', tag, 'key:value');
    define(attributes, key, colon < 0 ? null : tag.slice(colon + 1));
  }
  return attributes;
}

/** `{"k":"v"}`: values are strings and match by value whatever the type, so a number or a boolean is taken as its text. `null` asks that the key be there. */
function jsonTags(json: string, name: string): Record<string, string | null> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw bad(name, json, 'a JSON object such as {"key":"value"}');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw bad(name, json, 'a JSON object such as {"key":"value"}');
  const attributes: Record<string, string | null> = {};
  for (const [key, value] of Object.entries(parsed)) {
    if (value !== null && !['string', 'number', 'boolean'].includes(typeof value))
      throw bad(name, json, `a text as the value of "${key}"`);
    define(attributes, key, value === null ? null : String(value));
  }
  return attributes;
}

/** A key named `__proto__` is a key like any other. */
function define(target: Record<string, string | null>, key: string, value: string | null): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function bad(name: string, value: string, wanted: string): Failure {
  const shown = value.length > 200 ? `${value.slice(0, 200)}…` : value;
  return new Failure('query', 'bad_request', `unable to parse param '${name}': [${shown}] is not ${wanted}`);
}
