import { randomUUID } from 'node:crypto';
import type { Lease } from '../executor/client.ts';
import type { ClientRequest } from './client-side.ts';
import type { Invocation } from './invocation.ts';
import type { RequestHead } from './request-head.ts';
import type { Params } from './route-table.ts';
import type { Target } from './target.ts';

/** Every header the function gets, flat name and value: the client's, Fission's (fission.md 1.3) and ours (docs/instance.md). */
export function functionHeaders(
  request: ClientRequest,
  head: RequestHead,
  target: Target,
  invocation: Invocation,
  lease: Lease,
): string[] {
  const headers = head.passed.slice();
  const address = request.socket.remoteAddress ?? '';
  headers.push(
    'x-fission-function-uid',
    lease.functionUid,
    'x-fission-function-name',
    target.fn.name,
    'x-fission-function-namespace',
    target.fn.namespace,
    'x-fission-function-resourceversion',
    lease.functionResourceVersion,
    'x-fission-full-url',
    target.fullUrl,
    'x-fission-request-id',
    invocation.requestId,
    'x-forwarded-for',
    head.forwardedFor ? `${head.forwardedFor}, ${address}` : address,
    'x-spoor-invocation-id',
    head.invocationId || randomUUID(),
    'x-spoor-trigger',
    head.trigger || 'http',
  );
  if (lease.coldStart) headers.push('x-spoor-coldstart', 'true');
  if (head.host && !head.hasForwardedHost) headers.push('x-forwarded-host', head.host);
  if (head.host && !head.hasForwarded) headers.push('forwarded', forwardedOf(address, head.host));
  for (const name in target.params)
    headers.push(`${PARAMS}${name.toLowerCase()}`, headerValue(target.params[name] as string));
  invocation.injectInto(headers);
  return headers;
}

const PARAMS = 'x-fission-params-';

/** The variables of a trigger's path, for a request that is delivered later. */
export function paramHeaders(params: Params): Record<string, string> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [PARAMS + name.toLowerCase(), headerValue(value)]),
  );
}

/** The last one: many requests come from one client. */
let forwarded = { address: '', host: '', value: '' };

function forwardedOf(address: string, host: string): string {
  if (forwarded.address !== address || forwarded.host !== host)
    forwarded = { address, host, value: `for=${forwardedNode(address)};host=${quoted(host)};proto=http` };
  return forwarded.value;
}

/** RFC 7239, section 6: an IPv6 address stands in brackets and quotes. */
function forwardedNode(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address || 'unknown';
}

const TOKEN = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/;

function quoted(value: string): string {
  return TOKEN.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
}

const PRINTABLE = /^[\x20-\x7e]*$/;

/** A path parameter was percent-decoded; what no header can carry goes encoded again. */
function headerValue(value: string): string {
  return PRINTABLE.test(value) ? value : encodeURIComponent(value.toWellFormed());
}
