import type {
  Attributes,
  AttributeValue,
  SpanData,
  SpanEvent,
  SpanLink,
} from '../../function/span/span-data.ts';
import { SERVICE_NAME } from '../../function/span/attributes.ts';
import type { AdjustedSpan } from './adjust.ts';
import { toPlainJson } from './plain-json.ts';
import type { JaegerKeyValue, JaegerProcess, JaegerReference, JaegerSpan, JaegerTrace } from './shapes.ts';

/**
 * Spans of one trace in the shape of Jaeger's v1 API, as Jaeger's own translation does it (opentelemetry-collector-contrib
 * pkg/translator/jaeger, jaeger internal/uimodel/converter/v1/json). Link attributes have no place in it and are lost; nanoseconds
 * are cut to microseconds.
 *
 * One difference: a span that is both the child of a span and linked to it (a consumed record) keeps CHILD_OF and gets
 * FOLLOWS_FROM besides. Jaeger turns the one into the other, and then clients that look for CHILD_OF alone (Grafana) find a root.
 */
export function toJaegerTrace(traceId: string, spans: readonly AdjustedSpan[]): JaegerTrace {
  const processes = new Processes();
  const traceID = toJaegerTraceId(traceId);
  return {
    traceID,
    spans: spans.map(({ span, warnings }) => toJaegerSpan(span, warnings, processes)),
    processes: processes.byId,
    warnings: null,
  };
}

/** Jaeger prints an id whose high 64 bits are zero with 16 digits. */
export function toJaegerTraceId(traceId: string): string {
  return traceId.startsWith('0'.repeat(16)) ? traceId.slice(16) : traceId;
}

function toJaegerSpan(span: SpanData, warnings: readonly string[], processes: Processes): JaegerSpan {
  const start = span.startTimeUnixNano;
  const duration = span.endTimeUnixNano > start ? span.endTimeUnixNano - start : 0n;
  return {
    traceID: toJaegerTraceId(span.traceId),
    spanID: span.spanId,
    ...(span.flags === 0 ? {} : { flags: span.flags }),
    operationName: span.name,
    references: references(span),
    startTime: micros(start),
    duration: micros(duration),
    tags: tags(span),
    logs: span.events.map((event) => ({ timestamp: micros(event.timeUnixNano), fields: fields(event) })),
    processID: processes.idOf(span.resource),
    warnings: warnings.length > 0 ? warnings : null,
  };
}

function references(span: SpanData): JaegerReference[] {
  const parent: JaegerReference[] =
    span.parentSpanId === ''
      ? []
      : [{ refType: 'CHILD_OF', traceID: toJaegerTraceId(span.traceId), spanID: span.parentSpanId }];
  return [...parent, ...span.links.map(toReference)];
}

function toReference(link: SpanLink): JaegerReference {
  const childOf = link.attributes['opentracing.ref_type'] === 'child_of';
  return {
    refType: childOf ? 'CHILD_OF' : 'FOLLOWS_FROM',
    traceID: toJaegerTraceId(link.traceId),
    spanID: link.spanId,
  };
}

const KIND_TAG = ['', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUS_TAG = ['', 'OK', 'ERROR'] as const;

/** In Jaeger's order: scope, attributes, kind, status, trace state. */
function tags(span: SpanData): JaegerKeyValue[] {
  const result: JaegerKeyValue[] = [];
  const add = (key: string, value: string) => {
    if (value !== '') result.push({ key, type: 'string', value });
  };
  add('otel.scope.name', span.scope.name);
  add('otel.scope.version', span.scope.version);
  result.push(...toKeyValues(span.attributes));
  add('span.kind', KIND_TAG[span.kind] ?? '');
  add('otel.status_code', STATUS_TAG[span.status.code] ?? '');
  if (span.status.code === 2) result.push({ key: 'error', type: 'bool', value: true });
  add('otel.status_description', span.status.message);
  add('w3c.tracestate', span.traceState);
  return result;
}

/** The event's name is the field `event`, unless an attribute already has that key. */
function fields(event: SpanEvent): JaegerKeyValue[] {
  const attributes = toKeyValues(event.attributes);
  if (event.name === '' || Object.hasOwn(event.attributes, 'event')) return attributes;
  return [{ key: 'event', type: 'string', value: event.name }, ...attributes];
}

function toKeyValues(attributes: Attributes): JaegerKeyValue[] {
  return Object.entries(attributes).map(([key, value]) => toKeyValue(key, value));
}

function toKeyValue(key: string, value: AttributeValue): JaegerKeyValue {
  if (typeof value === 'string') return { key, type: 'string', value };
  if (typeof value === 'boolean') return { key, type: 'bool', value };
  if (typeof value === 'bigint') return { key, type: 'int64', value: toJsonInteger(value) };
  if (typeof value === 'number') return { key, type: 'float64', value: toJsonFloat(value) };
  if (value === null) return { key, type: 'string', value: '' };
  if (value instanceof Uint8Array)
    return { key, type: 'binary', value: Buffer.from(value).toString('base64') };
  return { key, type: 'string', value: JSON.stringify(toPlainJson(value)) };
}

/** JavaScript cannot hold it exactly: then its digits (jaeger from_domain.go). */
function toJsonInteger(value: bigint): number | string {
  const asNumber = Number(value);
  return Number.isSafeInteger(asNumber) ? asNumber : value.toString();
}

function toJsonFloat(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** µs since 1970 stay below 2^53 until the year 2255. */
function micros(nanos: bigint): number {
  return Number(nanos / 1_000n);
}

/** One process per distinct resource, numbered p1, p2 … as they come. */
class Processes {
  readonly byId: Record<string, JaegerProcess> = {};
  /** Spans share the resource object, so most are found without comparing contents. */
  readonly #idByResource = new Map<Attributes, string>();
  readonly #idByContent = new Map<string, string>();

  idOf(resource: Attributes): string {
    const known = this.#idByResource.get(resource);
    if (known) return known;
    const process = toProcess(resource);
    const content = JSON.stringify(process);
    const id = this.#idByContent.get(content) ?? `p${this.#idByContent.size + 1}`;
    this.#idByContent.set(content, id);
    this.#idByResource.set(resource, id);
    this.byId[id] ??= process;
    return id;
  }
}

function toProcess(resource: Attributes): JaegerProcess {
  const { [SERVICE_NAME]: service, ...rest } = resource;
  return {
    serviceName: typeof service === 'string' && service !== '' ? service : 'OTLPResourceNoServiceName',
    tags: toKeyValues(rest),
  };
}
