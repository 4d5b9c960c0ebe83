import type { SearchCountsJson } from '../../../backend/query/shapes.ts';

export interface Bin {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
  readonly errorCount: number;
}

/** What the server counted, with the bins that it left out as empty; none after `untilMs`, unless something is in it. */
export function fillBins(counts: SearchCountsJson, untilMs: number): Bin[] {
  const startMs = msOf(counts.startUnixNano);
  const stepMs = msOf(counts.stepNano);
  const found = new Map(
    counts.bins.map((bin) => [Math.round((msOf(bin.timeUnixNano) - startMs) / stepMs), bin]),
  );
  const endMs = Math.min(msOf(counts.endUnixNano), untilMs);
  const last = [...found.keys()].reduce(
    (max, at) => Math.max(max, at),
    Math.ceil((endMs - startMs) / stepMs) - 1,
  );
  return Array.from({ length: Math.min(MOST_BINS, last + 1) }, (_, at) => ({
    fromMs: startMs + at * stepMs,
    toMs: startMs + (at + 1) * stepMs,
    count: found.get(at)?.traces ?? 0,
    errorCount: found.get(at)?.errorTraces ?? 0,
  }));
}

const MOST_BINS = 1_000;

/** The next bin that holds something, to the right (1) or to the left (-1); the same where there is none, the outermost without one. */
export function stepBin(
  bins: readonly Pick<Bin, 'count'>[],
  at: number | undefined,
  by: 1 | -1,
): number | undefined {
  const start = at ?? (by > 0 ? -1 : bins.length);
  for (let i = start + by; i >= 0 && i < bins.length; i += by) if ((bins[i]?.count ?? 0) > 0) return i;
  return at;
}

/** From the first to the last bin of a choice, and what they hold together. A trace that is in several counts in each. */
export function stretchOf(bins: readonly Bin[], a: number, b: number): Bin {
  const between = bins.slice(Math.min(a, b), Math.max(a, b) + 1);
  return {
    fromMs: between[0]?.fromMs ?? 0,
    toMs: between.at(-1)?.toMs ?? 0,
    count: between.reduce((sum, { count }) => sum + count, 0),
    errorCount: between.reduce((sum, { errorCount }) => sum + errorCount, 0),
  };
}

/** ns as a decimal string, with its fraction of a millisecond. */
function msOf(nano: string): number {
  return Number(BigInt(nano) / 1_000n) / 1_000;
}
