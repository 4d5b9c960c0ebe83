import type { OtlpKeyValue, OtlpValue } from '../../../backend/query/shapes.ts';

/** An attribute's value as text. Never markup: it is set as the text of an element. */
export function formatValue(value: OtlpValue): string {
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return String(value.boolValue);
  if (value.intValue !== undefined) return value.intValue;
  if (value.doubleValue !== undefined) return String(value.doubleValue);
  if (value.bytesValue !== undefined) return value.bytesValue;
  if (value.arrayValue) return `[${value.arrayValue.values.map(inner).join(', ')}]`;
  if (value.kvlistValue)
    return `{${value.kvlistValue.values.map((entry) => `${entry.key}: ${inner(entry.value)}`).join(', ')}}`;
  return '';
}

/** What a person needs to know of a type: strings are the rule and go without a word. */
export function typeOf(value: OtlpValue): string {
  if (value.stringValue !== undefined) return '';
  if (value.boolValue !== undefined) return 'bool';
  if (value.intValue !== undefined) return 'int';
  if (value.doubleValue !== undefined) return 'double';
  if (value.bytesValue !== undefined) return 'bytes';
  if (value.arrayValue) return 'list';
  return value.kvlistValue ? 'map' : 'empty';
}

export function textOf(attributes: readonly OtlpKeyValue[] | undefined, key: string): string | undefined {
  const entry = attributes?.find((attribute) => attribute.key === key);
  return entry ? formatValue(entry.value) : undefined;
}

function inner(value: OtlpValue): string {
  return value.stringValue === undefined ? formatValue(value) : JSON.stringify(value.stringValue);
}
