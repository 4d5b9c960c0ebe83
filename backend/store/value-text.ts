import type { Attributes, AttributeValue } from '../../function/span/span-data.ts';

/**
 * Attribute values as text, with their OTLP type kept.
 *
 * In an attribute map each value is plain text beside a type letter:
 *
 *   s string  itself            b bool   true | false        i int64  decimal
 *   d double  shortest decimal, or NaN, Infinity, -Infinity, -0
 *   y bytes   base64            n empty  ''                  a array, m map  typed JSON
 *
 * Typed JSON is JSON in which `1` is an int64 and `1.0` a double, and what JSON lacks is an object with one `$` key:
 * `{"$double":"NaN"}`, `{"$bytes":"aGk="}`. A map's own key that starts with `$` gets one more.
 */
export type TypeLetter = 's' | 'b' | 'i' | 'd' | 'y' | 'n' | 'a' | 'm';

export function typeLetter(value: AttributeValue): TypeLetter {
  switch (typeof value) {
    case 'string':
      return 's';
    case 'boolean':
      return 'b';
    case 'bigint':
      return 'i';
    case 'number':
      return 'd';
    default:
      if (value === null) return 'n';
      if (value instanceof Uint8Array) return 'y';
      return Array.isArray(value) ? 'a' : 'm';
  }
}

export function toText(value: AttributeValue): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'number':
      return doubleText(value);
    default:
      if (value === null) return '';
      if (value instanceof Uint8Array) return base64(value);
      return toTypedJson(value);
  }
}

/** Text that does not fit its letter, which only a hand in the tables can make, comes back as the string it is. */
export function fromText(text: string, letter: string): AttributeValue {
  switch (letter) {
    case 'b':
      return text === 'true';
    case 'i':
      return /^-?\d+$/.test(text) ? BigInt(text) : text;
    case 'd':
      return Number(text);
    case 'n':
      return null;
    case 'y':
      return bytesOf(text);
    case 'a':
    case 'm':
      return fromTypedJson(text);
    default:
      return text;
  }
}

/** The letters of a map's values in order, trailing `s` left off. */
export function typeLetters(values: readonly AttributeValue[]): string {
  let letters = '';
  for (const value of values) letters += typeLetter(value);
  return trimTypes(letters);
}

export function trimTypes(letters: string): string {
  let end = letters.length;
  while (end > 0 && letters.charCodeAt(end - 1) === 0x73) end -= 1;
  return letters.slice(0, end);
}

/** Keys and values as a map column gives them back. A key that stands twice counts once, the last value. */
export function toAttributes(
  keys: readonly string[],
  values: readonly string[],
  letters: string,
): Attributes {
  const attributes: Record<string, AttributeValue> = {};
  for (const [index, key] of keys.entries())
    setOwn(attributes, key, fromText(values[index] ?? '', letters[index] ?? 's'));
  return attributes;
}

export function toTypedJson(value: AttributeValue): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.toWellFormed());
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'number': {
      if (!Number.isFinite(value)) return `{"$double":"${value}"}`;
      const text = doubleText(value);
      return /[.e]/.test(text) ? text : `${text}.0`;
    }
    default:
      if (value === null) return 'null';
      if (value instanceof Uint8Array) return `{"$bytes":"${base64(value)}"}`;
      if (Array.isArray(value)) return `[${value.map(toTypedJson).join(',')}]`;
      return `{${Object.entries(value)
        .map(
          ([key, item]) =>
            `${JSON.stringify((key.startsWith('$') ? `$${key}` : key).toWellFormed())}:${toTypedJson(item)}`,
        )
        .join(',')}}`;
  }
}

export function fromTypedJson(text: string): AttributeValue {
  try {
    return JSON.parse(text, reviveTyped) as AttributeValue;
  } catch {
    return text;
  }
}

/** An attribute set of its own, as resource and scope keep it: '' when empty. */
export function attributesJson(attributes: Attributes): string {
  const json = toTypedJson(attributes);
  return json === '{}' ? '' : json;
}

export function attributesFromJson(text: string): Attributes {
  if (text === '') return {};
  const value = fromTypedJson(text);
  return typeLetter(value) === 'm' ? (value as Attributes) : {};
}

function reviveTyped(
  this: unknown,
  _key: string,
  value: unknown,
  context?: { readonly source: string },
): unknown {
  if (typeof value === 'number') {
    const source = context?.source ?? String(value);
    return /^-?\d+$/.test(source) ? BigInt(source) : value;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value);
  if (!entries.some(([key]) => key.startsWith('$'))) return value;
  const [key, only] = entries[0] as [string, unknown];
  if (key === '$double') return Number(only);
  if (key === '$bytes') return bytesOf(String(only));
  const plain: Record<string, unknown> = {};
  for (const [name, item] of entries) setOwn(plain, name.startsWith('$$') ? name.slice(1) : name, item);
  return plain;
}

function doubleText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}

/** Sets what the data says, also when the key is `__proto__`. */
export function setOwn<T>(target: Record<string, T>, key: string, value: T): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}
