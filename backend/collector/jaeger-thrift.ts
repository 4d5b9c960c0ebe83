import { isUtf8 } from 'node:buffer';
import { SERVICE_NAME } from '../../function/span/attributes.ts';
import {
  SPAN_KIND,
  STATUS_CODE,
  type Attributes,
  type AttributeValue,
  type SpanData,
  type SpanKind,
  type SpanLink,
  type SpanStatus,
} from '../../function/span/span-data.ts';
import { Failure } from '../../server/failure.ts';
import type { SpanColumns } from '../store/span-columns.ts';
import { setOwn } from '../store/value-text.ts';
import { UNNAMED, type Decoded } from './otlp-traces.ts';
import type { ThriftStruct, ThriftValue } from './thrift.ts';

/**
 * A Batch of Jaeger's model (jaegertracing/jaeger-idl, thrift/jaeger.thrift) as OTLP's, the way the OpenTelemetry Collector
 * does it (pkg/translator/jaeger): what OTLP has a field for leaves the tags, references become the parent and links.
 *
 *   Batch { 1: Process process; 2: list<Span> spans }    Process { 1: string serviceName; 2: list<Tag> tags }
 */
export function decodeBatch(batch: ThriftStruct, columns: SpanColumns): Decoded {
  const process = structOf(batch.get(1));
  if (!process || !batch.has(2))
    throw new Failure('collector', 'bad_request', 'cannot read the Thrift body: it is no Batch of spans');
  const resource = { ...toAttributes(process.get(2)), [SERVICE_NAME]: textOf(process.get(1)) };
  let [accepted, rejected, reason] = [0, 0, ''];
  for (const one of listOf(batch.get(2))) {
    columns.mark(0);
    try {
      columns.addSpan(toSpan(structOf(one), resource));
      accepted += 1;
    } catch (error) {
      columns.rollback(0);
      rejected += 1;
      reason ||= error instanceof Error ? error.message : String(error);
    }
  }
  return { accepted, rejected, reason };
}

/**
 * Span { 1: i64 traceIdLow; 2: i64 traceIdHigh; 3: i64 spanId; 4: i64 parentSpanId; 5: string operationName;
 *        6: list<SpanRef> references; 7: i32 flags; 8: i64 startTime (µs); 9: i64 duration (µs); 10: list<Tag> tags;
 *        11: list<Log> logs }
 */
function toSpan(span: ThriftStruct | undefined, resource: Attributes): SpanData {
  if (!span) throw new Error('a span is no struct');
  const traceId = hex(span.get(2)) + hex(span.get(1));
  const spanId = hex(span.get(3));
  if (!/[^0]/.test(traceId)) throw new Error('a trace id is zero');
  if (!/[^0]/.test(spanId)) throw new Error('a span id is zero');
  const references = listOf(span.get(6)).flatMap((one) => toReference(structOf(one)));
  let parentSpanId = hex(span.get(4));
  if (!/[^0]/.test(parentSpanId))
    parentSpanId = references.find((one) => one.childOf && one.traceId === traceId)?.spanId ?? '';
  const { own, attributes } = split(toAttributes(span.get(10)));
  const start = micros(span.get(8));
  return {
    traceId,
    spanId,
    parentSpanId,
    name: textOf(span.get(5)) || UNNAMED,
    kind: kindOf(own.get('span.kind')),
    startTimeUnixNano: start,
    endTimeUnixNano: start + micros(span.get(9)),
    status: statusOf(own),
    attributes,
    events: listOf(span.get(11)).map((one) => {
      const log = structOf(one);
      const fields: Record<string, AttributeValue> = { ...toAttributes(log?.get(2)) };
      const name = fields['event'];
      if (typeof name === 'string') delete fields['event'];
      return {
        timeUnixNano: micros(log?.get(1)),
        name: typeof name === 'string' ? name : '',
        attributes: fields,
        droppedAttributesCount: 0,
      };
    }),
    links: references
      .filter((one) => !(one.traceId === traceId && one.spanId === parentSpanId && one.childOf))
      .map(toLink),
    traceState: plain(own.get('w3c.tracestate')),
    flags: Number(numberOf(span.get(7)) & 1n),
    resource,
    scope: { name: plain(own.get('otel.scope.name')), version: plain(own.get('otel.scope.version')) },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Tags that OTLP has a field for. */
const OWN_TAGS: ReadonlySet<string> = new Set([
  'span.kind',
  'error',
  'otel.status_code',
  'otel.status_description',
  'otel.scope.name',
  'otel.scope.version',
  'w3c.tracestate',
]);

function split(tags: Attributes): {
  readonly own: ReadonlyMap<string, AttributeValue>;
  readonly attributes: Attributes;
} {
  const own = new Map<string, AttributeValue>();
  const attributes: Record<string, AttributeValue> = {};
  for (const [key, value] of Object.entries(tags))
    if (OWN_TAGS.has(key)) own.set(key, value);
    else setOwn(attributes, key, value);
  return { own, attributes };
}

function kindOf(value: AttributeValue | undefined): SpanKind {
  const word = plain(value).toLowerCase();
  return Object.hasOwn(SPAN_KIND, word) ? SPAN_KIND[word as keyof typeof SPAN_KIND] : SPAN_KIND.unspecified;
}

function statusOf(own: ReadonlyMap<string, AttributeValue>): SpanStatus {
  const message = plain(own.get('otel.status_description'));
  const code = plain(own.get('otel.status_code')).toUpperCase();
  const error = own.get('error');
  if (code === 'ERROR' || error === true || error === 'true') return { code: STATUS_CODE.error, message };
  return { code: code === 'OK' ? STATUS_CODE.ok : STATUS_CODE.unset, message };
}

interface Reference {
  readonly childOf: boolean;
  readonly traceId: string;
  readonly spanId: string;
}

/** SpanRef { 1: SpanRefType refType (0 CHILD_OF, 1 FOLLOWS_FROM); 2: i64 traceIdLow; 3: i64 traceIdHigh; 4: i64 spanId } */
function toReference(reference: ThriftStruct | undefined): readonly Reference[] {
  if (!reference) return [];
  const traceId = hex(reference.get(3)) + hex(reference.get(2));
  const spanId = hex(reference.get(4));
  if (!/[^0]/.test(traceId) || !/[^0]/.test(spanId)) return [];
  return [{ childOf: numberOf(reference.get(1)) === 0n, traceId, spanId }];
}

function toLink({ childOf, traceId, spanId }: Reference): SpanLink {
  return {
    traceId,
    spanId,
    traceState: '',
    flags: 0,
    attributes: { 'opentracing.ref_type': childOf ? 'child_of' : 'follows_from' },
    droppedAttributesCount: 0,
  };
}

/** Tag { 1: string key; 2: TagType vType; 3: string vStr; 4: double vDouble; 5: bool vBool; 6: i64 vLong; 7: binary vBinary } */
function toAttributes(tags: ThriftValue | undefined): Attributes {
  const attributes: Record<string, AttributeValue> = {};
  for (const one of listOf(tags)) {
    const tag = structOf(one);
    if (tag) setOwn(attributes, textOf(tag.get(1)), tagValue(tag));
  }
  return attributes;
}

function tagValue(tag: ThriftStruct): AttributeValue {
  switch (Number(numberOf(tag.get(2)))) {
    case 1: {
      const value = tag.get(4);
      return typeof value === 'number' ? value : null;
    }
    case 2:
      return tag.get(5) === true;
    case 3:
      return numberOf(tag.get(6));
    case 4: {
      const value = tag.get(7);
      return Buffer.isBuffer(value) ? new Uint8Array(value) : null;
    }
    default:
      return textOf(tag.get(3));
  }
}

function structOf(value: ThriftValue | undefined): ThriftStruct | undefined {
  return value instanceof Map ? (value as ThriftStruct) : undefined;
}

function listOf(value: ThriftValue | undefined): readonly ThriftValue[] {
  return Array.isArray(value) ? (value as readonly ThriftValue[]) : [];
}

function textOf(value: ThriftValue | undefined): string {
  if (!Buffer.isBuffer(value)) return '';
  return isUtf8(value) ? value.toString('utf8') : value.toString('utf8').toWellFormed();
}

function plain(value: AttributeValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: ThriftValue | undefined): bigint {
  return typeof value === 'bigint' ? value : typeof value === 'number' ? BigInt(Math.trunc(value) || 0) : 0n;
}

function hex(value: ThriftValue | undefined): string {
  return BigInt.asUintN(64, numberOf(value)).toString(16).padStart(16, '0');
}

/** Microseconds as nanoseconds; what lies before 1970 is held at 0. */
function micros(value: ThriftValue | undefined): bigint {
  const number = numberOf(value);
  return number < 0n ? 0n : number * 1000n;
}
