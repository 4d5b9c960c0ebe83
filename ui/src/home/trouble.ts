import type { FunctionStatsJson, RedPointJson } from '../../../backend/query/shapes.ts';
import type { Grid } from '../chart/grid.ts';

/** Something about a function that a person should look at now, the worst first. */
export interface Trouble {
  readonly functionName: string;
  readonly kind: 'errors' | 'slow' | 'cold';
  /** 0..1 for errors and cold starts; how many times slower than before for `slow`. */
  readonly size: number;
  /** Since when, ms since 1970; `undefined` when nothing says it. */
  readonly sinceMs: number | undefined;
  /** It was so from the start of what is looked at on, and may have been before. */
  readonly isFromEdge: boolean;
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
/** The first step of a window is a part of one. */
const EDGE_STEPS = 2;
/** A share of errors has risen when it is so many times as high as before, */
const RISEN_TIMES = 2;
/** and when that is so much likelier than one share throughout, of as many places as it could have risen at (natural logarithm). */
const LEAST_EVIDENCE = 8;

export function findTrouble(
  stats: FunctionStatsJson,
  grid: Grid<RedPointJson> | undefined,
): readonly Trouble[] {
  const steps = (grid?.points ?? []).flatMap((point, i) =>
    point && point.calls > 0 && grid
      ? [
          {
            ...point,
            ms: grid.startMs + i * grid.stepMs,
            endMs: grid.startMs + (i + 1) * grid.stepMs,
            isAtEdge: i < EDGE_STEPS,
          },
        ]
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

type Step = RedPointJson & {
  readonly ms: number;
  readonly endMs: number;
  /** At the start of what is looked at: what is so here may have been so before. */
  readonly isAtEdge: boolean;
};

/** The last unbroken run of steps with errors, from where their share rose; steps without calls do not break it. */
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
      isFromEdge: false,
      untilMs: undefined,
    };
  }
  let first = last;
  while (first > 0 && (steps[first - 1] as Step).errors > 0) first -= 1;
  const rise = first + risenAt(steps.slice(first, last + 1));
  const run = steps.slice(rise, last + 1);
  const { errors, calls } = sumOf(run);
  if (errors / calls < LEAST_ERROR_RATE) return undefined;
  return {
    ...base,
    size: errors / calls,
    errors,
    calls,
    sinceMs: run[0]?.ms,
    isFromEdge: run[0]?.isAtEdge === true,
    untilMs: last === steps.length - 1 ? undefined : run.at(-1)?.endMs,
  };
}

/**
 * The step from which on the share of errors is higher than before, 0 when it is one share throughout: the split at which two shares
 * explain the counts best, if they do so far better than one.
 *
 *     errors of calls   1/100  2/100  1/100 | 12/100  13/100      0.013 before, 0.125 since: at 3
 */
function risenAt(run: readonly Step[]): number {
  const whole = fitOf(run);
  let best = { at: 0, evidence: LEAST_EVIDENCE };
  for (let at = 1; at < run.length; at += 1) {
    const [before, since] = [run.slice(0, at), run.slice(at)];
    if (shareOf(since) < shareOf(before) * RISEN_TIMES) continue;
    const evidence = fitOf(before) + fitOf(since) - whole;
    if (evidence > best.evidence) best = { at, evidence };
  }
  return best.at;
}

/** How well one share explains the counts: logarithm of the binomial likelihood, without what does not depend on the share. */
function fitOf(steps: readonly Step[]): number {
  const { errors, calls } = sumOf(steps);
  const part = (count: number) => (count === 0 ? 0 : count * Math.log(count / calls));
  return part(errors) + part(calls - errors);
}

function shareOf(steps: readonly Step[]): number {
  const { errors, calls } = sumOf(steps);
  return errors / calls;
}

function sumOf(steps: readonly Step[]): { readonly errors: number; readonly calls: number } {
  return {
    errors: steps.reduce((sum, step) => sum + step.errors, 0),
    calls: steps.reduce((sum, step) => sum + step.calls, 0),
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
  const isSlow = (step: Step) => Number(step.p99Nano) >= usual * SLOWER_TIMES;
  const since = steps[steps.findLastIndex((step) => !isSlow(step)) + 1];
  return {
    functionName: stats.name,
    kind: 'slow',
    size: now / usual,
    sinceMs: since?.ms,
    isFromEdge: false,
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
    isFromEdge: false,
    untilMs: undefined,
    errors: stats.errors,
    calls: stats.invocations,
    p99Nano: Number(stats.p99Nano),
  };
}
