import type { AttributeValue } from '../../function/span/span-data.ts';

/** An attribute's value for a person; '' when it is not there. */
export function textOf(value: AttributeValue | undefined): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'object')
    return JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item));
  return String(value);
}
