import type {
  OtlpEvent,
  OtlpKeyValue,
  OtlpLink,
  OtlpResourceSpans,
  OtlpSpan,
} from '../../../backend/query/shapes.ts';
import { textOf } from '../text/value.ts';
import { listOf, recordOf, say, textOr } from './otlp-file.ts';

/**
 * Jaeger's JSON of one trace (its UI's download, its v1 API) as OTLP: tags that Jaeger made of fields of OTLP become those fields again.
 * https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/
 */
export function readJaeger(json: unknown): {
  readonly traceId: string;
  readonly resourceSpans: OtlpResourceSpans[];
} {
  const trace = recordOf(json);
  const spans = listOf(trace['spans']).map(recordOf);
  const traceId = readId(trace['traceID'] ?? spans[0]?.['traceID'], 32);
  const processes = recordOf(trace['processes']);
  const groups = Map.groupBy(spans, (span) => textOr(span['processID'], ''));
  return {
    traceId,
    resourceSpans: [...groups].map(([processId, of]) => {
      const process = recordOf(processes[processId] ?? of[0]?.['process']);
      const service = { key: 'service.name', value: { stringValue: textOr(process['serviceName'], '') } };
      return {
        resource: { attributes: [service, ...readTags(process['tags'])] },
        scopeSpans: [{ scope: {}, spans: of.map((span) => readSpan(span, traceId)) }],
      };
    }),
  };
}

const KINDS = ['', 'internal', 'server', 'client', 'producer', 'consumer'];
const OK = 1;
const ERROR = 2;
/** Became fields. */
const FIELDS = new Set(['span.kind', 'otel.status_code', 'otel.status_description']);

function readSpan(span: Readonly<Record<string, unknown>>, traceId: string): OtlpSpan {
  const tags = readTags(span['tags']);
  const start = nanoOf(span['startTime']);
  const references = listOf(span['references']).map((entry) => {
    const reference = recordOf(entry);
    return {
      traceId: readId(reference['traceID'], 32),
      spanId: readId(reference['spanID'], 16),
      isParent: reference['refType'] === 'CHILD_OF',
    };
  });
  const parent =
    references.find((reference) => reference.isParent && reference.traceId === traceId) ??
    references.find((reference) => reference.traceId === traceId);
  const isError = textOf(tags, 'otel.status_code') === 'ERROR' || textOf(tags, 'error') === 'true';
  return {
    traceId,
    spanId: readId(span['spanID'], 16),
    parentSpanId: parent?.spanId ?? (span['parentSpanID'] ? readId(span['parentSpanID'], 16) : ''),
    name: textOr(span['operationName'], ''),
    kind: Math.max(0, KINDS.indexOf(textOf(tags, 'span.kind') ?? '')),
    startTimeUnixNano: start.toString(),
    endTimeUnixNano: (start + nanoOf(span['duration'])).toString(),
    attributes: tags.filter(({ key }) => !FIELDS.has(key)),
    events: listOf(span['logs']).map(readEvent),
    links: references
      .filter((reference) => reference !== parent)
      .map((reference): OtlpLink => ({ traceId: reference.traceId, spanId: reference.spanId })),
    status: {
      code: isError ? ERROR : textOf(tags, 'otel.status_code') === 'OK' ? OK : 0,
      message: textOf(tags, 'otel.status_description') ?? '',
    },
  };
}

function readEvent(json: unknown): OtlpEvent {
  const log = recordOf(json);
  const fields = readTags(log['fields']);
  return {
    timeUnixNano: nanoOf(log['timestamp']).toString(),
    name: textOf(fields, 'event') ?? 'log',
    attributes: fields.filter(({ key }) => key !== 'event'),
  };
}

function readTags(json: unknown): OtlpKeyValue[] {
  return listOf(json).map((entry) => {
    const { key, type, value } = recordOf(entry);
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
    return {
      key: textOr(key, ''),
      value:
        type === 'bool'
          ? { boolValue: text === 'true' }
          : type === 'int64'
            ? { intValue: text }
            : type === 'float64'
              ? { doubleValue: Number(value) }
              : { stringValue: text },
    };
  });
}

/** From µs, which may have a fraction. */
function nanoOf(json: unknown): bigint {
  const micros = Number(json ?? 0);
  if (!Number.isFinite(micros)) throw new Error(`cannot read [${say(json)}] as microseconds`);
  const whole = Math.floor(micros);
  return BigInt(whole) * 1_000n + BigInt(Math.round((micros - whole) * 1_000));
}

function readId(json: unknown, digits: number): string {
  if (typeof json === 'string' && /^[0-9a-fA-F]+$/.test(json) && json.length <= digits)
    return json.toLowerCase().padStart(digits, '0');
  throw new Error(`cannot read the id [${say(json)}]: Jaeger writes up to ${digits} hex digits`);
}
