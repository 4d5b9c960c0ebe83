import { Failure } from '../../server/failure.ts';
import type {
  Attributes,
  AttributeValue,
  SpanData,
  SpanKind,
  StatusCode,
} from '../../function/span/span-data.ts';
import { isList } from './plain-json.ts';
import type { OtlpKeyValue, OtlpResourceSpans, OtlpSpan, OtlpTraces, OtlpValue } from './shapes.ts';

/** Spans of any traces as OTLP JSON, one group per resource and scope. Nothing of a span is lost. */
export function encodeOtlp(spans: readonly SpanData[]): OtlpTraces {
  const byResource = new Map<string, Map<string, SpanData[]>>();
  const keyOf = memoizedKey();
  for (const span of spans) {
    const resourceKey = keyOf(span.resource);
    const scopeKey = `${span.scope.name}\u0000${span.scope.version}\u0000${keyOf(span.scope.attributes ?? {})}`;
    let scopes = byResource.get(resourceKey);
    if (!scopes) byResource.set(resourceKey, (scopes = new Map()));
    const group = scopes.get(scopeKey);
    if (group) group.push(span);
    else scopes.set(scopeKey, [span]);
  }
  return { resourceSpans: [...byResource.values()].map(encodeResourceSpans) };
}

export function encodeAttributes(attributes: Attributes): OtlpKeyValue[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: encodeValue(value) }));
}

/**
 * Reads OTLP JSON (`{"resourceSpans":[…]}`), as a person uploads it: field names in camelCase, 64-bit numbers as text or number,
 * ids in hex of either case. Unknown fields are ignored, as OTLP asks. Anything that cannot be a span is a Failure that says where.
 */
export function decodeOtlp(json: unknown): SpanData[] {
  const spans: SpanData[] = [];
  const root = object(json, 'the body');
  if (!Array.isArray(root['resourceSpans'])) throw bad('the body', 'an object with "resourceSpans"');
  for (const [r, resourceSpans] of list(root['resourceSpans'], 'resourceSpans').entries()) {
    const at = `resourceSpans[${r}]`;
    const group = object(resourceSpans, at);
    const resource = attributesOf(object(group['resource'] ?? {}, `${at}.resource`), `${at}.resource`);
    for (const [s, scopeSpans] of list(group['scopeSpans'], `${at}.scopeSpans`).entries()) {
      const inner = `${at}.scopeSpans[${s}]`;
      const scopeGroup = object(scopeSpans, inner);
      const scopeJson = object(scopeGroup['scope'] ?? {}, `${inner}.scope`);
      const scope = {
        name: string(scopeJson['name'], `${inner}.scope.name`),
        version: string(scopeJson['version'], `${inner}.scope.version`),
        attributes: attributesOf(scopeJson, `${inner}.scope`),
      };
      for (const [i, span] of list(scopeGroup['spans'], `${inner}.spans`).entries())
        spans.push(decodeSpan(object(span, `${inner}.spans[${i}]`), `${inner}.spans[${i}]`, resource, scope));
    }
  }
  return spans;
}

function encodeResourceSpans(scopes: ReadonlyMap<string, readonly SpanData[]>): OtlpResourceSpans {
  const groups = [...scopes.values()];
  return {
    resource: { attributes: encodeAttributes(groups[0]?.[0]?.resource ?? {}) },
    scopeSpans: groups.map((spans) => ({
      scope: encodeScope(spans[0] as SpanData),
      spans: spans.map(encodeSpan),
    })),
  };
}

function encodeScope({ scope }: SpanData): OtlpResourceSpans['scopeSpans'][number]['scope'] {
  return {
    ...(scope.name === '' ? {} : { name: scope.name }),
    ...(scope.version === '' ? {} : { version: scope.version }),
    ...withAttributes(scope.attributes ?? {}),
  };
}

/** Empty and zero fields are left out, as protobuf's JSON does; the status is always there (jaeger-ui's schema wants it). */
function encodeSpan(span: SpanData): OtlpSpan {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId === '' ? {} : { parentSpanId: span.parentSpanId }),
    ...(span.traceState === '' ? {} : { traceState: span.traceState }),
    ...(span.flags === 0 ? {} : { flags: span.flags }),
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: span.startTimeUnixNano.toString(),
    endTimeUnixNano: span.endTimeUnixNano.toString(),
    ...withAttributes(span.attributes),
    ...count('droppedAttributesCount', span.droppedAttributesCount),
    ...(span.events.length === 0
      ? {}
      : {
          events: span.events.map((event) => ({
            timeUnixNano: event.timeUnixNano.toString(),
            name: event.name,
            ...withAttributes(event.attributes),
            ...count('droppedAttributesCount', event.droppedAttributesCount),
          })),
        }),
    ...count('droppedEventsCount', span.droppedEventsCount),
    ...(span.links.length === 0
      ? {}
      : {
          links: span.links.map((link) => ({
            traceId: link.traceId,
            spanId: link.spanId,
            ...(link.traceState === '' ? {} : { traceState: link.traceState }),
            ...withAttributes(link.attributes),
            ...count('droppedAttributesCount', link.droppedAttributesCount),
            ...(link.flags === 0 ? {} : { flags: link.flags }),
          })),
        }),
    ...count('droppedLinksCount', span.droppedLinksCount),
    status: {
      ...(span.status.message === '' ? {} : { message: span.status.message }),
      ...(span.status.code === 0 ? {} : { code: span.status.code }),
    },
  };
}

function withAttributes(attributes: Attributes): { attributes?: OtlpKeyValue[] } {
  const encoded = encodeAttributes(attributes);
  return encoded.length === 0 ? {} : { attributes: encoded };
}

function count<Name extends string>(name: Name, value: number): { readonly [key in Name]?: number } {
  return (value === 0 ? {} : { [name]: value }) as { readonly [key in Name]?: number };
}

function encodeValue(value: AttributeValue): OtlpValue {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'bigint') return { intValue: value.toString() };
  if (typeof value === 'number')
    return { doubleValue: Number.isFinite(value) ? value : (String(value) as 'NaN') };
  if (value === null) return {};
  if (value instanceof Uint8Array) return { bytesValue: Buffer.from(value).toString('base64') };
  if (isList(value)) return { arrayValue: { values: value.map(encodeValue) } };
  return { kvlistValue: { values: encodeAttributes(value) } };
}

/** Content of an attribute map as a key, kept per object since spans share their resource. */
function memoizedKey(): (attributes: Attributes) => string {
  const known = new Map<Attributes, string>();
  return (attributes) => {
    let key = known.get(attributes);
    if (key === undefined) known.set(attributes, (key = JSON.stringify(encodeAttributes(attributes))));
    return key;
  };
}

/** Deepest nesting of attribute values that is read. */
const MAX_DEPTH = 32;

type Json = Readonly<Record<string, unknown>>;

function decodeSpan(json: Json, at: string, resource: Attributes, scope: SpanData['scope']): SpanData {
  const status = object(json['status'] ?? {}, `${at}.status`);
  return {
    traceId: id(json['traceId'], 32, `${at}.traceId`),
    spanId: id(json['spanId'], 16, `${at}.spanId`),
    parentSpanId: optionalId(json['parentSpanId'], 16, `${at}.parentSpanId`),
    name: string(json['name'], `${at}.name`),
    kind: enumeration(json['kind'], SPAN_KIND_NAMES, `${at}.kind`) as SpanKind,
    startTimeUnixNano: nanos(json['startTimeUnixNano'], `${at}.startTimeUnixNano`),
    endTimeUnixNano: nanos(json['endTimeUnixNano'], `${at}.endTimeUnixNano`),
    status: {
      code: enumeration(status['code'], STATUS_NAMES, `${at}.status.code`) as StatusCode,
      message: string(status['message'], `${at}.status.message`),
    },
    attributes: attributesOf(json, at),
    events: list(json['events'], `${at}.events`).map((event, i) => {
      const inner = `${at}.events[${i}]`;
      const fields = object(event, inner);
      return {
        timeUnixNano: nanos(fields['timeUnixNano'], `${inner}.timeUnixNano`),
        name: string(fields['name'], `${inner}.name`),
        attributes: attributesOf(fields, inner),
        droppedAttributesCount: uint32(fields['droppedAttributesCount'], `${inner}.droppedAttributesCount`),
      };
    }),
    links: list(json['links'], `${at}.links`).map((link, i) => {
      const inner = `${at}.links[${i}]`;
      const fields = object(link, inner);
      return {
        traceId: id(fields['traceId'], 32, `${inner}.traceId`),
        spanId: id(fields['spanId'], 16, `${inner}.spanId`),
        traceState: string(fields['traceState'], `${inner}.traceState`),
        flags: uint32(fields['flags'], `${inner}.flags`),
        attributes: attributesOf(fields, inner),
        droppedAttributesCount: uint32(fields['droppedAttributesCount'], `${inner}.droppedAttributesCount`),
      };
    }),
    traceState: string(json['traceState'], `${at}.traceState`),
    flags: uint32(json['flags'], `${at}.flags`),
    resource,
    scope,
    droppedAttributesCount: uint32(json['droppedAttributesCount'], `${at}.droppedAttributesCount`),
    droppedEventsCount: uint32(json['droppedEventsCount'], `${at}.droppedEventsCount`),
    droppedLinksCount: uint32(json['droppedLinksCount'], `${at}.droppedLinksCount`),
  };
}

const SPAN_KIND_NAMES = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'].map(
  (name) => `SPAN_KIND_${name}`,
);
const STATUS_NAMES = ['UNSET', 'OK', 'ERROR'].map((name) => `STATUS_CODE_${name}`);

function attributesOf(parent: Json, at: string): Attributes {
  return keyValues(parent['attributes'], `${at}.attributes`, 0);
}

function keyValues(json: unknown, at: string, depth: number): Attributes {
  return Object.fromEntries(
    list(json, at).map((entry, i) => {
      const inner = `${at}[${i}]`;
      const { key, value: json } = object(entry, inner);
      return [string(key, `${inner}.key`), value(json, `${inner}.value`, depth)];
    }),
  );
}

function value(json: unknown, at: string, depth: number): AttributeValue {
  if (depth > MAX_DEPTH) throw bad(at, `nested at most ${MAX_DEPTH} deep`);
  const any = object(json ?? {}, at);
  if (any['stringValue'] !== undefined) return string(any['stringValue'], at);
  if (any['boolValue'] !== undefined) {
    if (typeof any['boolValue'] !== 'boolean') throw bad(at, 'true or false');
    return any['boolValue'];
  }
  if (any['intValue'] !== undefined) return int64(any['intValue'], at);
  if (any['doubleValue'] !== undefined) {
    const double = any['doubleValue'];
    const number = typeof double === 'number' || typeof double === 'string' ? Number(double) : undefined;
    if (number === undefined || (Number.isNaN(number) && double !== 'NaN')) throw bad(at, 'a number');
    return number;
  }
  if (any['bytesValue'] !== undefined)
    return new Uint8Array(Buffer.from(string(any['bytesValue'], at), 'base64'));
  if (any['arrayValue'] !== undefined)
    return list(object(any['arrayValue'], at)['values'], at).map((inner, i) =>
      value(inner, `${at}[${i}]`, depth + 1),
    );
  if (any['kvlistValue'] !== undefined)
    return keyValues(object(any['kvlistValue'], at)['values'], at, depth + 1);
  return null;
}

function object(json: unknown, at: string): Json {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw bad(at, 'an object');
  return json as Json;
}

function list(json: unknown, at: string): readonly unknown[] {
  if (json === undefined || json === null) return [];
  if (!Array.isArray(json)) throw bad(at, 'a list');
  return json;
}

function string(json: unknown, at: string): string {
  if (json === undefined || json === null) return '';
  if (typeof json !== 'string') throw bad(at, 'a text');
  return json;
}

function id(json: unknown, digits: number, at: string): string {
  const text = typeof json === 'string' ? json.toLowerCase() : '';
  if (text.length !== digits || !/^[0-9a-f]+$/.test(text) || /^0+$/.test(text))
    throw bad(at, `${digits} hex digits, not all zero`);
  return text;
}

function optionalId(json: unknown, digits: number, at: string): string {
  if (json === undefined || json === null || (typeof json === 'string' && /^0*$/.test(json))) return '';
  return id(json, digits, at);
}

function int64(json: unknown, at: string): bigint {
  const text = typeof json === 'number' ? String(json) : json;
  if (typeof text !== 'string' || !/^-?\d{1,19}$/.test(text)) throw bad(at, 'a 64-bit integer');
  return BigInt.asIntN(64, BigInt(text));
}

function nanos(json: unknown, at: string): bigint {
  const time = json === undefined || json === null || json === '' ? 0n : int64(json, at);
  if (time < 0n) throw bad(at, 'a time after 1970');
  return time;
}

function uint32(json: unknown, at: string): number {
  const number = Number(json ?? 0);
  if (!Number.isInteger(number) || number < 0 || number > 0xffff_ffff) throw bad(at, 'a 32-bit number');
  return number;
}

/** By number or by name: both occur. */
function enumeration(json: unknown, names: readonly string[], at: string): number {
  if (json === undefined || json === null) return 0;
  const number = typeof json === 'string' ? names.indexOf(json) : json;
  if (typeof number !== 'number' || !(number in names)) throw bad(at, `0 to ${names.length - 1}`);
  return number;
}

function bad(at: string, wanted: string): Failure {
  return new Failure('query', 'bad_request', `cannot read OTLP JSON: ${at} is not ${wanted}`);
}
