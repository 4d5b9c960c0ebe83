import { noteReached } from './reach.ts';

/** What the server said when it did not answer as asked. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

const TOKEN_KEY = 'spoor-token';
const TIMEOUT_MS = 30_000;
/** A function may take its time. */
const POST_TIMEOUT_MS = 95_000;

export function keepToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token);
}

export function authorization(): Record<string, string> {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** GET of JSON. Throws ApiError with the server's own words; status 0 when it cannot be reached. */
export function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return request<T>(path, { headers: authorization() }, TIMEOUT_MS, signal);
}

/** POST of JSON: for the few things that change something. Throws as `getJson` does. */
export function postJson<T>(path: string, body: unknown): Promise<T> {
  return request<T>(
    path,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...authorization() },
      body: JSON.stringify(body),
    },
    POST_TIMEOUT_MS,
  );
}

async function request<T>(
  path: string,
  init: RequestInit,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs);
  let response: Response;
  try {
    response = await fetch(path, { ...init, signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
  } catch (error) {
    if (signal?.aborted) throw error;
    if (!timeout.aborted) noteReached(false);
    throw new ApiError(
      0,
      timeout.aborted ? `no answer within ${timeoutMs / 1_000} s` : 'the backend cannot be reached',
    );
  }
  noteReached(true);
  const text = await response.text();
  if (!response.ok) throw new ApiError(response.status, messageIn(text) ?? `HTTP ${response.status}`);
  return JSON.parse(text) as T;
}

/** Both APIs' shapes of an error. */
function messageIn(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as { error?: { message?: string }; errors?: { msg?: string }[] };
    return body.error?.message ?? body.errors?.[0]?.msg;
  } catch {
    return undefined;
  }
}
