import type { FastifyInstance } from 'fastify';
import { toLogJson } from './own.ts';
import { count, oneOf, parseWindow, requireTraceId, text } from './params.ts';
import { nowUnixNano, paramsOf, sendJson, type ReaderOf } from './request.ts';
import type { LogsJson } from './shapes.ts';

/** OTLP severity numbers begin a word each (opentelemetry-proto logs/v1, SeverityNumber). */
const SEVERITY = { any: 0, trace: 1, debug: 5, info: 9, warn: 13, error: 17, fatal: 21 } as const;

/** Log lines across all traces. */
export function addLogSearch(app: FastifyInstance, readerOf: ReaderOf): void {
  app.get('/api/logs', async (request, reply) => {
    const reader = readerOf(request);
    const params = paramsOf(request);
    const service = text(params, 'service');
    const trace = text(params, 'trace');
    const words = text(params, 'text');
    const severity = oneOf(params, 'severity', Object.keys(SEVERITY) as (keyof typeof SEVERITY)[], 'any');
    const logs = await reader.recentLogs({
      range: parseWindow(params, nowUnixNano()),
      limit: count(params, 'limit', 200, 10_000),
      ...(service === undefined ? {} : { service }),
      ...(trace === undefined ? {} : { traceId: requireTraceId(trace, 'trace') }),
      ...(severity === 'any' ? {} : { severityAtLeast: SEVERITY[severity] }),
      ...(words === undefined ? {} : { text: words }),
    });
    const body: LogsJson = { logs: logs.map(toLogJson) };
    return sendJson(request, reply, body);
  });
}
