import { inspect } from 'node:util';
import { type Exception, type Span, SpanStatusCode } from '@opentelemetry/api';
import { ERROR_TYPE } from '../../span/attributes.ts';

/** What a call that failed leaves on its span; Node's own codes (`ECONNREFUSED`) say more than a type. */
export function recordFailure(span: Span, error: unknown): void {
  const code = isErrorLike(error) ? (error as NodeJS.ErrnoException).code : undefined;
  span.recordException(exceptionOf(error));
  span.setAttribute(ERROR_TYPE, typeof code === 'string' ? code : typeOf(error));
  span.setStatus({ code: SpanStatusCode.ERROR, message: isErrorLike(error) ? error.message : textOf(error) });
}

/** Whatever was thrown, as OpenTelemetry's recordException takes it; a cause is part of the stack, as Node prints it. */
export function exceptionOf(thrown: unknown): Exception {
  if (!isErrorLike(thrown)) return { name: typeof thrown, message: textOf(thrown) };
  return { name: typeOf(thrown), message: thrown.message, stack: stackOf(thrown) };
}

/** `error.type` of whatever was thrown. */
export function typeOf(thrown: unknown): string {
  if (!isErrorLike(thrown)) return typeof thrown;
  // A subclass that never set `name` is still told by its constructor.
  return thrown.name && thrown.name !== 'Error' ? thrown.name : (thrown.constructor?.name ?? 'Error');
}

export function stackOf(thrown: unknown): string {
  if (!isErrorLike(thrown)) return textOf(thrown);
  let text = thrown.stack ?? `${thrown.name}: ${thrown.message}`;
  let cause: unknown = thrown.cause;
  for (let depth = 0; cause !== undefined && depth < MAX_CAUSES; depth += 1) {
    text += `\nCaused by: ${isErrorLike(cause) ? (cause.stack ?? cause.message) : textOf(cause)}`;
    cause = isErrorLike(cause) ? cause.cause : undefined;
  }
  return text;
}

const MAX_CAUSES = 5;

function isErrorLike(value: unknown): value is Error {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { message?: unknown }).message === 'string'
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value, { depth: 3, breakLength: Infinity });
}
