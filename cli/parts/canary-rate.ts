import { readFile } from 'node:fs/promises';
import { FAAS_INVOKED_NAME } from '../../function/span/attributes.ts';
import type { FailureRate } from '../../platform/spec/canary.ts';
import type { Reference } from '../../platform/spec/resources.ts';
import { searchSpans } from '../verbs/query-api.ts';

/** The newest traces that are looked at: enough to tell 10 % from 13 %, and still a small answer. */
const SAMPLE = 300;

/**
 * How a function does, from the router's own spans, by the query API that runs beside this platform. `endpoints` is the file
 * in which `spoor up` says where that is; without it nobody can tell.
 */
export async function failureRate(
  endpoints: string,
  fn: Reference,
  sinceMs: number,
): Promise<FailureRate | undefined> {
  const { query } = JSON.parse(await readFile(endpoints, 'utf8')) as { query?: string };
  if (query === undefined) return undefined;
  const spans = await searchSpans(query, {
    service: 'router',
    operation: `invoke ${fn.name}`,
    sinceMs,
    limit: SAMPLE,
  });
  const since = Date.now() - sinceMs;
  const calls = spans.filter(({ tags, startMs }) => tags[FAAS_INVOKED_NAME] === fn.name && startMs >= since);
  return { calls: calls.length, failures: calls.filter(({ error }) => error !== undefined).length };
}
