import type {
  Attributes,
  AttributeValue,
  InstrumentationScope,
  LogData,
  SpanData,
  SpanKind,
  StatusCode,
} from '../../function/span/span-data.ts';
import { Failure } from '../../server/failure.ts';
import type { SpanColumns } from '../store/span-columns.ts';
import { setOwn } from '../store/value-text.ts';
import { UNNAMED, type Decoded } from './otlp-traces.ts';

/** Arrays and maps inside one another; deeper ones are refused. */
const MAX_DEPTH = 32;

/**
 * OTLP's JSON (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"): lowerCamelCase names, ids as hex, bytes as
 * base64, 64-bit integers as strings or numbers, enums as numbers, unknown fields ignored.
 */
export function decodeTracesJson(body: Buffer, columns: SpanColumns): Decoded {
  let [accepted, rejected, reason] = [0, 0, ''];
  for (const resourceSpans of list(parse(body), 'resourceSpans')) {
    const resource = attributes(message(resourceSpans, 'resource'));
    for (const scopeSpans of list(resourceSpans, 'scopeSpans')) {
      const scope = scopeOf(message(scopeSpans, 'scope'));
      for (const one of list(scopeSpans, 'spans')) {
        columns.mark(0);
        try {
          columns.addSpan(toSpan(one, resource, scope));
          accepted += 1;
        } catch (error) {
          columns.rollback(0);
          rejected += 1;
          reason ||= error instanceof Error ? error.message : String(error);
        }
      }
    }
  }
  return { accepted, rejected, reason };
}

export function decodeLogsJson(body: Buffer): readonly LogData[] {
  const logs: LogData[] = [];
  for (const resourceLogs of list(parse(body), 'resourceLogs')) {
    const resource = attributes(message(resourceLogs, 'resource'));
    for (const scopeLogs of list(resourceLogs, 'scopeLogs')) {
      const scope = scopeOf(message(scopeLogs, 'scope'));
      for (const one of list(scopeLogs, 'logRecords')) {
        logs.push({
          timeUnixNano: uint64(one, 'timeUnixNano'),
          observedTimeUnixNano: uint64(one, 'observedTimeUnixNano'),
          severityNumber: within(uint32(one, 'severityNumber'), 24),
          severityText: text(one, 'severityText'),
          body: one['body'] === undefined ? undefined : anyValue(one['body'], 0),
          traceId: optionalId(one, 'traceId', 32),
          spanId: optionalId(one, 'spanId', 16),
          attributes: attributes(one),
          resource,
          scope,
        });
      }
    }
  }
  return logs;
}

type Message = Readonly<Record<string, unknown>>;

function toSpan(one: Message, resource: Attributes, scope: InstrumentationScope): SpanData {
  const status = message(one, 'status');
  return {
    traceId: id(one, 'traceId', 32),
    spanId: id(one, 'spanId', 16),
    parentSpanId: optionalId(one, 'parentSpanId', 16),
    name: text(one, 'name') || UNNAMED,
    kind: within(uint32(one, 'kind'), 5) as SpanKind,
    startTimeUnixNano: uint64(one, 'startTimeUnixNano'),
    endTimeUnixNano: uint64(one, 'endTimeUnixNano'),
    status: { code: within(uint32(status, 'code'), 2) as StatusCode, message: text(status, 'message') },
    attributes: attributes(one),
    events: list(one, 'events').map((event) => ({
      timeUnixNano: uint64(event, 'timeUnixNano'),
      name: text(event, 'name'),
      attributes: attributes(event),
      droppedAttributesCount: uint32(event, 'droppedAttributesCount'),
    })),
    // A link that points nowhere is dropped, the span is kept.
    links: list(one, 'links')
      .filter((link) => optionalId(link, 'traceId', 32) !== '' && optionalId(link, 'spanId', 16) !== '')
      .map((link) => ({
        traceId: id(link, 'traceId', 32),
        spanId: id(link, 'spanId', 16),
        traceState: text(link, 'traceState'),
        flags: uint32(link, 'flags'),
        attributes: attributes(link),
        droppedAttributesCount: uint32(link, 'droppedAttributesCount'),
      })),
    traceState: text(one, 'traceState'),
    flags: uint32(one, 'flags'),
    resource,
    scope,
    droppedAttributesCount: uint32(one, 'droppedAttributesCount'),
    droppedEventsCount: uint32(one, 'droppedEventsCount'),
    droppedLinksCount: uint32(one, 'droppedLinksCount'),
  };
}

function scopeOf(scope: Message): InstrumentationScope {
  return { name: text(scope, 'name'), version: text(scope, 'version'), attributes: attributes(scope) };
}

function attributes(owner: Message): Attributes {
  return keyValues(list(owner, 'attributes'), 0);
}

function keyValues(pairs: readonly Message[], depth: number): Attributes {
  const found: Record<string, AttributeValue> = {};
  for (const pair of pairs) setOwn(found, text(pair, 'key'), anyValue(pair['value'], depth));
  return found;
}

function anyValue(value: unknown, depth: number): AttributeValue {
  if (depth > MAX_DEPTH) throw bad(`values nested more than ${MAX_DEPTH} deep`);
  if (!isMessage(value)) return null;
  if (value['stringValue'] !== undefined) return text(value, 'stringValue');
  if (value['boolValue'] !== undefined) return value['boolValue'] === true;
  if (value['intValue'] !== undefined) return BigInt.asIntN(64, integer(value['intValue'], 'intValue'));
  if (value['doubleValue'] !== undefined) return double(value['doubleValue']);
  if (isMessage(value['arrayValue']))
    return list(value['arrayValue'], 'values').map((item) => anyValue(item, depth + 1));
  if (isMessage(value['kvlistValue'])) return keyValues(list(value['kvlistValue'], 'values'), depth + 1);
  if (value['bytesValue'] !== undefined)
    return new Uint8Array(Buffer.from(text(value, 'bytesValue'), 'base64'));
  return null;
}

function double(value: unknown): number {
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  if (typeof value === 'string' && /^(NaN|-?Infinity|-?[\d.]+(e[+-]?\d+)?)$/i.test(value))
    return Number(value);
  throw bad(`[${show(value)}] is not a doubleValue`);
}

function parse(body: Buffer): Message {
  const text = body.toString('utf8');
  let value: unknown;
  try {
    // Numbers past 2^53 keep their digits; looking for them first spares every other body the slow way.
    value = /[:[\s]-?\d{16,}/.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text);
  } catch (error) {
    throw new Failure(
      'collector',
      'bad_request',
      `cannot parse the JSON body: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
  if (!isMessage(value)) throw bad('it is not an object');
  return value;
}

function keepDigits(_key: string, value: unknown, context?: { readonly source: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? '';
  return /^-?\d+$/.test(source) && source.length <= 32 ? BigInt(source) : value;
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function message(owner: Message, name: string): Message {
  const value = owner[name];
  if (value === undefined || value === null) return {};
  if (!isMessage(value)) throw bad(`${name} is not an object`);
  return value;
}

function list(owner: Message, name: string): readonly Message[] {
  const value = owner[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw bad(`${name} is not an array`);
  for (const item of value) if (!isMessage(item)) throw bad(`${name} holds [${show(item)}], not an object`);
  return value as readonly Message[];
}

function text(owner: Message, name: string): string {
  const value = owner[name];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw bad(`${name} is [${show(value)}], not a string`);
  return value;
}

function uint32(owner: Message, name: string): number {
  const value = owner[name];
  if (value === undefined || value === null) return 0;
  return Number(BigInt.asUintN(32, integer(value, name)));
}

function uint64(owner: Message, name: string): bigint {
  const value = owner[name];
  if (value === undefined || value === null) return 0n;
  return BigInt.asUintN(64, integer(value, name));
}

function integer(value: unknown, name: string): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  throw bad(`${name} is [${show(value)}], not a whole number`);
}

function within(value: number, max: number): number {
  return value > max ? 0 : value;
}

function id(owner: Message, name: string, digits: number): string {
  const found = optionalId(owner, name, digits);
  if (found === '') throw bad(`${name} is missing or zero`);
  return found;
}

/** '' when absent, empty or zeros. */
function optionalId(owner: Message, name: string, digits: number): string {
  const value = text(owner, name);
  if (value === '') return '';
  if (value.length !== digits || !/^[0-9a-f]+$/i.test(value))
    throw bad(`${name} is [${show(value)}], not ${digits} hex digits`);
  return /[^0]/.test(value) ? value.toLowerCase() : '';
}

function bad(what: string): Failure {
  return new Failure('collector', 'bad_request', `cannot read the JSON body: ${what}`);
}

function show(value: unknown): string {
  if (typeof value === 'bigint') return String(value).slice(0, 64);
  return (
    JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item)) ?? ''
  ).slice(0, 64);
}
