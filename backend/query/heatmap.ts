import type { FastifyInstance } from 'fastify';
import { count, parseWindow } from './params.ts';
import { stepSecondsOf } from './red.ts';
import { nowUnixNano, paramsOf, pathParam, sendJson, type ReaderOf } from './request.ts';
import type { HeatmapJson } from './shapes.ts';

const DEFAULT_ROWS = 24;
const MAX_ROWS = 200;

/** How many invocations of a function took how long, over time. */
export function addHeatmap(app: FastifyInstance, readerOf: ReaderOf): void {
  app.get('/api/functions/:name/heatmap', async (request, reply) => {
    const reader = readerOf(request);
    const name = pathParam(request, 'name');
    const params = paramsOf(request);
    const range = parseWindow(params, nowUnixNano());
    const stepSeconds = stepSecondsOf(params, range);
    const maxRows = count(params, 'rows', DEFAULT_ROWS, MAX_ROWS);
    const { boundsNano, columns } = await reader.durationHeatmap({ name, range, stepSeconds, maxRows });
    const body: HeatmapJson = {
      name,
      startUnixNano: String(range.startUnixNano),
      endUnixNano: String(range.endUnixNano),
      stepNano: String(BigInt(stepSeconds) * 1_000_000_000n),
      boundsNano: boundsNano.map(String),
      columns: columns.map(({ startUnixNano, invocations, errors, counts }) => ({
        timeUnixNano: String(startUnixNano),
        invocations,
        errors,
        counts,
      })),
    };
    return sendJson(request, reply, body);
  });
}
