import { SERVICE_NAME } from '../../function/span/attributes.ts';
import { readJournal } from '../../function/span/read-journal.ts';
import type { SpanData } from '../../function/span/span-data.ts';

/** Whose a request's time was, as its own spans tell; µs, medians over the requests. */
export interface LatencyShare {
  readonly requests: number;
  /** The router's own: its SERVER span without the CLIENT span below. */
  readonly router: number;
  /** To the instance and back, and until it turns to the request: the CLIENT span without the function's. */
  readonly way: number;
  readonly fn: number;
  /** The 99th percentile of the whole SERVER span. */
  readonly p99: number;
}

/** Of the newest requests whose three spans are in the journals still. */
export function latencyShare(journals: readonly string[]): LatencyShare {
  const spans = journals.flatMap((path) => readJournal(path).spans);
  const router: number[] = [];
  const way: number[] = [];
  const fn: number[] = [];
  const whole: number[] = [];
  for (const trace of Map.groupBy(spans, ({ traceId }) => traceId).values()) {
    const ofRouter = trace.filter((span) => span.resource[SERVICE_NAME] === 'router');
    const server = ofRouter.find(({ name }) => !name.startsWith('invoke '));
    const invoke = ofRouter.find(({ name }) => name.startsWith('invoke '));
    const own = trace.find(({ parentSpanId }) => parentSpanId === invoke?.spanId);
    if (!server || !invoke || !own) continue;
    router.push(microseconds(server) - microseconds(invoke));
    way.push(microseconds(invoke) - microseconds(own));
    fn.push(microseconds(own));
    whole.push(microseconds(server));
  }
  return {
    requests: fn.length,
    router: median(router),
    way: median(way),
    fn: median(fn),
    p99: quantile(whole, 0.99),
  };
}

function microseconds(span: SpanData): number {
  return Number(span.endTimeUnixNano - span.startTimeUnixNano) / 1_000;
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;
}
