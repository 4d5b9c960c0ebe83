import {
  type Context,
  context as contextApi,
  defaultTextMapGetter,
  defaultTextMapSetter,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  trace,
} from '@opentelemetry/api';
import {
  FAAS_COLDSTART,
  FAAS_INSTANCE,
  FAAS_INVOCATION_ID,
  FAAS_NAME,
  FAAS_TRIGGER,
  FAAS_VERSION,
  HTTP_REQUEST_METHOD,
  SPOOR_REQUEST_ID,
  URL_PATH,
} from '../../span/attributes.ts';
import type { Tracing } from '../../span/tracing.ts';
import { stackOf } from './exception-of.ts';
import { Fault } from './fault.ts';
import { FunctionContext } from './function-context.ts';
import { pathOf, type FunctionRequest } from './function-request.ts';
import type { FunctionResponse } from './function-response.ts';
import { Invocation } from './invocation.ts';
import { openPublisher } from './publish.ts';
import { JournalSpan } from '../../span/journal-span.ts';
import type { UnderWay } from '../../span/under-way.ts';
import { LoadWatch } from './watch-load.ts';

/** What the platform knows of the function; from Fission's FunctionMetadata. */
export interface FunctionIdentity {
  readonly name: string;
  readonly version: string;
}

/** Serves one request; returns nothing and throws nothing. */
export type Serve = (request: FunctionRequest, response: FunctionResponse) => void;

/** Runs the function for one request; throws or rejects when it fails. */
export type Run = (context: FunctionContext) => Promise<void> | undefined;

export interface TracingOptions {
  readonly tracing: Tracing;
  readonly instanceId: string;
  readonly internalUrl: string | undefined;
  /** Holds every invocation under way. */
  readonly open: UnderWay<Invocation>;
  readonly onEnded: () => void;
}

export const SCOPE = 'spoor.environment.node';

/**
 * The talk's `initialize_tracing`: wraps the function, once, when the environment specializes. For each request the wrapper
 *
 *   (a) has the tracer; (b) takes the caller's context out of the headers; (c) starts a span below it, named after the function;
 *   (d) makes it the active one, so that what the function calls carries it on, and (e) leaves it with the function as
 *   `context.span` and `context.traceHeaders`; then (f) calls the function, and ends the span with the answer's last byte.
 */
export function initializeTracing(run: Run, identity: FunctionIdentity, options: TracingOptions): Serve {
  const { tracing, open } = options;
  const { propagator } = tracing;
  const tracer = tracing.tracer(SCOPE, '1');
  const tools = {
    inject: (context: Parameters<typeof propagator.inject>[0], headers: Record<string, string>) =>
      propagator.inject(context, headers, defaultTextMapSetter),
    publish: openPublisher({ internalUrl: options.internalUrl, tracer, propagator }),
  };
  const ended = (invocation: Invocation) => {
    open.delete(invocation);
    options.onEnded();
  };
  const load = new LoadWatch(open);
  const formOf = (trigger: string, isCold: boolean) =>
    tracer.form(
      identity.name,
      SpanKind.SERVER,
      {
        [FAAS_NAME]: identity.name,
        [FAAS_VERSION]: identity.version,
        [FAAS_INSTANCE]: options.instanceId,
        [FAAS_TRIGGER]: trigger,
        [FAAS_COLDSTART]: isCold,
      },
      [FAAS_INVOCATION_ID, HTTP_REQUEST_METHOD, URL_PATH, SPOOR_REQUEST_ID],
    );
  let form = formOf('http', true);
  let first = true;

  return function serve(request, response) {
    const { headers } = request;
    const requestId = text(headers['x-fission-request-id']) ?? '';
    const id = text(headers['x-spoor-invocation-id']) ?? (requestId || crypto.randomUUID());
    const coldStart = headers['x-spoor-coldstart'];
    const caller = callerOf(propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter));
    const trigger = text(headers['x-spoor-trigger']) ?? 'http';
    const isCold = coldStart === undefined ? first : coldStart === 'true';
    if (trigger !== form.same[FAAS_TRIGGER] || isCold !== form.same[FAAS_COLDSTART])
      form = formOf(trigger, isCold);
    const span = tracer.startLike(
      form,
      // An absent request id is no attribute.
      [id, request.method ?? 'GET', pathOf(request.url ?? '/'), requestId === '' ? undefined : requestId],
      caller,
    );
    first = false;
    const isRecorded = span instanceof JournalSpan;
    const watch = isRecorded ? load : undefined;
    const invocation = new Invocation({ id, requestId: requestId || id }, span, response, ended, watch);
    if (isRecorded) load.begin(invocation, span.startMs);
    open.add(invocation);
    const active = invocation.in(caller);
    contextApi.with(active, () => {
      const context = new FunctionContext(request, response, span, active, tools);
      follow(run, context, invocation);
    });
  };
}

/**
 * The context to go on from: as a rule the one in the headers. Instrumentation that the function brought along may have made a
 * span of its own for this request, from the same headers; then ours stands below it, and not beside it.
 */
function callerOf(extracted: Context): Context {
  const active = contextApi.active();
  if (active === ROOT_CONTEXT) return extracted;
  const outer = trace.getSpanContext(active);
  const given = trace.getSpanContext(extracted);
  const isSameTrace = given === undefined || given.traceId === outer?.traceId;
  return outer !== undefined && isSpanContextValid(outer) && isSameTrace ? active : extracted;
}

function follow(run: Run, context: FunctionContext, invocation: Invocation): void {
  try {
    const running = run(context);
    if (running === undefined) invocation.settled();
    else
      running.then(
        () => invocation.settled(),
        (error: unknown) => fail(error, invocation),
      );
  } catch (error) {
    fail(error, invocation);
  }
}

function fail(error: unknown, invocation: Invocation): void {
  // Printed while the invocation is active, so that the line stands in its trace.
  if (!(error instanceof Fault)) console.error(stackOf(error));
  else if (error.status >= 500) console.error(error.message);
  invocation.failed(error);
}

function text(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && header !== '' ? header : undefined;
}
