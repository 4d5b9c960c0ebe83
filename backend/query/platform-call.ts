import { Failure } from '../../server/failure.ts';
import { askPlatform, type PlatformAddress } from './platform-client.ts';
import type { FunctionAnswerJson } from './shapes.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];
/** Longer than a function's own time-out by default (60 s). */
const TIMEOUT_MS = 90_000;
/** Of an answer, bytes: the rest is cut. */
const MAX_ANSWER_BYTES = 256 * 1024;
/** What only parts of the platform may say, and what belongs to the connection. */
const NOT_PASSED = /^(?:x-spoor-.*|host|connection|content-length|transfer-encoding|upgrade|keep-alive|te)$/i;

/**
 * Invokes a function once. `request` is `{"method", "subpath", "headers": [[name, value]], "body"}`, all of them optional. Any status is
 * an answer; a Failure when the platform is away, does not answer in time, or the request cannot be sent.
 */
export async function callFunction(
  address: PlatformAddress,
  fn: { readonly namespace: string; readonly name: string },
  request: Readonly<Record<string, unknown>>,
): Promise<FunctionAnswerJson> {
  const method = textIn(request, 'method').toUpperCase() || 'GET';
  if (!METHODS.includes(method))
    throw bad(`cannot send method [${method.slice(0, 50)}]: ${METHODS.join(', ')} are allowed`);
  const body = textIn(request, 'body');
  const hasBody = body !== '' && method !== 'GET' && method !== 'HEAD';
  if (body !== '' && !hasBody) throw bad(`cannot send a body with ${method}: use POST`);
  const init: RequestInit = {
    method,
    headers: headersIn(request),
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(hasBody ? { body } : {}),
  };
  const startNano = process.hrtime.bigint();
  const response = await askPlatform(address, pathOf(fn, textIn(request, 'subpath')), init);
  const { bytes, isCut } = await readSome(response);
  return {
    status: response.status,
    durationNano: String(process.hrtime.bigint() - startNano),
    // https://www.w3.org/TR/trace-context-2/#traceresponse-header: version-traceid-spanid-flags
    traceId: response.headers.get('traceresponse')?.split('-')[1] ?? '',
    requestId: response.headers.get('x-fission-request-id') ?? '',
    headers: [...response.headers].map(([name, value]) => ({ name, value })),
    // Not fatal: a cut may go through the middle of a character.
    body: new TextDecoder().decode(bytes),
    isCut,
  };
}

/** `/fission-function/NAMESPACE/NAME/SUB?query`; dots in the way would lead to another function. */
function pathOf(fn: { readonly namespace: string; readonly name: string }, subpath: string): string {
  const base = `/fission-function/${encodeURIComponent(fn.namespace)}/${encodeURIComponent(fn.name)}`;
  if (subpath === '') return base;
  const path = `${base}${/^[/?]/.test(subpath) ? '' : '/'}${subpath}`;
  const resolved = new URL(path, 'http://platform');
  if (resolved.host !== 'platform' || !`${resolved.pathname}/`.startsWith(`${base}/`))
    throw bad(`cannot use the path [${subpath.slice(0, 200)}]: it leads out of the function`);
  return resolved.pathname + resolved.search;
}

function headersIn(request: Readonly<Record<string, unknown>>): Headers {
  const headers = new Headers();
  const list = request['headers'] ?? [];
  if (!Array.isArray(list)) throw bad('cannot read the headers: give [[name, value]]');
  for (const pair of list as unknown[]) {
    const [name, value] = Array.isArray(pair) ? (pair as unknown[]) : [];
    if (typeof name !== 'string' || typeof value !== 'string')
      throw bad('cannot read the headers: give [[name, value]]');
    if (NOT_PASSED.test(name)) throw bad(`cannot send header [${name}]: it is not the caller's to say`);
    try {
      headers.append(name, value);
    } catch {
      throw bad(`cannot send header [${name.slice(0, 100)}]: HTTP has no such name or value`);
    }
  }
  return headers;
}

async function readSome(
  response: Response,
): Promise<{ readonly bytes: Uint8Array; readonly isCut: boolean }> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    parts.push(part as Uint8Array);
    size += (part as Uint8Array).length;
    // Leaving the loop cancels the rest.
    if (size > MAX_ANSWER_BYTES) break;
  }
  return { bytes: Buffer.concat(parts).subarray(0, MAX_ANSWER_BYTES), isCut: size > MAX_ANSWER_BYTES };
}

function textIn(request: Readonly<Record<string, unknown>>, key: string): string {
  const value = request[key];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw bad(`cannot read [${key}]: it must be a text`);
  return value;
}

function bad(message: string): Failure {
  return new Failure('query', 'bad_request', message);
}
