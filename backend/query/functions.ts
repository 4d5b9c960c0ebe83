import type { FastifyInstance } from 'fastify';
import {
  ERROR_TYPE,
  FAAS_COLDSTART,
  FAAS_NAME,
  FAAS_TRIGGER,
  SPOOR_END_REASON,
} from '../../function/span/attributes.ts';
import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { Failure } from '../../server/failure.ts';
import { LEAST_BAD, outliersOf } from '../diagnosis/outliers.ts';
import {
  compareBigInt,
  durationOf,
  functionOf,
  instanceOf,
  isError,
  isFunctionSpan,
  textOf,
  versionOf,
} from '../diagnosis/span-facts.ts';
import { STAGES, type Stage } from '../diagnosis/stages.ts';
import type { FunctionStats, TimeRange } from '../store/store.ts';
import { messageOf, refOf } from './diagnosis-json.ts';
import { parseWindow } from './params.ts';
import { nowUnixNano, paramsOf, pathParam, sendJson, type ReaderOf } from './request.ts';
import { stepSecondsOf } from './red.ts';
import type {
  FunctionGroupJson,
  FunctionJson,
  FunctionsJson,
  FunctionStatsJson,
  InvocationJson,
} from './shapes.ts';

/** Newest traces with an invocation that a function's page is made from. */
const SAMPLED_TRACES = 200;
const MAX_LISTED = 20;

export function addFunctions(app: FastifyInstance, readerOf: ReaderOf): void {
  app.get('/api/functions', async (request, reply) => {
    const reader = readerOf(request);
    const range = parseWindow(paramsOf(request), nowUnixNano());
    const stats = await reader.functionStats(range);
    const body: FunctionsJson = {
      startUnixNano: String(range.startUnixNano),
      endUnixNano: String(range.endUnixNano),
      functions: stats
        .map((each) => toStats(each, range))
        .sort((a, b) => b.invocations - a.invocations || (a.name < b.name ? -1 : 1)),
    };
    return sendJson(request, reply, body);
  });

  app.get('/api/functions/:name', async (request, reply) => {
    const reader = readerOf(request);
    const name = pathParam(request, 'name');
    const params = paramsOf(request);
    const range = parseWindow(params, nowUnixNano());
    const stepSeconds = stepSecondsOf(params, range);
    const [all, traces, red, counted] = await Promise.all([
      reader.functionStats(range),
      reader.findTraces({ service: name, operation: name, range, attributes: {}, limit: SAMPLED_TRACES }),
      reader.red({ service: name, operation: name, kind: SPAN_KIND.server, range, stepSeconds }),
      reader.valueCounts({
        service: name,
        operation: name,
        kind: SPAN_KIND.server,
        range,
        leastBad: LEAST_BAD,
      }),
    ]);
    const stats = all.find((each) => each.name === name);
    if (!stats)
      throw new Failure('query', 'not_found', `cannot find function [${name}]: it did not run in that time`);
    const spans = traces.flat();
    return sendJson(request, reply, {
      ...toFunction(name, spans),
      outliers: outliersOf(counted).map(({ key, value, of, badShare, goodShare, pValue }) => ({
        key,
        value,
        of,
        badShare,
        goodShare,
        pValue,
      })),
      ...pointsOf(),
      stats: toStats(stats, range),
    });

    function pointsOf(): Pick<FunctionJson, 'startUnixNano' | 'endUnixNano' | 'stepNano' | 'points'> {
      return {
        startUnixNano: String(range.startUnixNano),
        endUnixNano: String(range.endUnixNano),
        stepNano: String(BigInt(stepSeconds) * 1_000_000_000n),
        points: (red[0]?.points ?? []).map((point) => ({
          timeUnixNano: String(point.startUnixNano),
          invocations: point.count,
          errors: point.errorCount,
          p50Nano: nanoText(point.p50Nano),
          p95Nano: nanoText(point.p95Nano),
          p99Nano: nanoText(point.p99Nano),
        })),
      };
    }
  });
}

function toStats(stats: FunctionStats, range: TimeRange): FunctionStatsJson {
  const { invocations, errors, coldStarts } = stats;
  return {
    name: stats.name,
    invocations,
    ratePerSecond: invocations / secondsOf(range),
    errors,
    errorRate: invocations === 0 ? 0 : errors / invocations,
    coldStarts,
    coldStartRate: invocations === 0 ? 0 : coldStarts / invocations,
    timeouts: stats.timeouts,
    retries: stats.retries,
    p50Nano: nanoText(stats.p50Nano),
    p99Nano: nanoText(stats.p99Nano),
    lastSeenUnixNano: String(stats.lastSeenUnixNano),
  };
}

function toFunction(name: string, spans: readonly SpanData[]) {
  const invocations = spans
    .filter((span) => isFunctionSpan(span) && functionOf(span) === name)
    .sort((a, b) => compareBigInt(b.startTimeUnixNano, a.startTimeUnixNano));
  const failed = invocations.filter(isError);
  const bySpeed = invocations.toSorted((a, b) => compareBigInt(durationOf(b), durationOf(a)));
  return {
    sampled: invocations.length,
    triggers: countBy(invocations, (span) => textOf(span.attributes[FAAS_TRIGGER])),
    ends: countBy(invocations, (span) => textOf(span.attributes[SPOOR_END_REASON])),
    versions: groupsOf(invocations, versionOf),
    instances: groupsOf(invocations, instanceOf),
    phases: phasesOf(spans, name),
    errors: [...Map.groupBy(failed, (span) => textOf(span.attributes[ERROR_TYPE]) || 'error')]
      .map(([type, some]) => ({ type, count: some.length, example: refOf(some[0] as SpanData) }))
      .sort((a, b) => b.count - a.count),
    slowest: bySpeed.slice(0, MAX_LISTED).map(toInvocation),
    failed: failed.slice(0, MAX_LISTED).map(toInvocation),
  } satisfies Partial<FunctionJson>;
}

function groupsOf(
  invocations: readonly SpanData[],
  valueOf: (span: SpanData) => string,
): FunctionGroupJson[] {
  return [...Map.groupBy(invocations, valueOf)].map(([value, some]) => {
    const starts = some.map((span) => span.startTimeUnixNano).sort(compareBigInt);
    return {
      value,
      version: versionOf(some[0] as SpanData),
      invocations: some.length,
      errors: some.filter(isError).length,
      coldStarts: some.filter((span) => span.attributes[FAAS_COLDSTART] === true).length,
      p50Nano: String(quantile(some, 0.5)),
      p99Nano: String(quantile(some, 0.99)),
      firstSeenUnixNano: String(starts[0]),
      lastSeenUnixNano: String(starts.at(-1)),
    };
  });
}

function phasesOf(spans: readonly SpanData[], name: string): FunctionJson['phases'] {
  const own = spans.filter(
    (span) =>
      span.attributes[FAAS_NAME] === name &&
      span.kind === SPAN_KIND.internal &&
      !(FAAS_NAME in span.resource),
  );
  return STAGES.flatMap((stage: Stage) => {
    const some = own.filter((span) => span.name === stage);
    return some.length === 0
      ? []
      : [
          {
            stage,
            count: some.length,
            p50Nano: String(quantile(some, 0.5)),
            p99Nano: String(quantile(some, 0.99)),
          },
        ];
  });
}

function toInvocation(span: SpanData): InvocationJson {
  return {
    ...refOf(span),
    startUnixNano: String(span.startTimeUnixNano),
    durationNano: String(durationOf(span)),
    version: versionOf(span),
    instance: instanceOf(span),
    coldStart: span.attributes[FAAS_COLDSTART] === true,
    error: isError(span),
    statusMessage: messageOf(span),
  };
}

function countBy(spans: readonly SpanData[], wordOf: (span: SpanData) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const span of spans) {
    const word = wordOf(span);
    if (word !== '' && word !== '__proto__') counts[word] = (counts[word] ?? 0) + 1;
  }
  return counts;
}

function quantile(spans: readonly SpanData[], share: number): bigint {
  const sorted = spans.map(durationOf).sort(compareBigInt);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0n;
}

export function nanoText(nano: number): string {
  return String(Math.round(nano));
}

export function secondsOf(range: TimeRange): number {
  return Math.max(Number(range.endUnixNano - range.startUnixNano) / 1e9, 1e-9);
}
