import { readJaeger } from './jaeger-file.ts';
import { listOf, readOtlp, recordOf } from './otlp-file.ts';
import { readTrace, type Trace } from './trace.ts';

/**
 * The traces in a file, largest first: Jaeger's JSON (`{"data": […]}`, or one trace), OTLP's (`{"resourceSpans": […]}`, alone, in a list,
 * one a line as the collector's file exporter writes it, or as our own download wraps it). Throws what is wrong in words for a person.
 */
export function readTraceFile(text: string): Trace[] {
  const roots = parse(text).flatMap((json) => (Array.isArray(json) ? (json as unknown[]) : [json]));
  const resourceSpans = roots.flatMap((root) => {
    const record = recordOf(root);
    const otlp = 'resourceSpans' in record ? record : recordOf(record['result']);
    if ('resourceSpans' in otlp) return readOtlp(otlp).resourceSpans;
    const traces =
      'spans' in record ? [record] : listOf(record['data']).filter((each) => 'spans' in recordOf(each));
    return traces.flatMap((trace) => readJaeger(trace).resourceSpans);
  });
  const ids = new Set(
    resourceSpans.flatMap(({ scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) => spans.map(({ traceId }) => traceId)),
    ),
  );
  if (ids.size === 0)
    throw new Error(
      'cannot find a span in it: expected Jaeger JSON with "data" or "spans", or OTLP JSON with "resourceSpans"',
    );
  return groupByTrace(resourceSpans, ids).toSorted((a, b) => b.spans.length - a.spans.length);
}

function parse(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch (error) {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    try {
      if (lines.length > 1) return lines.map((line) => JSON.parse(line) as unknown);
    } catch {
      // The file's own error says more than that of a line of it.
    }
    throw new Error(`cannot read it as JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** Each trace is read from its own spans alone, so that a file of many small ones is not walked once for each. */
function groupByTrace(
  resourceSpans: ReturnType<typeof readOtlp>['resourceSpans'],
  ids: ReadonlySet<string>,
): Trace[] {
  const byTrace = new Map([...ids].map((id) => [id, [] as (typeof resourceSpans)[number][]]));
  for (const { resource, scopeSpans } of resourceSpans)
    for (const { scope, spans } of scopeSpans)
      for (const [id, of] of Map.groupBy(spans, ({ traceId }) => traceId))
        byTrace.get(id)?.push({ resource, scopeSpans: [{ scope, spans: of }] });
  return [...byTrace].flatMap(([id, of]) => readTrace(id, { resourceSpans: of }) ?? []);
}
