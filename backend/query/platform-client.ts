import type { FastifyRequest } from 'fastify';
import { Failure, REASONS, type Reason } from '../../server/failure.ts';

/** Base URL of the platform's internal listener, as it is now; `undefined` when no platform is known. */
export type PlatformAddress = () => Promise<string | undefined>;

const TIMEOUT_MS = 10_000;

/** JSON of the platform's internal listener. What it refuses is a Failure with its own words. */
export async function callPlatform(
  address: PlatformAddress,
  path: string,
  options: { readonly method?: 'GET' | 'POST'; readonly timeoutMs?: number } = {},
): Promise<unknown> {
  const response = await askPlatform(address, path, {
    method: options.method ?? 'GET',
    signal: AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS),
  });
  const text = await response.text();
  const body = parse(text);
  if (response.ok) return body;
  const { reason, message } = (body ?? {}) as { reason?: unknown; message?: unknown };
  throw new Failure(
    'query',
    isReason(reason) ? reason : response.status === 404 ? 'not_found' : 'unavailable',
    typeof message === 'string' ? message : `cannot ask the platform for ${path}: status ${response.status}`,
  );
}

/** Whatever it answers; a Failure when it does not. */
export async function askPlatform(
  address: PlatformAddress,
  path: string,
  init: RequestInit,
): Promise<Response> {
  const base = await address();
  if (base === undefined)
    throw new Failure(
      'query',
      'not_found',
      'cannot ask the platform: this backend runs without one (SPOOR_SERVER names its internal address)',
    );
  try {
    return await fetch(`${base}${path}`, { ...init, redirect: 'manual' });
  } catch (error) {
    const isLate = (error as Error).name === 'TimeoutError';
    throw new Failure(
      'query',
      isLate ? 'function_timeout' : 'unavailable',
      isLate ? 'cannot wait any longer for the platform' : `cannot reach the platform at ${base}`,
      { cause: error },
    );
  }
}

/** The body of a POST, an object. Its type is what keeps pages of other origins out. */
export function readJsonBody(request: FastifyRequest): Readonly<Record<string, unknown>> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    throw new Failure(
      'query',
      'unsupported_media_type',
      `cannot read a body of type [${type ?? ''}]: it must be application/json`,
    );
  const { body } = request;
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Failure('query', 'bad_request', 'cannot read the body: it must be a JSON object');
  return body as Readonly<Record<string, unknown>>;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isReason(reason: unknown): reason is Reason {
  return typeof reason === 'string' && Object.hasOwn(REASONS, reason);
}
