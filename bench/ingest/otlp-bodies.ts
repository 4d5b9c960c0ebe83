import { randomFillSync } from 'node:crypto';
import { ByteSink } from '../../backend/store/native-columns.ts';

/**
 * OTLP bodies made once and sent again and again: before each sending `refresh` gives every span new ids and a new time in
 * place, which costs next to nothing beside making a body.
 */
export class OtlpBody {
  readonly bytes: Buffer;
  readonly spans: number;
  readonly #traceIds: Int32Array;
  readonly #spanIds: Int32Array;
  readonly #starts: Int32Array;
  readonly #durations: Float64Array;

  constructor(
    bytes: Buffer,
    places: { traceIds: number[]; spanIds: number[]; starts: number[]; durations: number[] },
  ) {
    this.bytes = bytes;
    this.spans = places.starts.length;
    this.#traceIds = Int32Array.from(places.traceIds);
    this.#spanIds = Int32Array.from(places.spanIds);
    this.#starts = Int32Array.from(places.starts);
    this.#durations = Float64Array.from(places.durations);
  }

  /** Ids by a 48-bit number that no other sending has; the first span starts at `unixNano`, the last `spreadNano` later. */
  refresh(salt: number, unixNano: number, spreadNano: number): void {
    const { bytes } = this;
    const low = salt % 0x1_0000_0000;
    const high = Math.floor(salt / 0x1_0000_0000);
    const mix = Math.imul(low, 0x9e37_79b1) >>> 0;
    for (const at of this.#traceIds) {
      // The first bytes mixed, so that ids stay spread; the last plain, so that they stay unique.
      bytes.writeUInt32LE((bytes.readUInt32LE(at) ^ mix) >>> 0, at);
      bytes.writeUInt32LE(low, at + 8);
      bytes.writeUInt16LE(high, at + 12);
    }
    for (const at of this.#spanIds) bytes.writeUInt32LE((bytes.readUInt32LE(at) ^ mix) >>> 0, at);
    const step = spreadNano / this.spans;
    for (let index = 0; index < this.spans; index += 1) {
      const at = this.#starts[index] as number;
      const start = unixNano + index * step;
      writeU64(bytes, at, start);
      writeU64(bytes, at + 9, start + (this.#durations[index] as number));
    }
  }
}

export type Shape = 'jaeger' | 'gas';

/** `jaeger`: 10 spans a trace, 11 attributes of 97 keys and 1,000 values each. `gas`: Greetings as a Service, 12 spans. */
export function makeBodies(shape: Shape, bodies: number, spansPerBody: number): readonly OtlpBody[] {
  const random = lcg(42);
  return Array.from({ length: bodies }, () => makeBody(shape, spansPerBody, random));
}

const SERVICES = 20;
const OPERATIONS = 15;
const JAEGER_KEYS = Array.from({ length: 97 }, (_, at) => `attribute.key.${at}`);
const JAEGER_VALUES = Array.from({ length: 1000 }, (_, at) => `value-${at}`);

function makeBody(shape: Shape, spans: number, random: () => number): OtlpBody {
  const places = { traceIds: [], spanIds: [], starts: [], durations: [] };
  const out = new Message();
  const all: BenchSpan[] = [];
  while (all.length < spans) all.push(...(shape === 'jaeger' ? jaegerTrace(random) : gasTrace(random)));
  // One resource for all spans of a service, as a collector's batch has them.
  for (const [service, own] of Map.groupBy(all.slice(0, spans), (span) => span.service))
    out.nest(1, () => {
      out.nest(1, () => {
        out.attribute(1, 'service.name', service);
        out.attribute(1, 'host.name', `host-${service.length}`);
        out.attribute(1, 'process.pid', 4711);
        out.attribute(1, 'telemetry.sdk.language', 'nodejs');
        out.attribute(1, 'telemetry.sdk.name', 'opentelemetry');
      });
      out.nest(2, () => {
        out.nest(1, () => out.text(1, 'bench'));
        for (const span of own) writeSpan(out, span, places);
      });
    });
  return new OtlpBody(Buffer.from(out.bytes()), places);
}

interface BenchSpan {
  readonly service: string;
  readonly name: string;
  readonly kind: number;
  readonly traceId: Buffer;
  readonly spanId: Buffer;
  readonly parentSpanId: Buffer | undefined;
  readonly durationNano: number;
  readonly error: boolean;
  readonly attributes: readonly (readonly [string, string | number | boolean])[];
  readonly link?: { readonly traceId: Buffer; readonly spanId: Buffer };
  readonly event?: string;
}

function jaegerTrace(random: () => number): BenchSpan[] {
  const traceId = id(16);
  const spans: BenchSpan[] = [];
  for (let at = 0; at < 10; at += 1) {
    const service = Math.floor(random() * SERVICES);
    const parent = at === 0 ? undefined : spans[Math.floor(random() * at)];
    const keys = new Set<string>();
    while (keys.size < 11) keys.add(JAEGER_KEYS[Math.floor(random() * 97)] as string);
    spans.push({
      service: `service-${service}`,
      name: `operation-${Math.floor(random() * OPERATIONS)}`,
      kind: 1 + Math.floor(random() * 3),
      traceId,
      spanId: id(8),
      parentSpanId: parent?.spanId,
      durationNano: Math.round(10 ** (4 + random() * 5)),
      error: random() < 0.02,
      attributes: [...keys].map(
        (key) => [key, JAEGER_VALUES[Math.floor(random() * 1000)] as string] as const,
      ),
    });
  }
  return spans;
}

/** POST → router → greeter → send → process → invoke → image: names and attributes as the platform writes them. */
function gasTrace(random: () => number): BenchSpan[] {
  const traceId = id(16);
  const offset = Math.floor(random() * 1e6);
  const request = crypto.randomUUID();
  const error = random() < 0.02;
  const instance = `greeter-${Math.floor(random() * 8)}`;
  const spans: BenchSpan[] = [];
  const add = (
    parent: BenchSpan | undefined,
    service: string,
    name: string,
    kind: number,
    attributes: BenchSpan['attributes'],
    more: Partial<BenchSpan> = {},
  ): BenchSpan => {
    const span = {
      service,
      name,
      kind,
      traceId,
      spanId: id(8),
      parentSpanId: parent?.spanId,
      durationNano: Math.round(10 ** (5 + random() * 3)),
      error: false,
      attributes,
      ...more,
    };
    spans.push(span);
    return span;
  };
  const http = (path: string, status: number) =>
    [
      ['http.request.method', 'POST'],
      ['url.path', path],
      ['url.scheme', 'http'],
      ['http.route', path],
      ['server.address', '127.0.0.1'],
      ['server.port', 8888],
      ['http.response.status_code', status],
      ['spoor.request_id', request],
    ] as const;
  const faas = (name: string) =>
    [
      ['faas.name', name],
      ['faas.version', '12'],
      ['faas.instance', instance],
      ['faas.invocation_id', request],
      ['faas.trigger', 'http'],
      ['faas.coldstart', random() < 0.01],
      ['http.request.method', 'POST'],
      ['url.path', '/'],
      ['spoor.request_id', request],
    ] as const;
  const record = (topic: string) =>
    [
      ['messaging.system', 'spoor'],
      ['messaging.operation.name', 'send'],
      ['messaging.destination.name', topic],
      ['messaging.destination.partition.id', '0'],
      ['messaging.kafka.offset', offset],
      ['messaging.kafka.message.key', `card-${offset}`],
    ] as const;
  let above = add(undefined, 'router', 'POST /greetings', 2, http('/greetings', 202));
  for (const [fn, topic] of [
    ['greeter', 'greetings'],
    ['validator', 'cards'],
    ['image', 'images'],
  ] as const) {
    const invoke = add(above, 'router', `invoke ${fn}`, 3, [
      ['faas.invoked_name', fn],
      ['faas.instance', instance],
      ['spoor.attempt', 1],
      ['http.response.status_code', 200],
    ]);
    const own = add(invoke, fn, fn, 2, faas(fn), error ? { error, event: 'exception' } : {});
    const sent = add(own, fn, `send ${topic}`, 4, record(topic));
    above = add(sent, 'trigger', `process ${topic}`, 5, record(topic), { link: sent });
  }
  return spans;
}

type Places = { traceIds: number[]; spanIds: number[]; starts: number[]; durations: number[] };

function writeSpan(out: Message, span: BenchSpan, places: Places): void {
  out.nest(2, () => {
    places.traceIds.push(out.blob(1, span.traceId));
    places.spanIds.push(out.blob(2, span.spanId));
    if (span.parentSpanId) places.spanIds.push(out.blob(4, span.parentSpanId));
    out.text(5, span.name);
    out.varint(6, span.kind);
    places.starts.push(out.fixed64(7));
    out.fixed64(8);
    places.durations.push(span.durationNano);
    for (const [key, value] of span.attributes) out.attribute(9, key, value);
    if (span.event !== undefined) {
      const { event } = span;
      out.nest(11, () => {
        out.text(2, event);
        out.attribute(3, 'exception.type', 'TypeError');
        out.attribute(3, 'exception.message', 'cannot read the greeting');
        out.attribute(3, 'exception.stacktrace', STACK);
      });
    }
    if (span.link) {
      const { link } = span;
      out.nest(13, () => {
        places.traceIds.push(out.blob(1, link.traceId));
        places.spanIds.push(out.blob(2, link.spanId));
      });
    }
    if (span.error) out.nest(15, () => out.varint(3, 2));
  });
}

const STACK = Array.from({ length: 12 }, (_, at) => `    at step${at} (greeter.js:${at + 10}:7)`).join('\n');

/** Protobuf whose lengths have a fixed five bytes, so that a place once written stays where it is. */
class Message extends ByteSink {
  constructor() {
    super(1 << 20);
  }

  nest(field: number, write: () => void): void {
    this.tag(field, 2);
    this.reserve(5);
    const at = this.length;
    this.length += 5;
    write();
    let size = this.length - at - 5;
    for (let index = 0; index < 5; index += 1) {
      this.buffer[at + index] = (size & 0x7f) | (index < 4 ? 0x80 : 0);
      size >>>= 7;
    }
  }

  tag(field: number, wireType: number): void {
    super.varint((field << 3) | wireType);
  }

  override text(field: number | string, value = ''): void {
    if (typeof field === 'string') return super.text(field);
    this.tag(field, 2);
    super.text(value);
  }

  blob(field: number, value: Buffer): number {
    this.tag(field, 2);
    super.varint(value.length);
    this.copy(value, 0, value.length);
    return this.length - value.length;
  }

  override varint(field: number, value?: number): void {
    if (value === undefined) return super.varint(field);
    this.tag(field, 0);
    super.varint(value);
  }

  fixed64(field: number): number {
    this.tag(field, 1);
    this.u64(0);
    return this.length - 8;
  }

  /** KeyValue; small ones with one-byte lengths, as real encoders write them. */
  attribute(field: number, key: string, value: string | number | boolean): void {
    const inner = new ByteSink(64);
    inner.varint((1 << 3) | 2);
    inner.text(key);
    const any = new ByteSink(64);
    if (typeof value === 'string') {
      any.varint((1 << 3) | 2);
      any.text(value);
    } else {
      any.varint((typeof value === 'boolean' ? 2 : 3) << 3);
      any.varint(Number(value));
    }
    inner.varint((2 << 3) | 2);
    inner.varint(any.length);
    inner.copy(any.buffer, 0, any.length);
    this.tag(field, 2);
    super.varint(inner.length);
    this.copy(inner.buffer, 0, inner.length);
  }
}

function writeU64(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32LE(value % 0x1_0000_0000, at);
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

function id(size: number): Buffer {
  return randomFillSync(Buffer.alloc(size));
}

function lcg(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 0x1_0000_0000;
  };
}
