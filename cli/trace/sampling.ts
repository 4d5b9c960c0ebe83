import type { SamplingJson } from '../../backend/query/shapes.ts';
import { Failure } from '../../server/failure.ts';
import { askQuery } from '../ask-query.ts';

/** What to say below a trace about its being kept: nothing, unless something was decided. */
export async function samplingLines(queryUrl: string, traceId: string): Promise<string[]> {
  const { decided, kept, policy, adjustedCount } = await fetchSampling(queryUrl, traceId);
  if (!decided || !kept) return [];
  const count = adjustedCount === 1 ? '' : `; it stands for ${Math.round(adjustedCount * 10) / 10} traces`;
  return ['', `kept by tail sampling: ${policy}${count}`];
}

/** The error of a trace that could not be shown; when tail sampling took it away, one that says so. */
export async function whyMissing(error: unknown, queryUrl: string, traceId: string): Promise<unknown> {
  if (!(error instanceof Failure) || error.reason !== 'not_found') return error;
  const { kept, policy, probability } = await fetchSampling(queryUrl, traceId);
  if (kept) return error;
  return new Failure(
    'query',
    'not_found',
    `cannot show trace ${traceId}: tail sampling dropped it (${policy}); ${Number((probability * 100).toPrecision(6))} % of traces like it are kept, and the charts count them all`,
  );
}

async function fetchSampling(queryUrl: string, traceId: string): Promise<SamplingJson> {
  return await askQuery<SamplingJson>(
    queryUrl,
    `/api/traces/${encodeURIComponent(traceId)}/sampling`,
    `cannot read what was decided about trace ${traceId}`,
  );
}
