import { randomUUID } from 'node:crypto';
import {
  INVALID_SPAN_CONTEXT,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type SpanContext,
  type TextMapSetter,
} from '@opentelemetry/api';
import {
  CLIENT_ADDRESS,
  ERROR_TYPE,
  FAAS_COLDSTART,
  FAAS_INSTANCE,
  FAAS_INVOKED_NAME,
  FAAS_INVOKED_PROVIDER,
  HTTP_REQUEST_METHOD,
  HTTP_RESPONSE_STATUS_CODE,
  HTTP_ROUTE,
  SERVER_ADDRESS,
  SPOOR_ATTEMPT,
  SPOOR_END_EXIT_CODE,
  SPOOR_END_REASON,
  SPOOR_END_SIGNAL,
  SPOOR_REASON,
  SPOOR_REQUEST_ID,
  SPOOR_TRIGGER_NAME,
  URL_PATH,
  URL_QUERY,
  URL_SCHEME,
  USER_AGENT_ORIGINAL,
} from '../../function/span/attributes.ts';
import { JournalSpan } from '../../function/span/journal-span.ts';
import { SpanOver } from '../../function/span/span-context.ts';
import type { Failure } from '../../server/failure.ts';
import type { InstanceEnd, Lease } from '../executor/client.ts';
import type { ClientRequest } from './client-side.ts';
import { carrierGetter, type RequestHead } from './request-head.ts';
import type { Road } from './road.ts';
import { hostName, type RequestUrl, type Target } from './target.ts';

const PROVIDER = 'spoor';

/**
 * One request as a trace sees it: whose it is, its SERVER span, and a CLIENT span `invoke NAME` for each attempt. A caller that has
 * opened the invocation's span itself (X-Spoor-Attempt, docs/instance.md) gets neither; its own context goes on to the function.
 */
export class Invocation {
  readonly requestId: string;
  /** Of the span that the executor's phases and the function's own span hang below. */
  context: Context;
  readonly #road: Road;
  readonly #server: Span | undefined;
  readonly #serverContext: Context;
  #invoke: Span | undefined;

  constructor(
    road: Road,
    request: ClientRequest,
    head: RequestHead,
    url: RequestUrl,
    target: Target | undefined,
  ) {
    this.#road = road;
    this.requestId = head.requestId || randomUUID();
    const caller = request.context ?? road.propagator.extract(ROOT_CONTEXT, head.carrier, carrierGetter);
    if (head.attempt === '') {
      const name = target ? `${request.method} ${target.route}` : (request.method ?? 'HTTP');
      const attributes = serverAttributes(request, head, url, this.requestId, target);
      this.#server = road.tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, caller);
      this.context = new SpanOver(caller, this.#server);
    } else {
      this.context = caller;
    }
    this.#serverContext = this.context;
  }

  /** The span that stands for this request. */
  get spanContext(): SpanContext {
    return trace.getSpanContext(this.#serverContext) ?? INVALID_SPAN_CONTEXT;
  }

  get isCallersAttempt(): boolean {
    return this.#server === undefined;
  }

  /** Trace Context level 2, `traceresponse`; '' when there is no trace, or the caller has opened its span itself. */
  get traceresponse(): string {
    const span = this.#server;
    if (span === undefined) return '';
    if (span instanceof JournalSpan) return span.traceparent;
    const { traceId, spanId, traceFlags } = this.spanContext;
    if (traceId === INVALID_SPAN_CONTEXT.traceId) return '';
    return `00-${traceId}-${spanId}-0${traceFlags & 1}`;
  }

  startAttempt(target: Target, attempt: number): void {
    if (!this.#server) return;
    this.#invoke = this.#road.tracer.startSpan(
      `invoke ${target.fn.name}`,
      {
        kind: SpanKind.CLIENT,
        attributes: {
          [FAAS_INVOKED_NAME]: target.fn.name,
          [FAAS_INVOKED_PROVIDER]: PROVIDER,
          [SPOOR_ATTEMPT]: attempt,
        },
      },
      this.#serverContext,
    );
    this.context = new SpanOver(this.#serverContext, this.#invoke);
  }

  leased(lease: Lease): void {
    this.#invoke?.setAttribute(FAAS_COLDSTART, lease.coldStart);
    this.#invoke?.setAttribute(FAAS_INSTANCE, lease.instanceId);
  }

  /** The trace context as headers, appended flat. */
  injectInto(headers: string[]): void {
    this.#road.propagator.inject(this.context, headers, flatSetter);
  }

  endAttempt(status: number): void {
    const span = this.#invoke;
    if (!span) return;
    this.#invoke = undefined;
    span.setAttribute(HTTP_RESPONSE_STATUS_CODE, status);
    if (status >= 500) {
      span.setAttribute(ERROR_TYPE, String(status));
      span.setAttribute(SPOOR_REASON, 'function_error');
      span.setStatus({ code: SpanStatusCode.ERROR, message: `the function answered ${status}` });
    }
    span.end();
  }

  failAttempt(failure: Failure, end?: InstanceEnd): void {
    const span = this.#invoke;
    if (!span) return;
    this.#invoke = undefined;
    markFailed(span, failure);
    if (end) {
      span.setAttribute(SPOOR_END_REASON, end.reason);
      if (end.signal !== null) span.setAttribute(SPOOR_END_SIGNAL, end.signal);
      if (end.exitCode !== null) span.setAttribute(SPOOR_END_EXIT_CODE, end.exitCode);
    }
    span.end();
  }

  /** The last byte of the answer is out, or never will be. */
  end(status: number, failure: Failure | undefined): void {
    const span = this.#server;
    if (!span) return;
    span.setAttribute(HTTP_RESPONSE_STATUS_CODE, status);
    if (failure && (status >= 500 || failure.reason === 'client_disconnect')) {
      markFailed(span, failure);
    } else if (failure) {
      // A client's own mistake is no error of the server's (semantic conventions, HTTP spans, "Status").
      span.setAttribute(SPOOR_REASON, failure.reason);
    } else if (status >= 500) {
      span.setAttribute(ERROR_TYPE, String(status));
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  }
}

function markFailed(span: Span, failure: Failure): void {
  span.setAttribute(ERROR_TYPE, failure.reason);
  span.setAttribute(SPOOR_REASON, failure.reason);
  span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
}

function serverAttributes(
  request: ClientRequest,
  head: RequestHead,
  url: RequestUrl,
  requestId: string,
  target: Target | undefined,
): Attributes {
  const attributes: Attributes = {
    [HTTP_REQUEST_METHOD]: request.method ?? '',
    [URL_PATH]: url.path,
    [URL_SCHEME]: 'http',
    [CLIENT_ADDRESS]: request.socket.remoteAddress ?? '',
    [SPOOR_REQUEST_ID]: requestId,
  };
  if (target) attributes[HTTP_ROUTE] = target.route;
  if (target?.trigger) attributes[SPOOR_TRIGGER_NAME] = target.trigger.metadata.name;
  if (url.query) attributes[URL_QUERY] = url.query.slice(1);
  if (head.host) attributes[SERVER_ADDRESS] = hostName(url.authority || head.host);
  if (head.userAgent) attributes[USER_AGENT_ORIGINAL] = head.userAgent;
  return attributes;
}

const flatSetter: TextMapSetter<string[]> = {
  set: (headers, key, value) => void headers.push(key, value),
};
