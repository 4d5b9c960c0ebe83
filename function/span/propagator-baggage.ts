/** W3C Baggage, https://www.w3.org/TR/baggage/. */
import {
  baggageEntryMetadataFromString,
  propagation,
  type BaggageEntry,
  type Context,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
} from '@opentelemetry/api';
import { isSuppressed } from './suppress.ts';

const BAGGAGE = 'baggage';

// Section 3.3.2, and the same in opentelemetry-js.
const MAX_PAIRS = 180;
const MAX_PAIR_BYTES = 4096;
const MAX_TOTAL_BYTES = 8192;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export const baggagePropagator: TextMapPropagator = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter) {
    const entries = propagation.getBaggage(context)?.getAllEntries();
    if (!entries || isSuppressed(context)) return;
    let header = '';
    let pairs = 0;
    for (const [key, entry] of entries) {
      const pair = encodePair(key, entry);
      if (pair === undefined || pair.length > MAX_PAIR_BYTES) continue;
      if (pairs === MAX_PAIRS || header.length + 1 + pair.length > MAX_TOTAL_BYTES) break;
      header += pairs === 0 ? pair : `,${pair}`;
      pairs += 1;
    }
    if (pairs > 0) setter.set(carrier, BAGGAGE, header);
  },

  extract(context: Context, carrier: unknown, getter: TextMapGetter) {
    const value = getter.get(carrier, BAGGAGE);
    const header = Array.isArray(value) ? value.join(',') : value;
    if (!header) return context;
    const entries: Record<string, BaggageEntry> = {};
    let pairs = 0;
    for (const pair of header.slice(0, MAX_TOTAL_BYTES + 1).split(',', MAX_PAIRS)) {
      const decoded = pair.length > MAX_PAIR_BYTES ? undefined : decodePair(pair);
      if (!decoded) continue;
      Object.defineProperty(entries, decoded.key, {
        value: decoded.entry,
        enumerable: true,
        configurable: true,
        writable: true,
      });
      pairs += 1;
    }
    return pairs === 0 ? context : propagation.setBaggage(context, propagation.createBaggage(entries));
  },

  fields: () => [BAGGAGE],
};

/** `key "=" percent-encoded value *( ";" property )`; undefined for a key that is no token. */
function encodePair(key: string, entry: BaggageEntry): string | undefined {
  if (!TOKEN.test(key)) return undefined;
  try {
    const metadata = entry.metadata?.toString();
    return `${key}=${encodeURIComponent(entry.value)}${metadata ? `;${metadata}` : ''}`;
  } catch {
    return undefined; // half a surrogate pair has no percent-encoding
  }
}

function decodePair(pair: string): { key: string; entry: BaggageEntry } | undefined {
  const semicolon = pair.indexOf(';');
  const member = semicolon === -1 ? pair : pair.slice(0, semicolon);
  const equals = member.indexOf('=');
  if (equals < 1) return undefined;
  const key = member.slice(0, equals).trim();
  if (!TOKEN.test(key)) return undefined;
  let value = member.slice(equals + 1).trim();
  try {
    value = decodeURIComponent(value);
  } catch {
    return undefined;
  }
  const properties = semicolon === -1 ? '' : pair.slice(semicolon + 1).trim();
  return {
    key,
    entry: properties ? { value, metadata: baggageEntryMetadataFromString(properties) } : { value },
  };
}
