import { SERVICE_NAME } from '../../function/span/attributes.ts';
import {
  SPAN_KIND,
  STATUS_CODE,
  type Attributes,
  type AttributeValue,
  type SpanData,
  type SpanEvent,
  type SpanStatus,
} from '../../function/span/span-data.ts';
import { Failure } from '../../server/failure.ts';
import type { SpanColumns } from '../store/span-columns.ts';
import { setOwn } from '../store/value-text.ts';
import { UNNAMED, type Decoded } from './otlp-traces.ts';

const MAX_ANNOTATIONS = 10_000;

/**
 * Zipkin's v2 JSON (github.com/openzipkin/zipkin-api, zipkin2-api.yaml): a list of spans, times in microseconds, tags and
 * annotations of strings. A v1 span, known by its `binaryAnnotations` or by annotations with an endpoint, is read as the v2
 * span it stands for.
 */
export function decodeZipkin(body: Buffer, columns: SpanColumns): Decoded {
  let [accepted, rejected, reason] = [0, 0, ''];
  for (const one of parse(body)) {
    columns.mark(0);
    try {
      columns.addSpan(toSpan(isMessage(one) ? fromV1(one) : one));
      accepted += 1;
    } catch (error) {
      columns.rollback(0);
      rejected += 1;
      reason ||= error instanceof Error ? error.message : String(error);
    }
  }
  return { accepted, rejected, reason };
}

type Message = Readonly<Record<string, unknown>>;

function toSpan(one: unknown): SpanData {
  if (!isMessage(one)) throw new Error(`a span is [${show(one)}], not an object`);
  const traceId = hexId(one, 'traceId', 32);
  const spanId = hexId(one, 'id', 16);
  if (traceId === '' || spanId === '') throw new Error('a span has no traceId or no id');
  const local = endpoint(one, 'localEndpoint');
  const remote = endpoint(one, 'remoteEndpoint');
  const { own, attributes } = split(tagsOf(one['tags']));
  const start = micros(one['timestamp']);
  return {
    traceId,
    spanId,
    parentSpanId: hexId(one, 'parentId', 16),
    name: text(one['name']) || UNNAMED,
    kind: kindOf(one['kind']),
    startTimeUnixNano: start,
    endTimeUnixNano: start + micros(one['duration']),
    status: statusOf(own),
    attributes: {
      ...attributes,
      ...(own.has('error') && own.get('error') !== 'true' && own.get('error') !== ''
        ? { error: own.get('error') as string }
        : {}),
      ...addresses('network.local', local),
      ...(remote['serviceName'] ? { 'peer.service': text(remote['serviceName']) } : {}),
      ...addresses('network.peer', remote),
      ...(one['debug'] === true ? { 'zipkin.debug': true } : {}),
      ...(one['shared'] === true ? { 'zipkin.shared': true } : {}),
    },
    events: annotationsOf(one['annotations']),
    links: [],
    traceState: own.get('w3c.tracestate') ?? '',
    flags: 1,
    resource: { ...own.resource, [SERVICE_NAME]: text(local['serviceName']) },
    scope: { name: own.get('otel.scope.name') ?? '', version: own.get('otel.scope.version') ?? '' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

const OWN_TAGS: ReadonlySet<string> = new Set([
  'error',
  'otel.status_code',
  'otel.status_description',
  'otel.scope.name',
  'otel.scope.version',
  'w3c.tracestate',
]);
/** Exporters write the resource into each span's tags. */
const RESOURCE_TAG = /^(telemetry\.sdk|service|host|process|os|container|k8s|cloud)\./;

class OwnTags extends Map<string, string> {
  readonly resource: Record<string, string> = {};
}

function split(tags: Readonly<Record<string, string>>): {
  readonly own: OwnTags;
  readonly attributes: Attributes;
} {
  const own = new OwnTags();
  const attributes: Record<string, AttributeValue> = {};
  for (const [key, value] of Object.entries(tags))
    if (OWN_TAGS.has(key)) own.set(key, value);
    else if (RESOURCE_TAG.test(key)) setOwn(own.resource, key, value);
    else setOwn(attributes, key, value);
  return { own, attributes };
}

function statusOf(own: OwnTags): SpanStatus {
  const error = own.get('error');
  const said = own.get('otel.status_description');
  const code = own.get('otel.status_code')?.toUpperCase();
  // Zipkin's `error` tag makes an error by being there, whatever it says.
  if (code === 'ERROR' || (error !== undefined && error !== 'false'))
    return { code: STATUS_CODE.error, message: said ?? (error === 'true' ? '' : (error ?? '')) };
  return { code: code === 'OK' ? STATUS_CODE.ok : STATUS_CODE.unset, message: said ?? '' };
}

function kindOf(value: unknown): SpanData['kind'] {
  switch (value) {
    case 'CLIENT':
      return SPAN_KIND.client;
    case 'SERVER':
      return SPAN_KIND.server;
    case 'PRODUCER':
      return SPAN_KIND.producer;
    case 'CONSUMER':
      return SPAN_KIND.consumer;
    default:
      return SPAN_KIND.internal;
  }
}

function annotationsOf(value: unknown): readonly SpanEvent[] {
  if (!Array.isArray(value)) return [];
  return value
    .slice(0, MAX_ANNOTATIONS)
    .filter(isMessage)
    .map((annotation) => ({
      timeUnixNano: micros(annotation['timestamp']),
      name: text(annotation['value']),
      attributes: {},
      droppedAttributesCount: 0,
    }));
}

function tagsOf(value: unknown): Readonly<Record<string, string>> {
  const tags: Record<string, string> = {};
  if (isMessage(value))
    for (const [key, item] of Object.entries(value))
      setOwn(tags, key, typeof item === 'string' ? item : show(item));
  return tags;
}

function addresses(prefix: string, at: Message): Attributes {
  const address = text(at['ipv4']) || text(at['ipv6']);
  const { port } = at;
  return {
    ...(address === '' ? {} : { [`${prefix}.address`]: address }),
    ...(typeof port === 'number' && Number.isInteger(port) && port > 0
      ? { [`${prefix}.port`]: BigInt(port) }
      : {}),
  };
}

/** cs and cr stand for CLIENT, sr and ss for SERVER; binary annotations are tags, and sa or ca the other side. */
function fromV1(one: Message): Message {
  const annotations = Array.isArray(one['annotations']) ? one['annotations'].filter(isMessage) : [];
  const binary = Array.isArray(one['binaryAnnotations']) ? one['binaryAnnotations'].filter(isMessage) : [];
  if (binary.length === 0 && !annotations.some((annotation) => isMessage(annotation['endpoint']))) return one;
  const marks = new Map(annotations.map((annotation) => [annotation['value'], annotation]));
  const begin = marks.get('cs') ?? marks.get('sr');
  const end = marks.get('cr') ?? marks.get('ss');
  const kind =
    marks.has('cs') || marks.has('cr') ? 'CLIENT' : marks.has('sr') || marks.has('ss') ? 'SERVER' : '';
  const timestamp = one['timestamp'] ?? begin?.['timestamp'];
  const local = [...annotations, ...binary].find((item) => isMessage(item['endpoint']))?.['endpoint'];
  const isAddress = (item: Message) => item['key'] === 'sa' || item['key'] === 'ca';
  return {
    ...one,
    timestamp,
    duration:
      one['duration'] ??
      (end && typeof timestamp === 'number' ? Number(end['timestamp']) - timestamp : undefined),
    kind,
    localEndpoint: local,
    remoteEndpoint: binary.find(isAddress)?.['endpoint'],
    annotations: annotations.filter(
      (annotation) => !['cs', 'cr', 'ss', 'sr'].includes(text(annotation['value'])),
    ),
    tags: Object.fromEntries(
      binary.filter((item) => !isAddress(item)).map((item) => [text(item['key']), item['value']]),
    ),
  };
}

function parse(body: Buffer): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new Failure(
      'collector',
      'bad_request',
      `cannot parse the JSON body: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
  if (!Array.isArray(value))
    throw new Failure('collector', 'bad_request', 'cannot read the JSON body: it is not a list of spans');
  return value;
}

/** '' when absent or zeros; shorter ids are filled up with zeros. */
function hexId(owner: Message, name: string, digits: number): string {
  const value = owner[name];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string' || value.length > digits || !/^[0-9a-f]*$/i.test(value))
    throw new Error(`${name} is [${show(value)}], not up to ${digits} hex digits`);
  return /[^0]/.test(value) ? value.toLowerCase().padStart(digits, '0') : '';
}

function endpoint(owner: Message, name: string): Message {
  const value = owner[name];
  return isMessage(value) ? value : {};
}

function micros(value: unknown): bigint {
  const number = typeof value === 'string' ? Number(value) : value;
  return typeof number === 'number' && number > 0 && number < 2 ** 63
    ? BigInt(Math.round(number)) * 1000n
    : 0n;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 64);
}
