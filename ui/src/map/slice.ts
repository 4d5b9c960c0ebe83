/** A part of the time that a page looks at, ms since 1970. */
export interface Slice {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Into how many slices a window is cut. */
export const SLICES = 12;

/** The slice that ends at `at`, as the URL names it; `undefined` for all of the time, or when it makes no sense. */
export function readSlice(at: string | undefined, lookbackMs: number): Slice | undefined {
  const toMs = Number(at);
  if (at === undefined || !Number.isInteger(toMs) || toMs <= 0 || toMs > 1e14) return undefined;
  return { fromMs: toMs - lookbackMs / SLICES, toMs };
}

/** Where the slider stands for a slice, 1 (the oldest) to `SLICES`; 0 when all of the time is shown. */
export function positionOf(slice: Slice | undefined, lookbackMs: number, nowMs: number): number {
  if (!slice) return 0;
  const back = (nowMs - slice.toMs) / (lookbackMs / SLICES);
  return Math.min(SLICES, Math.max(1, Math.round(SLICES - back)));
}

/** End of the slice at a position of the slider. Whole seconds: links stay short. */
export function endAt(position: number, lookbackMs: number, nowMs: number): number | undefined {
  if (position <= 0) return undefined;
  const end = nowMs - (SLICES - position) * (lookbackMs / SLICES);
  return Math.round(end / 1_000) * 1_000;
}
