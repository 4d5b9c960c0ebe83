/** B3, https://github.com/openzipkin/b3-propagation. Reads both forms; writes the one it is named for. */
import {
  isSpanContextValid,
  trace,
  type Context,
  type SpanContext,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
} from '@opentelemetry/api';
import { isSuppressed } from './suppress.ts';
import { only } from './propagator-w3c.ts';

const B3 = 'b3';
const TRACE_ID = 'x-b3-traceid';
const SPAN_ID = 'x-b3-spanid';
const SAMPLED = 'x-b3-sampled';
const FLAGS = 'x-b3-flags';

export const b3SinglePropagator: TextMapPropagator = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter) {
    const current = injectable(context);
    if (current) setter.set(carrier, B3, `${current.traceId}-${current.spanId}-${current.traceFlags & 1}`);
  },
  extract: extractEither,
  fields: () => [B3],
};

export const b3MultiPropagator: TextMapPropagator = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter) {
    const current = injectable(context);
    if (!current) return;
    setter.set(carrier, TRACE_ID, current.traceId);
    setter.set(carrier, SPAN_ID, current.spanId);
    setter.set(carrier, SAMPLED, String(current.traceFlags & 1));
  },
  extract: extractEither,
  fields: () => [TRACE_ID, SPAN_ID, SAMPLED, FLAGS],
};

function injectable(context: Context): SpanContext | undefined {
  const current = trace.getSpanContext(context);
  return current && !isSuppressed(context) && isSpanContextValid(current) ? current : undefined;
}

/** The single header wins where both are there ("b3 single" in the specification). */
function extractEither(context: Context, carrier: unknown, getter: TextMapGetter): Context {
  const single = only(getter.get(carrier, B3));
  const found = (single === undefined ? undefined : parseB3(single)) ?? readMulti(carrier, getter);
  return found ? trace.setSpanContext(context, { ...found, isRemote: true }) : context;
}

type Ids = Pick<SpanContext, 'traceId' | 'spanId' | 'traceFlags'>;

const B3_FORM = /^([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?$/i;

/** `{TraceId}-{SpanId}[-{SamplingState}[-{ParentSpanId}]]`. A decision without ids ("0") carries no context. */
export function parseB3(header: string): Ids | undefined {
  const match = B3_FORM.exec(header.trim());
  return match ? ids(match[1] as string, match[2] as string, match[3] ?? '1') : undefined;
}

function readMulti(carrier: unknown, getter: TextMapGetter): Ids | undefined {
  const traceId = only(getter.get(carrier, TRACE_ID))?.trim() ?? '';
  const spanId = only(getter.get(carrier, SPAN_ID))?.trim() ?? '';
  if (!/^(?:[0-9a-f]{16}|[0-9a-f]{32})$/i.test(traceId) || !/^[0-9a-f]{16}$/i.test(spanId)) return undefined;
  const debug = only(getter.get(carrier, FLAGS)) === '1';
  return ids(traceId, spanId, debug ? 'd' : (only(getter.get(carrier, SAMPLED)) ?? '1'));
}

/** A deferred decision (no sampling state) is ours to take: yes. */
function ids(traceId: string, spanId: string, state: string): Ids | undefined {
  const found = {
    traceId: traceId.toLowerCase().padStart(32, '0'),
    spanId: spanId.toLowerCase(),
    traceFlags: state === '0' || state.toLowerCase() === 'false' ? 0 : 1,
  };
  return isSpanContextValid(found) ? found : undefined;
}
