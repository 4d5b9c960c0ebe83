import type { TraceSummaryJson } from '../../../backend/query/shapes.ts';
import { durationOf, startMsOf } from '../search/summary.ts';

/** A trace that took far longer than others that began alike. */
export interface SlowTrace {
  readonly summary: TraceSummaryJson;
  /** ns, the middle of the others. */
  readonly usualNano: number;
  readonly times: number;
}

/** Slower than this many times its usual, and slow enough to matter. */
const SLOWER_TIMES = 3;
const LEAST_SLOW_NANO = 100e6;
const LEAST_OTHERS = 2;

/** Those without an error (they are told elsewhere), the newest first. */
export function slowerThanUsual(summaries: readonly TraceSummaryJson[], most: number): readonly SlowTrace[] {
  const alike = Map.groupBy(
    summaries,
    ({ rootServiceName, rootOperationName }) => `${rootServiceName}\0${rootOperationName}`,
  );
  return [...alike.values()]
    .flatMap((group) => {
      const durations = group.map(durationOf).sort((a, b) => a - b);
      // Without itself: the middle of the others is the next lower one when the trace stands above it.
      const usualNano = durations[Math.floor((durations.length - 1) / 2)] ?? 0;
      if (group.length <= LEAST_OTHERS || usualNano <= 0) return [];
      return group.flatMap((summary): SlowTrace[] => {
        const nano = durationOf(summary);
        const isSlow = nano >= LEAST_SLOW_NANO && nano >= usualNano * SLOWER_TIMES;
        return isSlow && summary.errorSpanCount === 0
          ? [{ summary, usualNano, times: nano / usualNano }]
          : [];
      });
    })
    .sort((a, b) => startMsOf(b.summary) - startMsOf(a.summary))
    .slice(0, most);
}
