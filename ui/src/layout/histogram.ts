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
