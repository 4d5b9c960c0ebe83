import type { Attributes, AttributeValue, LogData, SpanData } from '../../function/span/span-data.ts';
import { ByteSink } from '../store/native-columns.ts';

/** OTLP as a sender writes it, for tests: protobuf and JSON of the same spans. Every span in a resource of its own. */
export function tracesProtobuf(spans: readonly SpanData[]): Buffer<ArrayBuffer> {
  return message((out) => {
    for (const span of spans)
      nest(out, 1, (resourceSpans) => {
        // The spans before their resource: senders may, and proto3 does not care.
        nest(resourceSpans, 2, (scopeSpans) => {
          nest(scopeSpans, 2, (one) => writeSpan(one, span));
          nest(scopeSpans, 1, (scope) => writeScope(scope, span.scope));
        });
        nest(resourceSpans, 1, (resource) => writeAttributes(resource, 1, span.resource));
      });
  });
}

export function logsProtobuf(logs: readonly LogData[]): Buffer<ArrayBuffer> {
  return message((out) => {
    for (const log of logs)
      nest(out, 1, (resourceLogs) => {
        nest(resourceLogs, 1, (resource) => writeAttributes(resource, 1, log.resource));
        nest(resourceLogs, 2, (scopeLogs) => {
          nest(scopeLogs, 1, (scope) => writeScope(scope, log.scope));
          nest(scopeLogs, 2, (one) => {
            fixed64(one, 1, log.timeUnixNano);
            varint(one, 2, BigInt(log.severityNumber));
            text(one, 3, log.severityText);
            if (log.body !== undefined) {
              const { body } = log;
              nest(one, 5, (value) => writeValue(value, body));
            }
            writeAttributes(one, 6, log.attributes);
            bytes(one, 9, Buffer.from(log.traceId, 'hex'));
            bytes(one, 10, Buffer.from(log.spanId, 'hex'));
            fixed64(one, 11, log.observedTimeUnixNano);
          });
        });
      });
  });
}

/** `numbers`: 64-bit integers as JSON numbers instead of strings. */
export function tracesJson(spans: readonly SpanData[], numbers = false): string {
  const int = (value: bigint) => (numbers ? `@@${value}@@` : String(value));
  const value = (given: AttributeValue): unknown => {
    if (given === null) return {};
    if (typeof given === 'string') return { stringValue: given };
    if (typeof given === 'boolean') return { boolValue: given };
    if (typeof given === 'bigint') return { intValue: int(given) };
    if (typeof given === 'number')
      return { doubleValue: Number.isFinite(given) && !Object.is(given, -0) ? given : doubleText(given) };
    if (given instanceof Uint8Array) return { bytesValue: Buffer.from(given).toString('base64') };
    if (Array.isArray(given)) return { arrayValue: { values: given.map(value) } };
    return { kvlistValue: { values: pairs(given as Attributes) } };
  };
  const pairs = (attributes: Attributes) =>
    Object.entries(attributes).map(([key, given]) => ({ key, value: value(given) }));
  const json = JSON.stringify({
    resourceSpans: spans.map((span) => ({
      resource: { attributes: pairs(span.resource) },
      scopeSpans: [
        {
          scope: { ...span.scope, attributes: pairs(span.scope.attributes ?? {}) },
          spans: [
            {
              ...span,
              traceId: span.traceId.toUpperCase(),
              startTimeUnixNano: int(span.startTimeUnixNano),
              endTimeUnixNano: int(span.endTimeUnixNano),
              attributes: pairs(span.attributes),
              events: span.events.map((event) => ({
                ...event,
                timeUnixNano: int(event.timeUnixNano),
                attributes: pairs(event.attributes),
              })),
              links: span.links.map((link) => ({ ...link, attributes: pairs(link.attributes) })),
              resource: undefined,
              scope: undefined,
              fromTheFuture: { deep: [1] },
            },
          ],
        },
      ],
    })),
  });
  return json.replaceAll(/"@@(-?\d+)@@"/g, '$1');
}

function doubleText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function writeSpan(out: ByteSink, span: SpanData): void {
  bytes(out, 1, Buffer.from(span.traceId, 'hex'));
  bytes(out, 2, Buffer.from(span.spanId, 'hex'));
  text(out, 3, span.traceState);
  bytes(out, 4, Buffer.from(span.parentSpanId, 'hex'));
  text(out, 5, span.name);
  varint(out, 6, BigInt(span.kind));
  fixed64(out, 7, span.startTimeUnixNano);
  fixed64(out, 8, span.endTimeUnixNano);
  writeAttributes(out, 9, span.attributes);
  varint(out, 10, BigInt(span.droppedAttributesCount));
  for (const event of span.events)
    nest(out, 11, (one) => {
      fixed64(one, 1, event.timeUnixNano);
      text(one, 2, event.name);
      writeAttributes(one, 3, event.attributes);
      varint(one, 4, BigInt(event.droppedAttributesCount));
    });
  varint(out, 12, BigInt(span.droppedEventsCount));
  for (const link of span.links)
    nest(out, 13, (one) => {
      bytes(one, 1, Buffer.from(link.traceId, 'hex'));
      bytes(one, 2, Buffer.from(link.spanId, 'hex'));
      text(one, 3, link.traceState);
      writeAttributes(one, 4, link.attributes);
      varint(one, 5, BigInt(link.droppedAttributesCount));
      fixed32(one, 6, link.flags);
    });
  varint(out, 14, BigInt(span.droppedLinksCount));
  nest(out, 15, (status) => {
    text(status, 2, span.status.message);
    varint(status, 3, BigInt(span.status.code));
  });
  fixed32(out, 16, span.flags);
  // A field no version of OTLP has: harmless.
  text(out, 9999, 'from the future');
}

function writeScope(out: ByteSink, scope: SpanData['scope']): void {
  text(out, 1, scope.name);
  text(out, 2, scope.version);
  writeAttributes(out, 3, scope.attributes ?? {});
}

function writeAttributes(out: ByteSink, field: number, attributes: Attributes): void {
  for (const [key, value] of Object.entries(attributes))
    nest(out, field, (pair) => {
      text(pair, 1, key);
      nest(pair, 2, (any) => writeValue(any, value));
    });
}

function writeValue(out: ByteSink, value: AttributeValue): void {
  if (value === null) return;
  if (typeof value === 'string') text(out, 1, value);
  else if (typeof value === 'boolean') varint(out, 2, value ? 1n : 0n);
  else if (typeof value === 'bigint') varint(out, 3, BigInt.asUintN(64, value));
  else if (typeof value === 'number') {
    out.varint((4 << 3) | 1);
    out.reserve(8);
    out.length = out.buffer.writeDoubleLE(value, out.length);
  } else if (value instanceof Uint8Array) bytes(out, 7, value);
  else if (Array.isArray(value))
    nest(out, 5, (list) => {
      for (const item of value as readonly AttributeValue[]) nest(list, 1, (any) => writeValue(any, item));
    });
  else nest(out, 6, (map) => writeAttributes(map, 1, value as Attributes));
}

function message(write: (out: ByteSink) => void): Buffer<ArrayBuffer> {
  const out = new ByteSink(1024);
  write(out);
  return Buffer.from(out.bytes());
}

function nest(out: ByteSink, field: number, write: (inner: ByteSink) => void): void {
  bytes(out, field, message(write));
}

function bytes(out: ByteSink, field: number, value: Uint8Array): void {
  out.varint(field * 8 + 2);
  out.varint(value.length);
  out.copy(value, 0, value.length);
}

function text(out: ByteSink, field: number, value: string): void {
  bytes(out, field, Buffer.from(value));
}

function varint(out: ByteSink, field: number, value: bigint): void {
  out.varint(field * 8);
  let rest = value;
  while (rest >= 0x80n) {
    out.u8(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.u8(Number(rest));
}

function fixed64(out: ByteSink, field: number, value: bigint): void {
  out.varint(field * 8 + 1);
  out.u32(Number(value & 0xffff_ffffn));
  out.u32(Number(value >> 32n));
}

function fixed32(out: ByteSink, field: number, value: number): void {
  out.varint(field * 8 + 5);
  out.u32(value);
}
