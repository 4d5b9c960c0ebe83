import { createContextKey, type Context } from '@opentelemetry/api';

/**
 * The key under which @opentelemetry/core's suppressTracing() leaves its mark. createContextKey is Symbol.for, so this is
 * the same key, and exporters made for the SDK are not traced here either.
 */
const SUPPRESS_TRACING_KEY = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

export function isSuppressed(context: Context): boolean {
  return context.getValue(SUPPRESS_TRACING_KEY) === true;
}

export function suppressTracing(context: Context): Context {
  return context.setValue(SUPPRESS_TRACING_KEY, true);
}
