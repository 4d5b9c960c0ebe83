import type { TraceSummaryJson } from '../../../backend/query/shapes.ts';

/** ns */
export function durationOf(summary: TraceSummaryJson): number {
  return Math.max(0, Number(BigInt(summary.maxEndTimeUnixNano) - BigInt(summary.minStartTimeUnixNano)));
}

/** ms since 1970 */
export function startMsOf(summary: TraceSummaryJson): number {
  return Number(BigInt(summary.minStartTimeUnixNano) / 1_000n) / 1_000;
}
