import type { FunctionGroupJson } from '../../../backend/query/shapes.ts';

/** A version beside the one before it. */
export interface VersionRow {
  readonly group: FunctionGroupJson;
  /** Of all calls. */
  readonly share: number;
  readonly errorRate: number;
  readonly coldRate: number;
  /** What it is of the version before, less one: 0.5 is half as much again. `undefined` for the first, and with few calls. */
  readonly p50Change: number | undefined;
  readonly p99Change: number | undefined;
  /** Points of the error rate more than before. */
  readonly errorChange: number | undefined;
}

/** With fewer calls on either side a change means nothing. */
const LEAST_CALLS = 5;

/** Versions as they come, the newest first. */
export function compareVersions(versions: readonly FunctionGroupJson[]): readonly VersionRow[] {
  const all = versions.reduce((sum, { invocations }) => sum + invocations, 0) || 1;
  return versions.map((group, i) => {
    const before = versions[i + 1];
    const isKnown =
      before !== undefined && group.invocations >= LEAST_CALLS && before.invocations >= LEAST_CALLS;
    return {
      group,
      share: group.invocations / all,
      errorRate: rateOf(group.errors, group),
      coldRate: rateOf(group.coldStarts, group),
      p50Change: isKnown ? changeOf(group.p50Nano, before.p50Nano) : undefined,
      p99Change: isKnown ? changeOf(group.p99Nano, before.p99Nano) : undefined,
      errorChange: isKnown ? rateOf(group.errors, group) - rateOf(before.errors, before) : undefined,
    };
  });
}

function rateOf(count: number, { invocations }: FunctionGroupJson): number {
  return invocations === 0 ? 0 : count / invocations;
}

function changeOf(now: string, before: string): number | undefined {
  return Number(before) > 0 ? Number(now) / Number(before) - 1 : undefined;
}
