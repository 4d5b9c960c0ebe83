import { Failure, type Reason } from '../server/failure.ts';

/** The backend gives a query 30 s and says so itself; whoever has not answered by then hangs. */
const TIMEOUT_MS = 60_000;

/**
 * A GET of the query API. What it refuses is a Failure "`cannot`: what it said"; so is no answer. SPOOR_TOKEN goes along, for a
 * backend that others can reach wants one.
 */
export async function askQuery<Body>(
  queryUrl: string,
  path: string,
  cannot: string,
  signal?: AbortSignal,
): Promise<Body> {
  const late = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${queryUrl}${path}`, {
      headers: authorization(),
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
    text = await response.text();
  } catch (error) {
    throw new Failure(
      'cli',
      'unavailable',
      late.aborted
        ? `${cannot}: the query API at ${queryUrl} did not answer within ${TIMEOUT_MS / 1_000} s`
        : `cannot reach the query API at ${queryUrl}: nothing answers there. \`spoor up\` starts it`,
      { cause: error },
    );
  }
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new Failure(
      'query',
      'unavailable',
      `${cannot}: what ${queryUrl} answered (status ${response.status}) is no JSON. Is it the query API?`,
      { cause: error },
    );
  }
  if (response.ok) return body as Body;
  const said = (body as { errors?: { msg?: string }[] | null } | null)?.errors?.[0]?.msg;
  throw new Failure(
    'query',
    reasonOf(response.status),
    `${cannot}: ${said ?? `the query API answered ${response.status}`}${ADVICE[response.status] ?? ''}`,
  );
}

const ADVICE: Readonly<Record<number, string>> = {
  401: '. SPOOR_TOKEN holds the token of this command',
  404: '. It may still be on its way; `spoor trace list` shows what has arrived',
};

/** The header that a backend with a token asks for; none without SPOOR_TOKEN. */
export function authorization(): Record<string, string> {
  const token = process.env['SPOOR_TOKEN'] ?? '';
  return token === '' ? {} : { authorization: `Bearer ${token}` };
}

function reasonOf(status: number): Reason {
  if (status === 401) return 'unauthorized';
  if (status === 404) return 'not_found';
  return status < 500 ? 'bad_request' : 'unavailable';
}
