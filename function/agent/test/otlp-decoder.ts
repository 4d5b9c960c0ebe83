import type {
  Attributes,
  AttributeValue,
  InstrumentationScope,
  LogData,
  SpanData,
  SpanEvent,
  SpanKind,
  SpanLink,
  StatusCode,
} from '../../span/span-data.ts';

/** OTLP requests back into data, by the .proto files and by nothing of the encoder's. */
export function decodeTraces(bytes: Buffer): SpanData[] {
  return decode(bytes)
    .all(1)
    .flatMap((resourceSpans) => {
      const resource = attributesOf(resourceSpans.one(1), 1);
      return resourceSpans.all(2).flatMap((scopeSpans) => {
        const scope = scopeOf(scopeSpans.one(1));
        return scopeSpans.all(2).map((span) => spanOf(span, resource, scope));
      });
    });
}

export function decodeLogs(bytes: Buffer): LogData[] {
  return decode(bytes)
    .all(1)
    .flatMap((resourceLogs) => {
      const resource = attributesOf(resourceLogs.one(1), 1);
      return resourceLogs.all(2).flatMap((scopeLogs) => {
        const scope = scopeOf(scopeLogs.one(1));
        return scopeLogs.all(2).map((log): LogData => {
          const body = log.one(5);
          return {
            timeUnixNano: log.integer(1),
            observedTimeUnixNano: log.integer(11),
            severityNumber: Number(log.integer(2)),
            severityText: log.text(3),
            body: body === undefined ? undefined : valueOf(body),
            traceId: log.hex(9),
            spanId: log.hex(10),
            attributes: attributesOf(log, 6),
            resource,
            scope,
          };
        });
      });
    });
}

function spanOf(span: Message, resource: Attributes, scope: InstrumentationScope): SpanData {
  const status = span.one(15);
  return {
    traceId: span.hex(1),
    spanId: span.hex(2),
    traceState: span.text(3),
    parentSpanId: span.hex(4),
    name: span.text(5),
    kind: Number(span.integer(6)) as SpanKind,
    startTimeUnixNano: span.integer(7),
    endTimeUnixNano: span.integer(8),
    attributes: attributesOf(span, 9),
    droppedAttributesCount: Number(span.integer(10)),
    events: span.all(11).map((event): SpanEvent => ({
      timeUnixNano: event.integer(1),
      name: event.text(2),
      attributes: attributesOf(event, 3),
      droppedAttributesCount: Number(event.integer(4)),
    })),
    droppedEventsCount: Number(span.integer(12)),
    links: span.all(13).map((link): SpanLink => ({
      traceId: link.hex(1),
      spanId: link.hex(2),
      traceState: link.text(3),
      attributes: attributesOf(link, 4),
      droppedAttributesCount: Number(link.integer(5)),
      flags: Number(link.integer(6)),
    })),
    droppedLinksCount: Number(span.integer(14)),
    status: {
      message: status?.text(2) ?? '',
      code: Number(status?.integer(3) ?? 0) as StatusCode,
    },
    flags: Number(span.integer(16)),
    resource,
    scope,
  };
}

function scopeOf(scope: Message | undefined): InstrumentationScope {
  return { name: scope?.text(1) ?? '', version: scope?.text(2) ?? '' };
}

function attributesOf(message: Message | undefined, field: number): Attributes {
  const attributes: Record<string, AttributeValue> = {};
  for (const pair of message?.all(field) ?? []) {
    const key = pair.text(1);
    if (key in attributes) throw new Error(`attribute ${key} stands twice`);
    const value = pair.one(2);
    attributes[key] = value === undefined ? null : valueOf(value);
  }
  return attributes;
}

function valueOf(value: Message): AttributeValue {
  if (value.has(1)) return value.text(1);
  if (value.has(2)) return value.integer(2) === 1n;
  if (value.has(3)) return BigInt.asIntN(64, value.integer(3));
  if (value.has(4)) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value.integer(4));
    return bytes.readDoubleLE();
  }
  if (value.has(5)) return value.one(5)?.all(1).map(valueOf) ?? [];
  if (value.has(6)) return attributesOf(value.one(6), 1);
  if (value.has(7)) return new Uint8Array(value.raw(7));
  return null;
}

class Message {
  readonly #fields: ReadonlyMap<number, readonly (Buffer | bigint)[]>;

  constructor(fields: ReadonlyMap<number, readonly (Buffer | bigint)[]>) {
    this.#fields = fields;
  }

  has(field: number): boolean {
    return this.#fields.has(field);
  }

  all(field: number): Message[] {
    return (this.#fields.get(field) ?? []).map((bytes) => decode(bytes as Buffer));
  }

  one(field: number): Message | undefined {
    return this.all(field)[0];
  }

  raw(field: number): Buffer {
    return (this.#fields.get(field)?.[0] as Buffer | undefined) ?? Buffer.alloc(0);
  }

  hex(field: number): string {
    return this.raw(field).toString('hex');
  }

  text(field: number): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.raw(field));
  }

  integer(field: number): bigint {
    return (this.#fields.get(field)?.at(-1) as bigint | undefined) ?? 0n;
  }
}

/** A whole message, strictly: nothing may be left over, no varint longer than it must be. */
function decode(bytes: Buffer): Message {
  const fields = new Map<number, (Buffer | bigint)[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (byte === 0 && shift > 0n) throw new Error('a varint with a needless byte');
        return value;
      }
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const field = tag >>> 3;
    let value: Buffer | bigint;
    switch (tag & 7) {
      case 0:
        value = varint();
        break;
      case 1:
        value = bytes.readBigUInt64LE(at);
        at += 8;
        break;
      case 2: {
        const length = Number(varint());
        if (at + length > bytes.length) throw new Error(`field ${field} is longer than its message`);
        value = bytes.subarray(at, at + length);
        at += length;
        break;
      }
      case 5:
        value = BigInt(bytes.readUInt32LE(at));
        at += 4;
        break;
      default:
        throw new Error(`wire type ${tag & 7}`);
    }
    const values = fields.get(field);
    if (values === undefined) fields.set(field, [value]);
    else values.push(value);
  }
  return new Message(fields);
}
