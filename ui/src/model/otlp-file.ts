import type {
  OtlpEvent,
  OtlpKeyValue,
  OtlpLink,
  OtlpResourceSpans,
  OtlpSpan,
  OtlpTraces,
  OtlpValue,
} from '../../../backend/query/shapes.ts';

/**
 * OTLP's JSON as files have it, made as the query API gives it: ids in hex (or base64, as protobuf's own JSON mapping writes them), enums
 * as numbers (or names), 64-bit numbers as text (or numbers), `instrumentationLibrarySpans` of old. Throws what cannot be read, by name.
 * https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */
export function readOtlp(json: unknown): OtlpTraces {
  return {
    resourceSpans: listOf(recordOf(json)['resourceSpans']).map((entry): OtlpResourceSpans => {
      const resourceSpans = recordOf(entry);
      const scopes = listOf(resourceSpans['scopeSpans'] ?? resourceSpans['instrumentationLibrarySpans']);
      return {
        resource: { attributes: readAttributes(recordOf(resourceSpans['resource'])['attributes']) },
        scopeSpans: scopes.map((each) => {
          const scopeSpans = recordOf(each);
          const scope = recordOf(scopeSpans['scope'] ?? scopeSpans['instrumentationLibrary']);
          return {
            scope: { name: textOr(scope['name'], ''), version: textOr(scope['version'], '') },
            spans: listOf(scopeSpans['spans']).map(readSpan),
          };
        }),
      };
    }),
  };
}

const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'];
const STATUS_CODES = ['UNSET', 'OK', 'ERROR'];

function readSpan(json: unknown): OtlpSpan {
  const span = recordOf(json);
  const name = textOr(span['name'], '');
  const status = recordOf(span['status']);
  return {
    traceId: readId(span['traceId'], 32, `the trace id of span [${name}]`),
    spanId: readId(span['spanId'], 16, `the id of span [${name}]`),
    parentSpanId: span['parentSpanId']
      ? readId(span['parentSpanId'], 16, `the parent of span [${name}]`)
      : '',
    name,
    kind: readEnum(span['kind'], 'SPAN_KIND_', KINDS),
    startTimeUnixNano: readNano(span['startTimeUnixNano'], `the start of span [${name}]`),
    endTimeUnixNano: readNano(span['endTimeUnixNano'], `the end of span [${name}]`),
    attributes: readAttributes(span['attributes']),
    events: listOf(span['events']).map((entry): OtlpEvent => {
      const event = recordOf(entry);
      return {
        name: textOr(event['name'], ''),
        timeUnixNano: readNano(event['timeUnixNano'], `the time of an event of span [${name}]`),
        attributes: readAttributes(event['attributes']),
      };
    }),
    links: listOf(span['links']).map((entry): OtlpLink => {
      const link = recordOf(entry);
      return {
        traceId: readId(link['traceId'], 32, `a link of span [${name}]`),
        spanId: readId(link['spanId'], 16, `a link of span [${name}]`),
        attributes: readAttributes(link['attributes']),
      };
    }),
    status: {
      code: readEnum(status['code'], 'STATUS_CODE_', STATUS_CODES),
      message: textOr(status['message'], ''),
    },
  };
}

function readAttributes(json: unknown): OtlpKeyValue[] {
  return listOf(json).map((entry) => {
    const { key, value } = recordOf(entry);
    return { key: textOr(key, ''), value: readValue(value) };
  });
}

function readValue(json: unknown): OtlpValue {
  const value = recordOf(json);
  if (value['intValue'] !== undefined) return { intValue: say(value['intValue']) };
  if (value['arrayValue'] !== undefined)
    return { arrayValue: { values: listOf(recordOf(value['arrayValue'])['values']).map(readValue) } };
  if (value['kvlistValue'] !== undefined)
    return { kvlistValue: { values: readAttributes(recordOf(value['kvlistValue'])['values']) } };
  if (typeof value['stringValue'] === 'string') return { stringValue: value['stringValue'] };
  if (typeof value['boolValue'] === 'boolean') return { boolValue: value['boolValue'] };
  if (typeof value['doubleValue'] === 'number') return { doubleValue: value['doubleValue'] };
  if (typeof value['bytesValue'] === 'string') return { bytesValue: value['bytesValue'] };
  if (value['doubleValue'] !== undefined) return { stringValue: say(value['doubleValue']) };
  return {};
}

/** Hex, with its leading zeros or without; else base64 of as many bytes. */
function readId(json: unknown, digits: number, what: string): string {
  if (typeof json === 'string') {
    if (/^[0-9a-fA-F]+$/.test(json) && json.length <= digits) return json.toLowerCase().padStart(digits, '0');
    if (/^[A-Za-z0-9+/_-]+={0,2}$/.test(json)) {
      const bytes = atob(json.replaceAll('-', '+').replaceAll('_', '/'));
      const hex = Array.from(bytes, (byte) => (byte.codePointAt(0) ?? 0).toString(16).padStart(2, '0')).join(
        '',
      );
      if (hex.length === digits) return hex;
    }
  }
  throw new Error(`cannot read ${what}: [${say(json)}] is not an id of ${digits} hex digits`);
}

function readNano(json: unknown, what: string): string {
  if (typeof json === 'string' && /^\d{1,20}$/.test(json)) return json;
  if (typeof json === 'number' && json >= 0 && Number.isFinite(json))
    return BigInt(Math.round(json)).toString();
  if (json === undefined || json === null) return '0';
  throw new Error(`cannot read ${what}: [${say(json)}] is not a number of nanoseconds`);
}

function readEnum(json: unknown, prefix: string, names: readonly string[]): number {
  if (typeof json === 'number') return json;
  return typeof json === 'string' ? Math.max(0, names.indexOf(json.replace(prefix, ''))) : 0;
}

export function recordOf(json: unknown): Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
    ? (json as Readonly<Record<string, unknown>>)
    : {};
}

export function listOf(json: unknown): readonly unknown[] {
  return Array.isArray(json) ? json : [];
}

export function textOr(json: unknown, otherwise: string): string {
  return typeof json === 'string' ? json : otherwise;
}

/** A value that is none of those expected, short enough for a message. */
export function say(json: unknown): string {
  return (typeof json === 'string' ? json : (JSON.stringify(json) ?? 'nothing')).slice(0, 80);
}
