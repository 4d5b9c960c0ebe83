import {
  defaultTextMapSetter,
  SpanKind,
  SpanStatusCode,
  type Attributes,
  type Context,
  type Span,
} from '@opentelemetry/api';
import * as names from '../../function/span/attributes.ts';
import { endWith } from '../../function/span/journal-span.ts';
import { SpanOver } from '../../function/span/span-context.ts';
import type { Tracing } from '../../function/span/tracing.ts';
import { Failure, REASONS } from '../../server/failure.ts';
import type { Reference } from '../spec/resources.ts';
import { headerOf, type FunctionInvoker, type FunctionResponse } from './invoker.ts';
import { SpanNames } from './span-names.ts';

export interface AttemptFailure {
  /** A word of server/failure.ts. */
  readonly reason: string;
  readonly message: string;
  /** Of the answer, if there was one. */
  readonly status: number | undefined;
  /**
   * False when the platform had no room or the router was away: nobody's fault that a record could be blamed for, so it does
   * not count against the trigger's retries.
   */
  readonly counts: boolean;
}

export type AttemptResult =
  | { readonly ok: true; readonly response: FunctionResponse }
  | { readonly ok: false; readonly failure: AttemptFailure };

export type Outcome = 'success' | 'retry' | 'dead_letter' | 'dropped';

export interface AttemptOptions {
  readonly invoker: FunctionInvoker;
  readonly tracing: Tracing;
  readonly fn: Reference;
  /** 1 for the first. */
  readonly attempt: number;
  /** `faas.trigger`. */
  readonly trigger: 'pubsub' | 'timer';
  readonly method: string;
  readonly subpath?: string;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
  readonly attributes?: Attributes;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** What becomes of it, told a failure or (undefined) a success, for the span. */
  readonly outcome: (failure: AttemptFailure | undefined) => Outcome;
}

/** One call of the function: a CLIENT span `invoke NAME` below `parent`, whose context goes with the request. */
export async function attempt(
  parent: Context,
  options: AttemptOptions,
): Promise<AttemptResult & { readonly span: Span }> {
  const { tracing, fn } = options;
  const span = tracing.tracer().startSpan(
    spanNames.of(fn.name),
    {
      kind: SpanKind.CLIENT,
      attributes: {
        [names.FAAS_INVOKED_NAME]: fn.name,
        [names.SPOOR_ATTEMPT]: options.attempt,
        ...options.attributes,
      },
    },
    parent,
  );
  const headers: Record<string, string | string[]> = {
    ...options.headers,
    // For the router, which keeps it to itself; the function reads the other one.
    'X-Spoor-Attempt': String(options.attempt),
    ...(options.trigger === 'pubsub' ? { 'X-Record-Attempt': String(options.attempt) } : {}),
    'X-Spoor-Trigger': options.trigger,
  };
  const context = new SpanOver(parent, span);
  if (!options.invoker.takesContext) tracing.propagator.inject(context, headers, defaultTextMapSetter);
  const { result, attributes } = await call(headers, context, options);
  const failure = result.ok ? undefined : result.failure;
  attributes[names.SPOOR_OUTCOME] = options.outcome(failure);
  if (failure) {
    attributes[names.ERROR_TYPE] = failure.reason;
    attributes[names.SPOOR_REASON] = failure.reason;
    span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
  }
  endWith(span, attributes);
  return { ...result, span };
}

const spanNames = new SpanNames('invoke');

/** With what the answer says of the instance that gave it, for the span. */
async function call(
  headers: Record<string, string | string[]>,
  context: Context,
  options: AttemptOptions,
): Promise<{ readonly result: AttemptResult; readonly attributes: Attributes }> {
  let response: FunctionResponse;
  try {
    const { method, body, subpath, signal, timeoutMs } = options;
    response = await options.invoker.invoke(options.fn, {
      method,
      headers,
      body,
      subpath,
      signal,
      timeoutMs,
      context,
    });
  } catch (error) {
    return { result: { ok: false, failure: failureOfError(error) }, attributes: {} };
  }
  const coldStart = headerOf(response, 'x-spoor-coldstart');
  const attributes: Attributes = {
    [names.HTTP_RESPONSE_STATUS_CODE]: response.status,
    [names.FAAS_COLDSTART]: coldStart === undefined ? undefined : coldStart === 'true',
    [names.FAAS_INSTANCE]: headerOf(response, 'x-spoor-instance'),
  };
  const isOk = response.status >= 200 && response.status < 300;
  const result: AttemptResult = isOk
    ? { ok: true, response }
    : { ok: false, failure: failureOfResponse(response) };
  return { result, attributes };
}

const AWAY: ReadonlySet<string> = new Set([
  'unavailable',
  'executor_unavailable',
  'capacity_exceeded',
  'overloaded',
]);
const AWAY_CODES: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_SOCKET',
]);

function failureOfResponse(response: FunctionResponse): AttemptFailure {
  const said = platformError(response);
  const text = response.body.subarray(0, 1_024).toString();
  return {
    reason: said?.reason ?? 'function_error',
    message: said
      ? (said.message ?? `${said.component}: ${said.reason}`)
      : `status ${response.status}: ${text}`,
    status: response.status,
    counts: !(said && AWAY.has(said.reason)),
  };
}

/** The router's own error body; a function's JSON that happens to look like it needs the right words to pass for one. */
function platformError(
  response: FunctionResponse,
): { component: string; reason: string; message: string | undefined } | undefined {
  if (response.body.length > 64 * 1024 || !headerOf(response, 'content-type')?.includes('json'))
    return undefined;
  try {
    const body = JSON.parse(response.body.toString()) as Record<string, unknown> | null;
    const { component, reason, message } = body ?? {};
    if (typeof component !== 'string' || typeof reason !== 'string' || !Object.hasOwn(REASONS, reason))
      return undefined;
    return { component, reason, message: typeof message === 'string' ? message : undefined };
  } catch {
    return undefined;
  }
}

function failureOfError(error: unknown): AttemptFailure {
  const message = error instanceof Error ? error.message : String(error);
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    const code = `${(each as { code?: string | number }).code ?? ''}`;
    if (AWAY_CODES.has(code)) return { reason: 'unavailable', message, status: undefined, counts: false };
    if (each.name === 'TimeoutError' || code.startsWith('UND_ERR_HEADERS_TIMEOUT'))
      return { reason: 'function_timeout', message, status: undefined, counts: true };
  }
  if (!(error instanceof Failure)) return { reason: 'internal', message, status: undefined, counts: true };
  // `connection_refused` and `dial_error` in an answer are about an instance; thrown by the client, about the router.
  const away =
    AWAY.has(error.reason) || error.reason === 'connection_refused' || error.reason === 'dial_error';
  return { reason: error.reason, message, status: undefined, counts: !away };
}
