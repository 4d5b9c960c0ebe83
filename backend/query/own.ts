import type { FastifyInstance } from 'fastify';
import type { LogData } from '../../function/span/span-data.ts';
import { SERVICE_NAME } from '../../function/span/attributes.ts';
import { encodeAttributes } from './otlp-json.ts';
import { parseWindow, requireTraceId } from './params.ts';
import { toPlainJson } from './plain-json.ts';
import { nowUnixNano, paramsOf, pathParam, sendJson, type ReaderOf } from './request.ts';
import type { IncomingLinkJson, LogJson, SamplingJson, SamplingStatsJson } from './shapes.ts';

/** What Jaeger has no word for. */
export function addOwn(app: FastifyInstance, readerOf: ReaderOf): void {
  /** Log lines of the trace, oldest first; `[]` when there are none. */
  app.get('/api/traces/:traceId/logs', async (request, reply) => {
    const reader = readerOf(request);
    const traceId = requireTraceId(pathParam(request, 'traceId'), 'traceID');
    const logs = await reader.logs(traceId);
    return sendJson(request, reply, { logs: [...logs].sort(compareByTime).map(toLogJson) });
  });

  /** Who continued this trace elsewhere: links of other traces' spans that point here. */
  app.get('/api/traces/:traceId/links', async (request, reply) => {
    const reader = readerOf(request);
    const traceId = requireTraceId(pathParam(request, 'traceId'), 'traceID');
    const edges = await reader.linksTo({ traceId });
    const links: IncomingLinkJson[] = edges
      .filter((edge) => edge.fromTraceId !== traceId)
      .map((edge) => ({
        fromTraceId: edge.fromTraceId,
        fromSpanId: edge.fromSpanId,
        toSpanId: edge.toSpanId,
        attributes: encodeAttributes(edge.attributes),
      }));
    return sendJson(request, reply, { links });
  });

  /** Whether the trace was kept for what it is like, or for how many. */
  app.get('/api/traces/:traceId/sampling', async (request, reply) => {
    const traceId = requireTraceId(pathParam(request, 'traceId'), 'traceID');
    const decision = await readerOf(request).sampling(traceId);
    const { kept, policy, probability } = decision ?? { kept: true, policy: '', probability: 1 };
    return sendJson(request, reply, {
      traceId,
      decided: decision !== undefined,
      kept,
      policy,
      probability,
      adjustedCount: kept ? 1 / probability : 0,
    } satisfies SamplingJson);
  });

  /** How much of what came in that time is kept. */
  app.get('/api/sampling', async (request, reply) => {
    const range = parseWindow(paramsOf(request), nowUnixNano());
    const { decided, kept } = await readerOf(request).samplingStats(range);
    return sendJson(request, reply, {
      startUnixNano: String(range.startUnixNano),
      endUnixNano: String(range.endUnixNano),
      decided,
      kept,
    } satisfies SamplingStatsJson);
  });
}

export function toLogJson(log: LogData): LogJson {
  const service = log.resource[SERVICE_NAME];
  return {
    timeUnixNano: timeOf(log).toString(),
    severityNumber: log.severityNumber,
    severityText: log.severityText,
    body: bodyText(log.body),
    traceId: log.traceId,
    spanId: log.spanId,
    service: typeof service === 'string' ? service : '',
    attributes: encodeAttributes(log.attributes),
  };
}

function bodyText(body: LogData['body']): string {
  if (body === undefined || body === null) return '';
  return typeof body === 'string' ? body : JSON.stringify(toPlainJson(body));
}

/** A record without a time of its own has the time at which it was seen. */
function timeOf(log: LogData): bigint {
  return log.timeUnixNano === 0n ? log.observedTimeUnixNano : log.timeUnixNano;
}

function compareByTime(a: LogData, b: LogData): number {
  const difference = timeOf(a) - timeOf(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
