import { ROOT_CONTEXT, type Context, type TextMapGetter, type TextMapPropagator } from '@opentelemetry/api';
import { createPropagator } from '../../function/span/propagation.ts';
import type { RecordHeaders } from './queue.ts';

/**
 * Headers as the embedded log keeps them, little-endian, repeated to the end of the buffer:
 * u32 name length, name (utf-8), u32 value length, value.
 */
export function encodeHeaders(headers: RecordHeaders): Buffer {
  let size = 0;
  for (const [name, value] of headers) size += 8 + Buffer.byteLength(name) + value.length;
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const [name, value] of headers) {
    const nameLength = putText(bytes, name, at + 4);
    bytes.writeUInt32LE(nameLength, at);
    at += 4 + nameLength;
    bytes.writeUInt32LE(value.length, at);
    putBytes(bytes, value, at + 4);
    at += 4 + value.length;
  }
  return bytes;
}

/** Up to this many a loop costs less than a call into C++. */
const FEW = 64;

/** UTF-8; returns its length. */
function putText(bytes: Buffer, text: string, at: number): number {
  const { length } = text;
  if (length > FEW) return bytes.write(text, at);
  for (let i = 0; i < length; i += 1) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return bytes.write(text, at);
    bytes[at + i] = code;
  }
  return length;
}

function putBytes(bytes: Buffer, value: Buffer, at: number): void {
  if (value.length > FEW) value.copy(bytes, at);
  else for (let i = 0; i < value.length; i += 1) bytes[at + i] = value[i] as number;
}

export function decodeHeaders(bytes: Buffer): RecordHeaders {
  const headers: [string, Buffer][] = [];
  let at = 0;
  const next = () => {
    const start = at + 4;
    at = start + bytes.readUInt32LE(at);
    return bytes.subarray(start, at);
  };
  while (at < bytes.length) headers.push([next().toString(), next()]);
  return headers;
}

/** The last value of a header, as text: as in Kafka's `Headers.lastHeader`, a later one overrides. Names compare exactly. */
export function headerText(headers: RecordHeaders, name: string): string | undefined {
  return headers.findLast(([key]) => key === name)?.[1].toString();
}

/**
 * The context a record carries, in any format: who produces into a topic is not asked how this platform is set up. Where
 * formats disagree, W3C wins, then B3.
 */
export function extractContext(headers: RecordHeaders): Context {
  // Else each format looks for each of its names.
  if (!headers.some(([name]) => isContextHeader(name))) return ROOT_CONTEXT;
  return anyFormat.extract(ROOT_CONTEXT, headers, getter);
}

const anyFormat = createPropagator(['jaeger', 'b3multi', 'b3', 'baggage', 'tracecontext']);

const getter: TextMapGetter<RecordHeaders> = {
  keys: (headers) => headers.map(([name]) => name),
  get: (headers, name) =>
    headers
      .findLast(([key]) => key.length === name.length && key.toLowerCase() === name.toLowerCase())?.[1]
      .toString(),
};

/**
 * The headers with the context in place of whatever context they carried, in any format that we read: two formats that
 * disagree in one record would split its trace.
 */
export function withContext(
  headers: RecordHeaders,
  context: Context,
  propagator: TextMapPropagator,
): RecordHeaders {
  const carrier: [string, Buffer][] = headers
    .filter(([name]) => !isContextHeader(name))
    .map(([n, v]) => [n, v]);
  propagator.inject(context, carrier, {
    set: (target, name, value) => void target.push([name, Buffer.from(value)]),
  });
  return carrier;
}

/** True for the headers by which tracers pass a context: W3C, B3 (single and multi), Jaeger. */
export function isContextHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return CONTEXT_HEADERS.has(lower) || lower.startsWith('uberctx-');
}

const CONTEXT_HEADERS = new Set([
  'traceparent',
  'tracestate',
  'baggage',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'uber-trace-id',
]);
