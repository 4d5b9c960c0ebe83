import type { FastifyInstance } from 'fastify';
import { Failure } from '../../server/failure.ts';
import type { TraceIdMatch, TraceQuery } from '../store/store.ts';
import { toSummaryJson } from './jaeger-v3.ts';
import { count, MAX_TRACES, parseWindow, text } from './params.ts';
import { nowUnixNano, paramsOf, sendJson, type ReaderOf } from './request.ts';
import { parseSearchQuery } from './search-query.ts';
import type { SearchCountsJson, SearchJson } from './shapes.ts';

const DEFAULT_LIMIT = 50;
const DEFAULT_BINS = 90;
const MAX_BINS = 1_000;

/** Traces by the language of search-query.ts, a page at a time, and how many there are of them over time. */
export function addSearch(app: FastifyInstance, readerOf: ReaderOf): void {
  app.get('/api/search', async (request, reply) => {
    const params = paramsOf(request);
    const q = text(params, 'q') ?? '';
    const limit = count(params, 'limit', DEFAULT_LIMIT, MAX_TRACES);
    const cursor = text(params, 'cursor');
    const page = cursor === undefined ? undefined : parseCursor(cursor, q);
    const now = nowUnixNano();
    const range = page?.range ?? parseWindow(params, now);
    const receivedUntilMs = page?.receivedUntilMs ?? Number(now / 1_000_000n);
    const query: TraceQuery = {
      range,
      attributes: {},
      limit,
      receivedUntilMs,
      ...(q === '' ? {} : { where: parseSearchQuery(q) }),
      ...(page ? { after: page.after } : {}),
    };
    const reader = readerOf(request);
    const matches = await reader.findTraceIds(query);
    const summaries = await reader.summariesOf(matches.map(({ traceId }) => traceId));
    const last = matches.at(-1);
    const body: SearchJson = {
      startUnixNano: String(range.startUnixNano),
      endUnixNano: String(range.endUnixNano),
      traces: summaries.map(toSummaryJson),
      nextCursor:
        last && matches.length === limit ? toCursor({ q, range, receivedUntilMs, after: last }) : null,
    };
    return sendJson(request, reply, body);
  });

  app.get('/api/search/counts', async (request, reply) => {
    const params = paramsOf(request);
    const q = text(params, 'q') ?? '';
    const range = parseWindow(params, nowUnixNano());
    const bins = count(params, 'bins', DEFAULT_BINS, MAX_BINS);
    const found = await readerOf(request).matchCounts({
      range,
      bins,
      ...(q === '' ? {} : { where: parseSearchQuery(q) }),
    });
    const body: SearchCountsJson = {
      startUnixNano: String(range.startUnixNano),
      endUnixNano: String(range.endUnixNano),
      stepNano: String(found.stepNano),
      traces: found.traces,
      errorTraces: found.errorTraces,
      bins: found.bins.map(({ startUnixNano, traces, errorTraces }) => ({
        timeUnixNano: String(startUnixNano),
        traces,
        errorTraces,
      })),
    };
    return sendJson(request, reply, body);
  });
}

/** Where the next page begins, in what the first one saw: the same window, and nothing that was stored since. */
interface Page {
  readonly q: string;
  readonly range: TraceQuery['range'];
  readonly receivedUntilMs: number;
  readonly after: TraceIdMatch;
}

function toCursor({ q, range, receivedUntilMs, after }: Page): string {
  const fields = [
    q,
    range.startUnixNano,
    range.endUnixNano,
    receivedUntilMs,
    after.startUnixNano,
    after.traceId,
  ];
  return Buffer.from(JSON.stringify(fields.map(String)), 'utf8').toString('base64url');
}

function parseCursor(cursor: string, q: string): Page {
  let fields: unknown;
  try {
    fields = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw wrongCursor(cursor);
  }
  const isTexts = (all: unknown): all is string[] =>
    Array.isArray(all) && all.length === 6 && all.every((each) => typeof each === 'string');
  if (!isTexts(fields)) throw wrongCursor(cursor);
  const [of = '', start = '', end = '', until = '', after = '', traceId = ''] = fields;
  if (
    ![start, end, after].every((each) => /^\d{1,19}$/.test(each)) ||
    !/^\d{1,13}$/.test(until) ||
    !/^[0-9a-f]{32}$/.test(traceId)
  )
    throw wrongCursor(cursor);
  if (of !== q)
    throw new Failure('query', 'bad_request', `cannot go on with [${q}]: the cursor is of the query [${of}]`);
  return {
    q,
    range: { startUnixNano: BigInt(start), endUnixNano: BigInt(end) },
    receivedUntilMs: Number(until),
    after: { startUnixNano: BigInt(after), traceId },
  };
}

function wrongCursor(cursor: string): Failure {
  return new Failure(
    'query',
    'bad_request',
    `unable to parse param 'cursor': [${cursor.slice(0, 200)}] is not one that a search has answered`,
  );
}
