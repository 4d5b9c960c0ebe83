/** W3C Trace Context, https://www.w3.org/TR/trace-context/. Anything malformed is no context: the callee starts a new trace. */
import {
  createTraceState,
  isSpanContextValid,
  trace,
  type Context,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  type TraceState,
} from '@opentelemetry/api';
import { isSuppressed } from './suppress.ts';

export const TRACEPARENT = 'traceparent';
export const TRACESTATE = 'tracestate';

export const traceContextPropagator: TextMapPropagator = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter) {
    const spanContext = trace.getSpanContext(context);
    if (!spanContext || isSuppressed(context) || !isSpanContextValid(spanContext)) return;
    setter.set(
      carrier,
      TRACEPARENT,
      `00-${spanContext.traceId}-${spanContext.spanId}-${flagsToHex(spanContext.traceFlags)}`,
    );
    const state = spanContext.traceState?.serialize();
    if (state) setter.set(carrier, TRACESTATE, state);
  },

  extract(context: Context, carrier: unknown, getter: TextMapGetter) {
    const header = only(getter.get(carrier, TRACEPARENT));
    if (header === undefined) return context;
    const parent = parseTraceparent(header);
    if (!parent) return context;
    const traceState = parseTracestate(getter.get(carrier, TRACESTATE));
    return trace.setSpanContext(context, { ...parent, isRemote: true, ...(traceState && { traceState }) });
  },

  fields: () => [TRACEPARENT, TRACESTATE],
};

/**
 * `version "-" trace-id "-" parent-id "-" trace-flags`, lower-case hex only (section 3.2). Version ff is invalid; version 00
 * ends after the flags; a later version may go on after a further dash. Ids of zeros are invalid.
 */
export function parseTraceparent(
  header: string,
): { traceId: string; spanId: string; traceFlags: number } | undefined {
  const match = TRACEPARENT_FORM.exec(header);
  if (!match) return undefined;
  const [, version, traceId, spanId, flags, rest] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string?,
  ];
  if (version === 'ff' || traceId === NO_TRACE || spanId === NO_SPAN) return undefined;
  if (version === '00' && rest !== undefined) return undefined;
  // Level 1 knows one flag; those it does not know must not be passed on (section 3.3).
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1 };
}

// Optional white space around the value is what HTTP allows around any header's value.
const TRACEPARENT_FORM = /^[ \t]*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?[ \t]*$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);

/** List members a tracestate may have (section 3.3.1.1); a longer one is discarded as a whole. */
const MAX_MEMBERS = 32;
const KEY_FORM = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/;
const VALUE_FORM = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** Section 3.3: several headers are one list; one member that is malformed or twice there spoils the whole list. */
export function parseTracestate(header: undefined | string | string[]): TraceState | undefined {
  const text = Array.isArray(header) ? header.join(',') : header;
  if (!text) return undefined;
  const members: string[] = [];
  const keys = new Set<string>();
  for (const part of text.split(',')) {
    const member = part.replace(/^[ \t]+|[ \t]+$/g, '');
    if (member === '') continue;
    const equals = member.indexOf('=');
    const key = member.slice(0, equals);
    if (equals < 1 || !KEY_FORM.test(key) || !VALUE_FORM.test(member.slice(equals + 1))) return undefined;
    if (keys.has(key) || keys.size === MAX_MEMBERS) return undefined;
    keys.add(key);
    members.push(member);
  }
  return members.length === 0 ? undefined : createTraceState(members.join(','));
}

export function flagsToHex(flags: number): string {
  return (flags & 255).toString(16).padStart(2, '0');
}

/** A header that may stand there only once: two of them are none. */
export function only(value: undefined | string | string[]): string | undefined {
  if (Array.isArray(value)) return value.length === 1 ? value[0] : undefined;
  return value;
}
