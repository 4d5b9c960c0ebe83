import type { FastifyInstance } from 'fastify';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../server/failure.ts';
import type { TraceSummary } from '../store/store.ts';
import { toSummaryJson } from './jaeger-v3.ts';
import { parseV1Search } from './params.ts';
import { nowUnixNano, paramsOf, type ReaderOf } from './request.ts';
import type { TraceEventJson } from './shapes.ts';

const POLL_MS = 1_000;
/** A trace that grows is looked at for so long after its newest span began. */
const WATCHED_NANO = 120_000_000_000n;
const MAX_TRACES = 500;
/** Each stream asks the store once a second. */
const MAX_STREAMS = 32;

/**
 * `GET /api/traces/stream`: traces as they come in and as they grow, as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html). Takes the filters of the v1 search.
 */
export function addStream(app: FastifyInstance, readerOf: ReaderOf, closing: AbortSignal): void {
  let streams = 0;

  app.get('/api/traces/stream', async (request, reply) => {
    const reader = readerOf(request);
    const { query } = parseV1Search(paramsOf(request), nowUnixNano());
    if (streams >= MAX_STREAMS)
      throw new Failure('query', 'overloaded', `cannot open another stream: ${MAX_STREAMS} are open`);
    streams += 1;
    const gone = new AbortController();
    reply.hijack();
    const { raw } = reply;
    raw.once('close', () => gone.abort());
    const signal = AbortSignal.any([gone.signal, closing]);
    raw.writeHead(200, {
      ...reply.getHeaders(),
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
    } as Record<string, string>);
    raw.write('retry: 2000\n\n');
    const seen = new Map<string, number>();
    const since = nowUnixNano();
    try {
      while (!signal.aborted) {
        const now = nowUnixNano();
        const startUnixNano = now - WATCHED_NANO > since ? now - WATCHED_NANO : since;
        const summaries = await reader.summaries({
          ...query,
          range: { startUnixNano, endUnixNano: now + WATCHED_NANO },
          limit: MAX_TRACES,
        });
        for (const summary of summaries.toReversed()) {
          const event = changeOf(summary, seen);
          if (event) raw.write(`event: trace\ndata: ${JSON.stringify(event)}\n\n`);
        }
        // Who reads slower than traces come in is told of what there is by then.
        if (raw.writableNeedDrain) await once(raw, 'drain', { signal });
        if (seen.size > 10 * MAX_TRACES) forget(seen, summaries);
        // A comment shows that the line is up, and lets a client that is gone be noticed.
        raw.write(':\n\n');
        await sleep(POLL_MS, undefined, { signal });
      }
    } catch (error) {
      if (!signal.aborted) request.log.error(error);
    } finally {
      streams -= 1;
      raw.end();
    }
    return reply;
  });
}

function changeOf(summary: TraceSummary, seen: Map<string, number>): TraceEventJson | undefined {
  const before = seen.get(summary.traceId);
  if (before !== undefined && before >= summary.spanCount) return undefined;
  seen.set(summary.traceId, summary.spanCount);
  return { summary: toSummaryJson(summary), change: before === undefined ? 'new' : 'grown' };
}

function forget(seen: Map<string, number>, current: readonly TraceSummary[]): void {
  const keep = new Set(current.map(({ traceId }) => traceId));
  for (const traceId of seen.keys()) if (!keep.has(traceId)) seen.delete(traceId);
}
