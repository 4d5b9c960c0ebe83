import type { Run } from './run.ts';
import { compareBigInt } from './span-facts.ts';
import type { Stage } from './stages.ts';

/** What a run of this kind takes when all is well, from runs that did well. */
export interface Baseline {
  /** How many runs it rests on. */
  readonly runs: number;
  readonly wallNano: bigint;
  /** Median of one stage of one owner, 0 when the runs do not have it. */
  typical(stage: Stage, owner: string): bigint;
  /** How far from that median runs usually lie (median absolute deviation × 1.48, a standard deviation for normal noise). */
  spread(stage: Stage, owner: string): bigint;
  readonly wallSpread: bigint;
}

export interface Twin {
  readonly run: Run;
  /** Healthy runs that it was chosen from. */
  readonly candidates: number;
  readonly reason: string;
  /** Largest first. */
  readonly differences: readonly StageDifference[];
}

export interface StageDifference {
  readonly stage: Stage;
  readonly owner: string;
  readonly nano: bigint;
  readonly twinNano: bigint;
  readonly deltaNano: bigint;
}

/** Differences below this are no news. */
const LEAST_DIFFERENCE_NANO = 1_000_000n;

/**
 * The normal run to hold beside this one: of those that did well, the ones of the same functions, then of the same versions; of
 * those the one in the middle by time (typical, not the best); of equals the nearest in time.
 */
export function healthyTwin(run: Run, others: readonly Run[]): Twin | undefined {
  const { runs, reason } = comparable(run, others);
  if (runs.length === 0) return undefined;
  const bySpeed = runs.toSorted((a, b) => compareBigInt(a.account.wallNano, b.account.wallNano));
  const middle = (bySpeed[Math.floor((bySpeed.length - 1) / 2)] as Run).account.wallNano;
  const near = bySpeed.filter(
    ({ account }) => account.wallNano * 10n >= middle * 9n && account.wallNano * 9n <= middle * 10n,
  );
  const twin = near.reduce(
    (best, each) => (distance(run, each) < distance(run, best) ? each : best),
    near[0] as Run,
  );
  return {
    run: twin,
    candidates: runs.length,
    reason:
      runs.length === 1
        ? `${reason}; the only one`
        : `${reason}; typical: its ${ms(twin.account.wallNano)} ms are in the middle of ${runs.length}`,
    differences: differencesOf(run, twin),
  };
}

export function baselineOf(run: Run, others: readonly Run[]): Baseline {
  const { runs } = comparable(run, others);
  const perRun = runs.map(
    ({ account }) => new Map(account.stages.map(({ stage, owner, nano }) => [`${stage}\0${owner}`, nano])),
  );
  const of = (stage: Stage, owner: string) => perRun.map((stages) => stages.get(`${stage}\0${owner}`) ?? 0n);
  const walls = runs.map(({ account }) => account.wallNano);
  return {
    runs: runs.length,
    wallNano: median(walls),
    typical: (stage, owner) => median(of(stage, owner)),
    spread: (stage, owner) => deviation(of(stage, owner)),
    wallSpread: deviation(walls),
  };
}

function comparable(run: Run, others: readonly Run[]): { runs: readonly Run[]; reason: string } {
  const healthy = others.filter((other) => !other.isFailed && other.traceId !== run.traceId);
  // One that failed half way has only some of the functions that a healthy one has.
  const same = healthy.filter((other) => [...run.versions.keys()].every((name) => other.versions.has(name)));
  if (same.length === 0) return { runs: [], reason: '' };
  const whole = same.filter((other) => other.versions.size === run.versions.size);
  const alike = whole.length >= 3 ? whole : same;
  const versions = alike.filter((other) =>
    [...run.versions].every(([name, version]) => other.versions.get(name) === version),
  );
  return versions.length >= 3
    ? { runs: beforeOrAfter(run, versions), reason: 'same functions in the same versions' }
    : { runs: beforeOrAfter(run, alike), reason: 'same functions' };
}

/** Those that were not under way at the same time, if there are enough: what held this run up held them up as well. */
function beforeOrAfter(run: Run, others: readonly Run[]): readonly Run[] {
  const { startUnixNano, endUnixNano } = run.account;
  const apart = others.filter(
    ({ account }) => account.endUnixNano <= startUnixNano || account.startUnixNano >= endUnixNano,
  );
  return apart.length >= 3 ? apart : others;
}

function differencesOf(run: Run, twin: Run): StageDifference[] {
  const keys = new Map<string, { stage: Stage; owner: string; nano: bigint; twinNano: bigint }>();
  for (const { stage, owner, nano } of run.account.stages)
    keys.set(`${stage}\0${owner}`, { stage, owner, nano, twinNano: 0n });
  for (const { stage, owner, nano } of twin.account.stages) {
    const known = keys.get(`${stage}\0${owner}`);
    if (known) known.twinNano = nano;
    else keys.set(`${stage}\0${owner}`, { stage, owner, nano: 0n, twinNano: nano });
  }
  return [...keys.values()]
    .map((each) => ({ ...each, deltaNano: each.nano - each.twinNano }))
    .filter(({ deltaNano }) => absolute(deltaNano) >= LEAST_DIFFERENCE_NANO)
    .sort((a, b) => compareBigInt(absolute(b.deltaNano), absolute(a.deltaNano)));
}

function distance(a: Run, b: Run): bigint {
  return absolute(a.account.startUnixNano - b.account.startUnixNano);
}

function median(values: readonly bigint[]): bigint {
  const sorted = values.toSorted(compareBigInt);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0n;
}

function deviation(values: readonly bigint[]): bigint {
  const middle = median(values);
  return (median(values.map((value) => absolute(value - middle))) * 148n) / 100n;
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function ms(nano: bigint): string {
  return (Number(nano) / 1e6).toFixed(1);
}
