import type { FastifyInstance } from 'fastify';
import { SPAN_KIND } from '../../function/span/span-data.ts';
import { Failure } from '../../server/failure.ts';
import type { RedPoint, RedSeries } from '../store/store.ts';
import { bool, milliseconds, parseSpanKinds, parseWindow, text } from './params.ts';
import { stepSecondsOf } from './red.ts';
import { nowUnixNano, paramsOf, sendJson, type ReaderOf } from './request.ts';
import type { JaegerMetrics } from './shapes.ts';

const METRICS = ['latencies', 'calls', 'errors'] as const;
type Metric = (typeof METRICS)[number];

const NAMES: Readonly<Record<Metric, readonly [name: string, help: string]>> = {
  latencies: ['latencies', 'latency, in milliseconds'],
  calls: ['call_rate', 'calls/sec'],
  errors: ['error_rate', 'error rate, computed as a fraction of errors/sec over calls/sec'],
};

/**
 * Jaeger's service performance metrics (jaeger cmd/jaeger/internal/extension/jaegerquery/internal/http_handler.go, metrics), from the
 * roll-ups by the minute: no envelope, times of all parameters in ms. Quantiles between those that are kept (50, 95, 99) are
 * interpolated, and over several operations or kinds they are weighted by their calls.
 */
export function addJaegerMetrics(app: FastifyInstance, readerOf: ReaderOf): void {
  for (const metric of METRICS)
    app.get(`/api/metrics/${metric}`, async (request, reply) => {
      const reader = readerOf(request);
      const params = paramsOf(request);
      const services = params.getAll('service').filter((name) => name !== '');
      if (services.length === 0)
        throw new Failure(
          'query',
          'bad_request',
          "unable to parse param 'service': please provide at least one service name",
        );
      const quantile = metric === 'latencies' ? parseQuantile(text(params, 'quantile')) : 0.5;
      const byOperation = bool(params, 'groupByOperation');
      const kinds = parseSpanKinds(params, 'spanKind', SPAN_KIND.server);
      milliseconds(params, 'ratePer');
      const range = parseWindow(params, nowUnixNano());
      const stepSeconds = Math.max(60, stepSecondsOf(params, range));
      const groups: { labels: { name: string; value: string }[]; series: RedSeries[] }[] = [];
      for (const service of services) {
        const series = (await reader.red({ service, range, stepSeconds })).filter((each) =>
          kinds.includes(each.kind),
        );
        const perGroup = Map.groupBy(series, (each) => (byOperation ? each.operation : ''));
        for (const [operation, some] of perGroup)
          groups.push({
            labels: [
              ...(byOperation ? [{ name: 'operation', value: operation }] : []),
              { name: 'service_name', value: service },
            ],
            series: some,
          });
      }
      const [name, help] = NAMES[metric];
      const scope = byOperation ? 'service_operation' : 'service';
      const body: JaegerMetrics = {
        name: `${scope}_${name}`,
        type: 'GAUGE',
        help: `${quantile === 0.5 && metric !== 'latencies' ? '' : metric === 'latencies' ? `${quantile}th quantile ` : ''}${help}, grouped by ${byOperation ? 'service & operation' : 'service'}`,
        metrics: groups.map(({ labels, series }) => ({
          labels,
          metricPoints: pointsOf(series, metric, quantile, stepSeconds),
        })),
      };
      return sendJson(request, reply, body);
    });
}

function pointsOf(series: readonly RedSeries[], metric: Metric, quantile: number, stepSeconds: number) {
  const perStep = Map.groupBy(
    series.flatMap(({ points }) => points),
    (point) => point.startUnixNano,
  );
  return [...perStep]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([startUnixNano, points]) => {
      const calls = points.reduce((sum, point) => sum + point.count, 0);
      const doubleValue =
        metric === 'calls'
          ? calls / stepSeconds
          : metric === 'errors'
            ? points.reduce((sum, point) => sum + point.errorCount, 0) / Math.max(1, calls)
            : points.reduce((sum, point) => sum + quantileOf(point, quantile) * point.count, 0) /
              Math.max(1, calls) /
              1e6;
      return {
        gaugeValue: { doubleValue },
        timestamp: new Date(Number(startUnixNano / 1_000_000n)).toISOString(),
      };
    });
}

/** Between two that are known, by the logarithm: durations are spread over orders of magnitude. */
function quantileOf(point: RedPoint, quantile: number): number {
  const known = [
    [0.5, point.p50Nano],
    [0.95, point.p95Nano],
    [0.99, point.p99Nano],
  ] as const;
  if (quantile <= 0.5) return point.p50Nano;
  for (let i = 1; i < known.length; i += 1) {
    const [low, a] = known[i - 1] as (typeof known)[number];
    const [high, b] = known[i] as (typeof known)[number];
    if (quantile <= high)
      return Math.max(a, 1) * (Math.max(b, 1) / Math.max(a, 1)) ** ((quantile - low) / (high - low));
  }
  return point.p99Nano;
}

function parseQuantile(value: string | undefined): number {
  const quantile = Number(value ?? 'none');
  if (!(quantile >= 0 && quantile <= 1))
    throw new Failure(
      'query',
      'bad_request',
      `unable to parse param 'quantile': [${(value ?? '').slice(0, 200)}] is not a number from 0 to 1`,
    );
  return quantile;
}
