import type { Context, TextMapGetter, TextMapPropagator, TextMapSetter } from '@opentelemetry/api';
import { b3MultiPropagator, b3SinglePropagator } from './propagator-b3.ts';
import { baggagePropagator } from './propagator-baggage.ts';
import { jaegerPropagator } from './propagator-jaeger.ts';
import { traceContextPropagator } from './propagator-w3c.ts';

const PROPAGATORS = {
  tracecontext: traceContextPropagator,
  baggage: baggagePropagator,
  b3: b3SinglePropagator,
  b3multi: b3MultiPropagator,
  jaeger: jaegerPropagator,
} as const satisfies Record<string, TextMapPropagator>;

/** The words of OTEL_PROPAGATORS. */
export type PropagatorName = keyof typeof PROPAGATORS;
export const PROPAGATOR_NAMES = Object.keys(PROPAGATORS) as readonly PropagatorName[];

export function isPropagatorName(word: string): word is PropagatorName {
  return Object.hasOwn(PROPAGATORS, word);
}

/**
 * All of them, in order: each writes its headers; of those that read, the last one that finds a valid context wins, as in
 * OpenTelemetry's CompositePropagator.
 */
export function createPropagator(names: readonly PropagatorName[]): TextMapPropagator {
  const parts: TextMapPropagator[] = names.map((name) => PROPAGATORS[name]);
  const fields = [...new Set(parts.flatMap((part) => part.fields()))];
  return {
    inject(context: Context, carrier: unknown, setter: TextMapSetter) {
      for (const part of parts) part.inject(context, carrier, setter);
    },
    extract(context: Context, carrier: unknown, getter: TextMapGetter) {
      let found = context;
      for (const part of parts) found = part.extract(found, carrier, getter);
      return found;
    },
    fields: () => [...fields],
  };
}
