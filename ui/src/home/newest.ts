import type { TraceSummaryJson } from '../../../backend/query/shapes.ts';
import { startMsOf } from '../search/summary.ts';

/** A trace may still grow this long after it began, and may be stored that late; what takes longer is seen after a reload. */
const MAY_GROW_MS = 60_000;

/** From when on to ask again, ms since 1970, when these are known: all of the time when none is. */
export function askFrom(known: readonly TraceSummaryJson[], fromMs: number): number {
  const newest = known.reduce((max, summary) => Math.max(max, startMsOf(summary)), -Infinity);
  return Math.max(fromMs, newest - MAY_GROW_MS);
}

/** What came over what is known, the newest first; what has left the time is left out. */
export function mergeNewest(
  known: readonly TraceSummaryJson[],
  came: readonly TraceSummaryJson[],
  fromMs: number,
  most: number,
): readonly TraceSummaryJson[] {
  const byId = new Map([...known, ...came].map((summary) => [summary.traceId, summary]));
  return [...byId.values()]
    .filter((summary) => startMsOf(summary) >= fromMs)
    .sort((a, b) => startMsOf(b) - startMsOf(a))
    .slice(0, most);
}
