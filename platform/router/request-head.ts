import type { TextMapGetter } from '@opentelemetry/api';

/** What the router needs of a request's headers, read in one pass; and what of them goes on to the function. */
export interface RequestHead {
  /** name, value, name, value …; names in lower case. Without hop-by-hop headers, trace context and what only the router may say. */
  readonly passed: string[];
  /** The headers the propagator asked for. */
  readonly carrier: Readonly<Record<string, string>>;
  /** '' when there is none. */
  readonly host: string;
  readonly userAgent: string;
  readonly origin: string;
  readonly forwardedFor: string;
  readonly hasForwarded: boolean;
  readonly hasForwardedHost: boolean;
  /** Valid as Fission has it, else ''. */
  readonly requestId: string;
  /** Bytes; undefined when not said. */
  readonly contentLength: number | undefined;
  readonly hasBody: boolean;
  /** X-Spoor-* of another part of the platform; only read on the internal listener. */
  readonly attempt: string;
  readonly trigger: string;
  readonly invocationId: string;
  /** X-Fission-Invoke-Mode: async */
  readonly isAsync: boolean;
  readonly dedupKey: string;
  readonly requestedMethod: string;
  readonly requestedHeaders: string;
}

/** 1 to 192 printable ASCII characters without space (fission.md 1.3). */
const REQUEST_ID = /^[\x21-\x7e]{1,192}$/;

/** RFC 9110, section 7.6.1, and `Expect`, which the listener has answered. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

export function readRequestHead(
  raw: readonly string[],
  contextFields: ReadonlySet<string>,
  isInternal: boolean,
): RequestHead {
  const passed: string[] = [];
  const carrier: Record<string, string> = {};
  let host = '';
  let userAgent = '';
  let origin = '';
  let forwardedFor = '';
  let hasForwarded = false;
  let hasForwardedHost = false;
  let requestId = '';
  let contentLength: number | undefined;
  let hasBody = false;
  let attempt = '';
  let trigger = '';
  let invocationId = '';
  let isAsync = false;
  let dedupKey = '';
  /** What only a delivery of the platform may say again. */
  const claimed: string[] = [];
  let requestedMethod = '';
  let requestedHeaders = '';
  let connection = '';

  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    const value = raw[i + 1] as string;
    if (contextFields.has(name)) {
      // Several of one name are one list (RFC 9110, section 5.3); a traceparent said twice is thereby no context, as it should be.
      carrier[name] = carrier[name] === undefined ? value : `${carrier[name]},${value}`;
      continue;
    }
    if (HOP_BY_HOP.has(name)) {
      if (name === 'connection') connection = value;
      if (name === 'transfer-encoding') hasBody = true;
      continue;
    }
    if (name.startsWith('x-')) {
      if (name === 'x-fission-request-id') {
        if (REQUEST_ID.test(value)) requestId = value;
        continue;
      }
      if (isRouters(name)) {
        if (!isInternal) continue;
        if (name === 'x-spoor-attempt') attempt = value;
        else if (name === 'x-spoor-trigger') trigger = value;
        else if (name === 'x-spoor-invocation-id') invocationId = value;
        else if (name.startsWith('x-fission-params-') || name.startsWith('x-fission-invocation-'))
          claimed.push(name, value);
        continue;
      }
      if (name === 'x-fission-invoke-mode') {
        isAsync = value.toLowerCase() === 'async';
        continue;
      }
      if (name === 'x-fission-dedup-key') {
        dedupKey = value;
        continue;
      }
      if (name === 'x-forwarded-for') {
        forwardedFor = forwardedFor ? `${forwardedFor}, ${value}` : value;
        continue;
      }
      if (name === 'x-forwarded-host') hasForwardedHost = true;
    } else if (name === 'content-length') {
      contentLength = Number(value);
      if (contentLength === 0) continue;
      hasBody = true;
    } else if (name === 'host') host = value;
    else if (name === 'user-agent') userAgent = value;
    else if (name === 'origin') origin = value;
    else if (name === 'forwarded') hasForwarded = true;
    else if (name === 'access-control-request-method') requestedMethod = value;
    else if (name === 'access-control-request-headers') requestedHeaders = value;
    passed.push(name, value);
  }
  if (attempt !== '') passed.push(...claimed);
  return {
    passed: connection ? withoutNominated(passed, connection) : passed,
    carrier,
    host,
    userAgent,
    origin,
    forwardedFor,
    hasForwarded,
    hasForwardedHost,
    requestId,
    contentLength,
    hasBody,
    attempt,
    trigger,
    invocationId,
    isAsync,
    dedupKey,
    requestedMethod,
    requestedHeaders,
  };
}

export const carrierGetter: TextMapGetter<Readonly<Record<string, string>>> = {
  get: (carrier, key) => carrier[key],
  keys: (carrier) => Object.keys(carrier),
};

/** What a function may believe because only the router says it. */
function isRouters(name: string): boolean {
  return (
    name.startsWith('x-fission-params-') ||
    name.startsWith('x-fission-function-') ||
    name.startsWith('x-fission-invocation-') ||
    name.startsWith('x-spoor-') ||
    name === 'x-fission-full-url'
  );
}

/** `Connection: close, X-Mine` makes X-Mine hop-by-hop too. */
function withoutNominated(passed: string[], connection: string): string[] {
  const lower = connection.toLowerCase();
  if (lower === 'keep-alive' || lower === 'close') return passed;
  const nominated = new Set(lower.split(',').map((token) => token.trim()));
  const kept: string[] = [];
  for (let i = 0; i < passed.length; i += 2)
    if (!nominated.has(passed[i] as string)) kept.push(passed[i] as string, passed[i + 1] as string);
  return kept;
}
