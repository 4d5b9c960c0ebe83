import type { Failure } from '../../server/failure.ts';
import type { ClientResponse } from './client-side.ts';
import type { Invocation } from './invocation.ts';

/** Fission's structured error (fission.md, section 4): the body, and X-Fission-Component beside it. */
export function errorBody(failure: Failure, requestId: string, traceId: string): string {
  const { component, reason, message } = failure;
  return JSON.stringify({ component, reason, requestId, traceId, message });
}

export function sendFailure(
  response: ClientResponse,
  failure: Failure,
  invocation: Invocation,
  headers: readonly string[] = [],
): void {
  const body = errorBody(failure, invocation.requestId, invocation.spanContext.traceId);
  response.writeHead(failure.status, undefined, [
    ...headers,
    'content-type',
    'application/json',
    'content-length',
    String(Buffer.byteLength(body)),
    'x-fission-component',
    failure.component,
    ...identityHeaders(invocation),
    // What is left of the body is not waited for.
    ...(response.req.complete ? [] : ['connection', 'close']),
  ]);
  response.end(body);
}

/** What every answer carries, so that a person can ask for its trace. */
export function identityHeaders(invocation: Invocation): string[] {
  const headers = ['x-fission-request-id', invocation.requestId];
  const { traceresponse } = invocation;
  if (traceresponse) headers.push('traceresponse', traceresponse);
  return headers;
}
