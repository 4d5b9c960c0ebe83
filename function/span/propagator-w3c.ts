/** W3C Trace Context, https://www.w3.org/TR/trace-context/. Anything malformed is no context: the callee starts a new trace. */
import {
  createTraceState,
  trace,
  type Context,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  type TraceState,
} from '@opentelemetry/api';
import { readByte, readWord, wasHex } from './ids.ts';
import { JournalSpan } from './journal-span.ts';
import { isValid, ReadSpanContext, SpanOver } from './span-context.ts';
import { isSuppressed } from './suppress.ts';

export const TRACEPARENT = 'traceparent';
export const TRACESTATE = 'tracestate';

export const traceContextPropagator: TextMapPropagator = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter) {
    const span = trace.getSpan(context);
    if (!span || isSuppressed(context)) return;
    if (span instanceof JournalSpan) {
      setter.set(carrier, TRACEPARENT, span.traceparent);
      injectState(span.traceState, carrier, setter);
      return;
    }
    const spanContext = span.spanContext();
    if (!isValid(spanContext)) return;
    setter.set(
      carrier,
      TRACEPARENT,
      `00-${spanContext.traceId}-${spanContext.spanId}-${flagsToHex(spanContext.traceFlags)}`,
    );
    injectState(spanContext.traceState, carrier, setter);
  },

  extract(context: Context, carrier: unknown, getter: TextMapGetter) {
    const header = only(getter.get(carrier, TRACEPARENT));
    if (header === undefined) return context;
    const parent = parseTraceparent(header, getter.get(carrier, TRACESTATE));
    return parent === undefined ? context : new SpanOver(context, trace.wrapSpanContext(parent));
  },

  fields: () => [TRACEPARENT, TRACESTATE],
};

function injectState(traceState: TraceState | undefined, carrier: unknown, setter: TextMapSetter): void {
  const state = traceState?.serialize();
  if (state) setter.set(carrier, TRACESTATE, state);
}

/**
 * `version "-" trace-id "-" parent-id "-" trace-flags`, lower-case hex only (section 3.2). Version ff is invalid; version 00
 * ends after the flags; a later version may go on after a further dash. Ids of zeros are invalid. By hand and in one pass, because
 * this is done for every invocation.
 *
 *     00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *     0  3                                36               53
 */
export function parseTraceparent(given: string, tracestate?: string | string[]): ReadSpanContext | undefined {
  const header =
    isBlank(given.charCodeAt(0)) || isBlank(given.charCodeAt(given.length - 1)) ? trim(given) : given;
  if (header.length < LENGTH) return undefined;
  if (header.charCodeAt(2) !== DASH || header.charCodeAt(35) !== DASH || header.charCodeAt(52) !== DASH)
    return undefined;
  const version = readByte(header, 0);
  const t0 = readWord(header, 3);
  const t1 = readWord(header, 11);
  const t2 = readWord(header, 19);
  const t3 = readWord(header, 27);
  const s0 = readWord(header, 36);
  const s1 = readWord(header, 44);
  const flags = readByte(header, 53);
  if (!wasHex() || version === INVALID_VERSION) return undefined;
  if ((t0 | t1 | t2 | t3) === 0 || (s0 | s1) === 0) return undefined;
  if (header.length > LENGTH && (version === 0 || header.charCodeAt(LENGTH) !== DASH)) return undefined;
  return new ReadSpanContext(
    // Level 1 knows one flag; those it does not know must not be passed on (section 3.3).
    { traceId: header.slice(3, 35), spanId: header.slice(36, 52), traceFlags: flags & 1 },
    { t0, t1, t2, t3, s0, s1 },
    tracestate === undefined ? undefined : parseTracestate(tracestate),
  );
}

const LENGTH = 55;
const DASH = 0x2d;
const INVALID_VERSION = 0xff;

/** Optional white space around the value is what HTTP allows around any header's value. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function trim(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '');
}

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
  return flags === 1 ? '01' : flags === 0 ? '00' : (flags & 255).toString(16).padStart(2, '0');
}

/** A header that may stand there only once: two of them are none. */
export function only(value: undefined | string | string[]): string | undefined {
  if (Array.isArray(value)) return value.length === 1 ? value[0] : undefined;
  return value;
}
