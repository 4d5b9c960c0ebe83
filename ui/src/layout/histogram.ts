export interface Bin {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
  readonly errorCount: number;
}

/** Counts over time in `bins` equal parts; the last one takes what lies on the end. */
export function histogram(
  items: readonly { readonly timeMs: number; readonly isError: boolean }[],
  fromMs: number,
  toMs: number,
  bins: number,
): Bin[] {
  const width = Math.max(1, toMs - fromMs) / bins;
  const counts = new Uint32Array(bins);
  const errors = new Uint32Array(bins);
  for (const { timeMs, isError } of items) {
    if (timeMs < fromMs || timeMs > toMs) continue;
    const bin = Math.min(bins - 1, Math.floor((timeMs - fromMs) / width));
    counts[bin] = (counts[bin] ?? 0) + 1;
    if (isError) errors[bin] = (errors[bin] ?? 0) + 1;
  }
  return Array.from({ length: bins }, (_, i) => ({
    fromMs: fromMs + i * width,
    toMs: fromMs + (i + 1) * width,
    count: counts[i] ?? 0,
    errorCount: errors[i] ?? 0,
  }));
}

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
