import { Failure } from '../../server/failure.ts';
import type { CliContext } from '../context.ts';

/** A call of the internal listener. What it refuses is a Failure with its own words; no answer is `unavailable`. */
export async function callInternal(
  context: CliContext,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const url = `${await context.server()}${path}`;
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    throw new Failure(
      'cli',
      'unavailable',
      `cannot reach the platform at ${new URL(url).origin}: nothing answers there. Start it with \`spoor up\``,
      { cause: error },
    );
  }
  if (response.ok) return response;
  const text = await response.text();
  let message = text;
  try {
    message = (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    // Said as it came.
  }
  throw new Failure(
    'cli',
    response.status === 404 ? 'not_found' : 'unavailable',
    message || `cannot call ${path}: status ${response.status}`,
  );
}
