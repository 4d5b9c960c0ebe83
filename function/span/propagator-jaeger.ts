/** Jaeger's own header, https://www.jaegertracing.io/sdk-migration/#propagation-format, with its baggage in `uberctx-` headers. */
import {
  isSpanContextValid,
  propagation,
  trace,
  type Context,
  type SpanContext,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
} from '@opentelemetry/api';
import { only } from './propagator-w3c.ts';
import { isSuppressed } from './suppress.ts';

const UBER_TRACE_ID = 'uber-trace-id';
const BAGGAGE_PREFIX = 'uberctx-';
const MAX_BAGGAGE_ITEMS = 180;

export const jaegerPropagator: TextMapPropagator = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter) {
    const current = trace.getSpanContext(context);
    if (isSuppressed(context)) return;
    if (current && isSpanContextValid(current))
      setter.set(carrier, UBER_TRACE_ID, `${current.traceId}:${current.spanId}:0:${current.traceFlags & 1}`);
    for (const [key, entry] of propagation.getBaggage(context)?.getAllEntries() ?? []) {
      try {
        setter.set(carrier, BAGGAGE_PREFIX + key, encodeURIComponent(entry.value));
      } catch {
        // half a surrogate pair has no percent-encoding: this entry stays at home
      }
    }
  },

  extract(context: Context, carrier: unknown, getter: TextMapGetter) {
    const header = only(getter.get(carrier, UBER_TRACE_ID));
    const parent = header === undefined ? undefined : parseUberTraceId(header);
    const found = parent ? trace.setSpanContext(context, { ...parent, isRemote: true }) : context;
    return extractBaggage(found, carrier, getter);
  },

  fields: () => [UBER_TRACE_ID],
};

const FORM = /^([0-9a-f]{1,32}):([0-9a-f]{1,16}):[0-9a-f]{1,16}:([0-9a-f]{1,2})$/i;

/** `{trace-id}:{span-id}:{parent-span-id}:{flags}`, leading zeros left out by old clients, the colons perhaps as %3A. */
export function parseUberTraceId(
  header: string,
): Pick<SpanContext, 'traceId' | 'spanId' | 'traceFlags'> | undefined {
  const match = FORM.exec(header.trim().replaceAll(/%3a/gi, ':'));
  if (!match) return undefined;
  const [, traceId, spanId, flags] = match as unknown as [string, string, string, string];
  const found = {
    traceId: traceId.toLowerCase().padStart(32, '0'),
    spanId: spanId.toLowerCase().padStart(16, '0'),
    traceFlags: Number.parseInt(flags, 16) & 1,
  };
  return isSpanContextValid(found) ? found : undefined;
}

function extractBaggage(context: Context, carrier: unknown, getter: TextMapGetter): Context {
  let baggage = propagation.getBaggage(context) ?? propagation.createBaggage();
  let items = 0;
  for (const name of getter.keys(carrier)) {
    if (!name.toLowerCase().startsWith(BAGGAGE_PREFIX) || items === MAX_BAGGAGE_ITEMS) continue;
    const value = only(getter.get(carrier, name));
    if (value === undefined) continue;
    try {
      baggage = baggage.setEntry(name.slice(BAGGAGE_PREFIX.length), { value: decodeURIComponent(value) });
      items += 1;
    } catch {
      // not percent-encoded as it should be: no entry
    }
  }
  return items === 0 ? context : propagation.setBaggage(context, baggage);
}
