import type { Attributes, AttributeValue } from '../../function/span/span-data.ts';
import type { AttributesColumn } from '../store/attributes-column.ts';
import { isCleanUtf8 } from '../store/native-columns.ts';
import { setOwn, toText, typeLetter } from '../store/value-text.ts';
import { FIXED64, LENGTH, VARINT, type WireReader } from './wire.ts';

/** Arrays and maps inside one another; deeper ones are refused. */
const MAX_DEPTH = 32;

/**
 * KeyValue { string key = 1; AnyValue value = 2 }, straight into the columns. Scalars never become a JS value; arrays and
 * maps, which are rare, do.
 */
export function decodeKeyValueInto(reader: WireReader, column: AttributesColumn, outer: number): void {
  if (plainEntry(reader, column)) {
    reader.end = outer;
    return;
  }
  const { end } = reader;
  let keyStart = 0;
  let keyEnd = 0;
  let valueStart = -1;
  let valueEnd = -1;
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === LENGTH) {
      keyEnd = reader.span();
      keyStart = reader.at;
      reader.at = keyEnd;
    } else if (reader.field === 2 && reader.wireType === LENGTH) {
      valueEnd = reader.span();
      valueStart = reader.at;
      reader.at = valueEnd;
    } else reader.skip();
  }
  column.map.keys.utf8(reader.bytes, keyStart, keyEnd);
  if (valueStart < 0) {
    column.text('n', '');
  } else {
    reader.at = valueStart;
    reader.end = valueEnd;
    decodeScalarInto(reader, column);
  }
  reader.at = end;
  reader.end = outer;
}

/**
 * The common case read in one go: a short key and a short string, each field once, in the order every sender writes them.
 *
 *   0a keySize key 12 valueSize (0a stringSize string)
 */
function plainEntry(reader: WireReader, column: AttributesColumn): boolean {
  const { bytes, at, end } = reader;
  if (end - at < 6 || bytes[at] !== 0x0a) return false;
  const keyStart = at + 2;
  const keyEnd = keyStart + (bytes[at + 1] as number);
  if (keyEnd - keyStart >= 0x80 || keyEnd + 4 > end || bytes[keyEnd] !== 0x12) return false;
  const valueSize = bytes[keyEnd + 1] as number;
  if (valueSize >= 0x80 || keyEnd + 2 + valueSize !== end) return false;
  if (bytes[keyEnd + 2] !== 0x0a || bytes[keyEnd + 3] !== valueSize - 2) return false;
  column.utf8(bytes, keyStart, keyEnd, keyEnd + 4, end);
  reader.at = end;
  return true;
}

/** AnyValue: fields and wire types as in `decodeAnyValue`. */
function decodeScalarInto(reader: WireReader, column: AttributesColumn): void {
  const { bytes, at, end } = reader;
  if (reader.next() && reader.field === 1 && reader.wireType === LENGTH) {
    const stringEnd = reader.span();
    // The only field, as every sender writes it: the common case, without a JS string.
    if (stringEnd === end && isCleanUtf8(bytes, reader.at, stringEnd)) {
      column.bytes('s', bytes, reader.at, stringEnd);
      reader.at = end;
      return;
    }
  }
  reader.at = at;
  const value = decodeAnyValue(reader, 0);
  column.text(typeLetter(value), toText(value));
}

/**
 * AnyValue { oneof: string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
 *            ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7 }
 * ArrayValue { repeated AnyValue values = 1 }   KeyValueList { repeated KeyValue values = 1 }
 */
export function decodeAnyValue(reader: WireReader, depth: number): AttributeValue {
  if (depth > MAX_DEPTH) throw reader.malformed(`values nested more than ${MAX_DEPTH} deep`);
  let value: AttributeValue = null;
  while (reader.next()) {
    const { field, wireType } = reader;
    if (field === 1 && wireType === LENGTH) value = reader.text();
    else if (field === 2 && wireType === VARINT) value = reader.varint32() !== 0 || reader.high !== 0;
    else if (field === 3 && wireType === VARINT) {
      reader.varint();
      value = BigInt.asIntN(64, (BigInt(reader.high) << 32n) | BigInt(reader.low));
    } else if (field === 4 && wireType === FIXED64) value = reader.double();
    else if (field === 5 && wireType === LENGTH) {
      const items: AttributeValue[] = [];
      eachOf(reader, () => items.push(decodeAnyValue(reader, depth + 1)));
      value = items;
    } else if (field === 6 && wireType === LENGTH) {
      const map: Record<string, AttributeValue> = {};
      eachOf(reader, () => decodeKeyValue(reader, map, depth + 1));
      value = map;
    } else if (field === 7 && wireType === LENGTH) {
      const end = reader.span();
      value = new Uint8Array(reader.bytes.subarray(reader.at, end));
      reader.at = end;
    } else reader.skip();
  }
  return value;
}

/** KeyValue { string key = 1; AnyValue value = 2 } */
export function decodeKeyValue(
  reader: WireReader,
  into: Record<string, AttributeValue>,
  depth: number,
): void {
  let key = '';
  let value: AttributeValue = null;
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === LENGTH) key = reader.text();
    else if (reader.field === 2 && reader.wireType === LENGTH)
      value = nested(reader, () => decodeAnyValue(reader, depth));
    else reader.skip();
  }
  setOwn(into, key, value);
}

/** Resource { repeated KeyValue attributes = 1; … }: the attributes in field `field` of the message. */
export function decodeAttributes(reader: WireReader, field: number): Attributes {
  const attributes: Record<string, AttributeValue> = {};
  while (reader.next()) {
    if (reader.field === field && reader.wireType === LENGTH)
      nested(reader, () => decodeKeyValue(reader, attributes, 0));
    else reader.skip();
  }
  return attributes;
}

/** Reads a nested message, whose length comes next. */
export function nested<T>(reader: WireReader, read: () => T): T {
  const outer = reader.end;
  reader.end = reader.span();
  const value = read();
  reader.end = outer;
  return value;
}

/** Each message in field 1 of the nested message that comes next. */
function eachOf(reader: WireReader, read: () => void): void {
  nested(reader, () => {
    while (reader.next()) {
      if (reader.field === 1 && reader.wireType === LENGTH) nested(reader, read);
      else reader.skip();
    }
  });
}
