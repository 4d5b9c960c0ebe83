import type { AttributeValue } from '../../function/span/span-data.ts';

/** A nested attribute value as JSON for people: integers past 2^53 as digits, bytes as base64. */
export function toPlainJson(value: AttributeValue): unknown {
  if (typeof value === 'bigint') {
    const asNumber = Number(value);
    return Number.isSafeInteger(asNumber) ? asNumber : value.toString();
  }
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (isList(value)) return value.map(toPlainJson);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toPlainJson(inner)]));
}

/** Array.isArray does not narrow a readonly array out of a union. */
export function isList(value: AttributeValue): value is readonly AttributeValue[] {
  return Array.isArray(value);
}
