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

export function keepToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token);
}

export function authorization(): Record<string, string> {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** GET of JSON. Throws ApiError with the server's own words; status 0 when it cannot be reached. */
export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(path, {
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      headers: authorization(),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(
      0,
      timeout.aborted ? `no answer within ${TIMEOUT_MS / 1_000} s` : 'the backend cannot be reached',
    );
  }
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
