import type { FunctionStatsJson, RedPointJson } from '../../../backend/query/shapes.ts';
import type { Grid } from '../chart/grid.ts';

/** Something about a function that a person should look at now, the worst first. */
export interface Trouble {
  readonly functionName: string;
  readonly kind: 'errors' | 'slow' | 'cold';
  /** 0..1 for errors and cold starts; how many times slower than before for `slow`. */
  readonly size: number;
  /** Since when, ms since 1970; `undefined` when it was so all the time that is looked at. */
  readonly sinceMs: number | undefined;
  /** The last step in which it happened, when that is not the newest one with calls. */
  readonly untilMs: number | undefined;
  readonly errors: number;
  readonly calls: number;
  readonly p99Nano: number;
}

const LEAST_ERROR_RATE = 0.01;
const LEAST_COLD_RATE = 0.25;
const LEAST_COLD_CALLS = 10;
/** Slower than this many times its usual, and slow enough to matter. */
const SLOWER_TIMES = 3;
const LEAST_SLOW_NANO = 100e6;
const LEAST_STEPS_BEFORE = 3;

export function findTrouble(
  stats: FunctionStatsJson,
  grid: Grid<RedPointJson> | undefined,
): readonly Trouble[] {
  const steps = (grid?.points ?? []).flatMap((point, i) =>
    point && point.calls > 0 && grid
      ? [{ ...point, ms: grid.startMs + i * grid.stepMs, endMs: grid.startMs + (i + 1) * grid.stepMs }]
      : [],
  );
  return [errorsOf(stats, steps), slowOf(stats, steps), coldOf(stats)].filter(
    (trouble) => trouble !== undefined,
  );
}

export function worstFirst(troubles: readonly Trouble[]): Trouble[] {
  const order = { errors: 0, slow: 1, cold: 2 } as const;
  return troubles.toSorted((a, b) => order[a.kind] - order[b.kind] || b.size - a.size);
}

type Step = RedPointJson & { readonly ms: number; readonly endMs: number };

/** The last unbroken run of steps with errors; steps without calls do not break it. */
function errorsOf(stats: FunctionStatsJson, steps: readonly Step[]): Trouble | undefined {
  const base = { functionName: stats.name, kind: 'errors', p99Nano: Number(stats.p99Nano) } as const;
  const last = steps.findLastIndex((step) => step.errors > 0);
  if (last < 0) {
    if (stats.errorRate < LEAST_ERROR_RATE) return undefined;
    return {
      ...base,
      size: stats.errorRate,
      errors: stats.errors,
      calls: stats.invocations,
      sinceMs: undefined,
      untilMs: undefined,
    };
  }
  let first = last;
  while (first > 0 && (steps[first - 1] as Step).errors > 0) first -= 1;
  const run = steps.slice(first, last + 1);
  const errors = run.reduce((sum, step) => sum + step.errors, 0);
  const calls = run.reduce((sum, step) => sum + step.calls, 0);
  if (errors / calls < LEAST_ERROR_RATE) return undefined;
  return {
    ...base,
    size: errors / calls,
    errors,
    calls,
    sinceMs: first === 0 ? undefined : run[0]?.ms,
    untilMs: last === steps.length - 1 ? undefined : run.at(-1)?.endMs,
  };
}

/** The newest step against the middle of those before it. */
function slowOf(stats: FunctionStatsJson, steps: readonly Step[]): Trouble | undefined {
  const newest = steps.at(-1);
  const before = steps.slice(0, -1).map((step) => Number(step.p99Nano));
  if (!newest || before.length < LEAST_STEPS_BEFORE) return undefined;
  const usual = before.toSorted((a, b) => a - b)[Math.floor(before.length / 2)] ?? 0;
  const now = Number(newest.p99Nano);
  if (now < LEAST_SLOW_NANO || usual <= 0 || now < usual * SLOWER_TIMES) return undefined;
  return {
    functionName: stats.name,
    kind: 'slow',
    size: now / usual,
    sinceMs: newest.ms,
    untilMs: undefined,
    errors: newest.errors,
    calls: newest.calls,
    p99Nano: now,
  };
}

function coldOf(stats: FunctionStatsJson): Trouble | undefined {
  if (stats.invocations < LEAST_COLD_CALLS || stats.coldStartRate < LEAST_COLD_RATE) return undefined;
  return {
    functionName: stats.name,
    kind: 'cold',
    size: stats.coldStartRate,
    sinceMs: undefined,
    untilMs: undefined,
    errors: stats.errors,
    calls: stats.invocations,
    p99Nano: Number(stats.p99Nano),
  };
}
