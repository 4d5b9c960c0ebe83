import type { FastifyInstance } from 'fastify';
import type { TimeRange } from '../store/store.ts';
import { milliseconds, parseSpanKind, parseWindow, text, type Params } from './params.ts';
import { nowUnixNano, paramsOf, sendJson, type ReaderOf } from './request.ts';
import type { RedJson } from './shapes.ts';

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const DEFAULT_STEPS = 60;
const MAX_STEPS = 2_000;

/** Rate, errors and duration. */
export function addRed(app: FastifyInstance, readerOf: ReaderOf): void {
  app.get('/api/metrics/red', async (request, reply) => {
    const reader = readerOf(request);
    const params = paramsOf(request);
    const range = parseWindow(params, nowUnixNano());
    const stepSeconds = stepSecondsOf(params, range);
    const service = text(params, 'service');
    const operation = text(params, 'operation');
    const kind = parseSpanKind(params, 'kind');
    const series = await reader.red({
      range,
      stepSeconds,
      ...(service === undefined ? {} : { service }),
      ...(operation === undefined ? {} : { operation }),
      ...(kind === undefined ? {} : { kind }),
    });
    const body: RedJson = {
      startUnixNano: String(range.startUnixNano),
      endUnixNano: String(range.endUnixNano),
      stepNano: String(BigInt(stepSeconds) * 1_000_000_000n),
      series: series.map((each) => ({
        service: each.service,
        operation: each.operation,
        kind: KINDS[each.kind] ?? 'unspecified',
        points: each.points.map((point) => ({
          timeUnixNano: String(point.startUnixNano),
          calls: point.count,
          errors: point.errorCount,
          ratePerSecond: point.count / stepSeconds,
          p50Nano: String(Math.round(point.p50Nano)),
          p95Nano: String(Math.round(point.p95Nano)),
          p99Nano: String(Math.round(point.p99Nano)),
        })),
      })),
    };
    return sendJson(request, reply, body);
  });
}

/** `step` in ms, else a sixtieth of the range; whole minutes, as the roll-ups are kept, and never more steps than a chart can show. */
export function stepSecondsOf(params: Params, range: TimeRange): number {
  const span = range.endUnixNano - range.startUnixNano;
  const asked = milliseconds(params, 'step') ?? span / BigInt(DEFAULT_STEPS);
  const least = span / BigInt(MAX_STEPS);
  const seconds = Number((asked > least ? asked : least) / 1_000_000_000n);
  return Math.max(60, Math.ceil(seconds / 60) * 60);
}
