import type { AttributeValue, Attributes } from '../span/span-data.ts';
import { ProtoBuffer } from './proto-buffer.ts';

/**
 * OTLP from JavaScript values: for what the agent itself has to say (the end of an instance, what was dropped).
 * What functions say goes from journal bytes to OTLP bytes without becoming values (transcoder.ts).
 * Grammar: opentelemetry-proto v1, common/v1/common.proto and resource/v1/resource.proto.
 */

/**
 * `tag` is that of the field in the message around it.
 * KeyValue: key = 1 string · value = 2 AnyValue
 */
export function writeKeyValue(out: ProtoBuffer, tag: number, key: string, value: AttributeValue): void {
  const start = out.open(tag);
  out.string(0x0a, key);
  writeAnyValue(out, 0x12, value);
  out.close(start);
}

/**
 * AnyValue: string_value = 1 string · bool_value = 2 varint · int_value = 3 varint · double_value = 4 fixed64 ·
 * array_value = 5 ArrayValue · kvlist_value = 6 KeyValueList · bytes_value = 7 bytes. Nothing set: an empty value.
 */
export function writeAnyValue(out: ProtoBuffer, tag: number, value: AttributeValue): void {
  const start = out.open(tag);
  if (typeof value === 'string') out.string(0x0a, value);
  else if (typeof value === 'boolean') {
    out.byte(0x10);
    out.byte(value ? 1 : 0);
  } else if (typeof value === 'bigint') {
    out.byte(0x18);
    out.varint64(Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn));
  } else if (typeof value === 'number') {
    out.byte(0x21);
    double[0] = value;
    out.raw(doubleBytes);
  } else if (value instanceof Uint8Array) out.field(0x3a, value);
  else if (isArray(value)) {
    // ArrayValue: values = 1 AnyValue
    const list = out.open(0x2a);
    for (const item of value) writeAnyValue(out, 0x0a, item);
    out.close(list);
  } else if (value !== null) {
    // KeyValueList: values = 1 KeyValue
    const list = out.open(0x32);
    for (const [key, item] of Object.entries(value)) writeKeyValue(out, 0x0a, key, item);
    out.close(list);
  }
  out.close(start);
}

/** Resource: attributes = 1 KeyValue */
export function encodeResource(attributes: Attributes): Uint8Array {
  const out = new ProtoBuffer(256);
  for (const [key, value] of Object.entries(attributes)) writeKeyValue(out, 0x0a, key, value);
  return out.copy();
}

const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/** `Array.isArray` does not narrow a readonly array. */
function isArray(value: AttributeValue): value is readonly AttributeValue[] {
  return Array.isArray(value);
}
