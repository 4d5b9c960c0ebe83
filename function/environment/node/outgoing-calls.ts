import diagnosticsChannel from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';
import {
  type Attributes,
  context as contextApi,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import {
  ERROR_TYPE,
  HTTP_REQUEST_METHOD,
  HTTP_RESPONSE_STATUS_CODE,
  SERVER_ADDRESS,
  SERVER_PORT,
  URL_FULL,
} from '../../span/attributes.ts';
import { isSuppressed } from '../../span/suppress.ts';
import type { Tracing } from '../../span/tracing.ts';
import { recordFailure } from './exception-of.ts';
import { activeInvocation } from './invocation.ts';

/**
 * Calls the function makes carry its trace on, below a CLIENT span each, with no code of the function's: `fetch` and undici,
 * `http` and `https` tell of their requests on diagnostics channels. A request that brings its own `traceparent` is left
 * alone: the function, or instrumentation of its own on our tracer, knows better. But not one that names, within our trace, a
 * span that is none of ours: another tracer in this process (dd-trace) wrote it, and whoever is called would hang below a span
 * that nobody here ever sees. That tracer's own headers carry its own context on. Call this after the function is loaded, so that we see what
 * its instrumentation did before us. Costs nothing until a call is made.
 */
export function traceOutgoingCalls(tracing: Tracing): void {
  const tracer = tracing.tracer('spoor.environment.node.http', '1');
  const { propagator } = tracing;
  const spans = new WeakMap<object, Span>();

  /** Opens the span and gives its headers to `setHeader`, when there is a trace to carry on. */
  function begin(
    request: object,
    method: string,
    url: URL,
    setHeader: (name: string, value: string) => void,
  ) {
    const active = contextApi.active();
    if (trace.getSpan(active) === undefined || isSuppressed(active)) return;
    const span = tracer.startSpan(
      method,
      { kind: SpanKind.CLIENT, attributes: attributesOf(method, url) },
      active,
    );
    spans.set(request, span);
    propagator.inject(trace.setSpan(active, span), { set: setHeader }, CARRIER);
  }

  function status(request: object, code: number): void {
    const span = spans.get(request);
    if (!span) return;
    span.setAttribute(HTTP_RESPONSE_STATUS_CODE, code);
    if (code < 400) return;
    span.setAttribute(ERROR_TYPE, String(code));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }

  function fail(request: object, error: unknown): void {
    const span = spans.get(request);
    if (span) recordFailure(span, error);
  }

  function end(request: object): void {
    spans.get(request)?.end();
    spans.delete(request);
  }

  // undici, the one within Node and any other: https://undici.nodejs.org/#/docs/api/DiagnosticsChannel
  on<{ request: UndiciRequest }>('undici:request:create', ({ request }) => {
    const own = traceparentOf(request);
    if (own && isToKeep(own.value)) return;
    begin(request, request.method, new URL(request.path, request.origin), (name, value) => {
      if (own && name === TRACEPARENT) own.replace(value);
      else request.addHeader(name, value);
    });
  });
  on<{ request: object; response: { statusCode: number } }>(
    'undici:request:headers',
    ({ request, response }) => status(request, response.statusCode),
  );
  on<{ request: object }>('undici:request:trailers', ({ request }) => end(request));
  on<{ request: object; error: unknown }>('undici:request:error', ({ request, error }) => {
    fail(request, error);
    end(request);
  });

  // node:http and node:https: https://nodejs.org/api/diagnostics_channel.html#http
  on<{ request: ClientRequest }>('http.client.request.created', ({ request }) => {
    // Headers given as an array are written already: there is no room for ours, so no span that nothing could stand below.
    if (request.headersSent) return;
    const own = request.getHeader(TRACEPARENT);
    if (own !== undefined && isToKeep(String(own))) return;
    begin(request, request.method, urlOf(request), (name, value) => request.setHeader(name, value));
    if (spans.has(request)) request.once('close', () => end(request));
  });
  on<{ request: ClientRequest; response: IncomingMessage }>(
    'http.client.response.finish',
    ({ request, response }) => status(request, response.statusCode ?? 0),
  );
  on<{ request: ClientRequest; error: unknown }>('http.client.request.error', ({ request, error }) =>
    fail(request, error),
  );
}

interface Carrier {
  readonly set: (name: string, value: string) => void;
}

const CARRIER = {
  set: (carrier: Carrier, name: string, value: string) => carrier.set(name, value),
};

function on<Message>(channel: string, listener: (message: Message) => void): void {
  diagnosticsChannel.subscribe(channel, (message) => listener(message as Message));
}

const TRACEPARENT = 'traceparent';

/** Whether a `traceparent` that is there already is the function's own, or of a span of ours. */
function isToKeep(traceparent: string): boolean {
  const ours = trace.getSpanContext(contextApi.active());
  const [, traceId, spanId] = traceparent.trim().split('-');
  if (ours === undefined || traceId !== ours.traceId) return true;
  return spanId === ours.spanId || spanId === activeInvocation()?.span.spanContext().spanId;
}

interface UndiciRequest {
  readonly origin: string | URL;
  readonly path: string;
  readonly method: string;
  /** `[name, value, …]`; one string of header lines in undici before 6. */
  readonly headers: (string | readonly string[])[] | string;
  addHeader(name: string, value: string): void;
}

function traceparentOf({
  headers,
}: UndiciRequest): { value: string; replace(value: string): void } | undefined {
  if (typeof headers === 'string') {
    const value = /^traceparent: *(.*)$/im.exec(headers)?.[1];
    // Nothing can be taken out of the lines: it stays.
    return value === undefined ? undefined : { value: '', replace() {} };
  }
  const at = headers.findIndex(
    (name, i) => i % 2 === 0 && typeof name === 'string' && name.toLowerCase() === TRACEPARENT,
  );
  if (at < 0) return undefined;
  const value = headers[at + 1];
  return {
    value: typeof value === 'string' ? value : '',
    replace: (text) => {
      headers[at + 1] = text;
    },
  };
}

function urlOf(request: ClientRequest): URL {
  const { protocol } = request;
  const host = request.getHeader('host') ?? request.host;
  const base = `${protocol}//${String(host)}`;
  // A unix socket or a proxy may bring anything as its host.
  return URL.canParse(request.path, base) ? new URL(request.path, base) : new URL(`${protocol}//localhost`);
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** Without user name and password, which have no business in a trace. */
function attributesOf(method: string, url: URL): Attributes {
  url.username = '';
  url.password = '';
  return {
    [HTTP_REQUEST_METHOD]: method,
    [URL_FULL]: url.href,
    [SERVER_ADDRESS]: url.hostname,
    [SERVER_PORT]: url.port ? Number(url.port) : (DEFAULT_PORTS[url.protocol] ?? 0),
  };
}
