import type { FunctionGroupJson } from '../../../backend/query/shapes.ts';

/** One instance over time. Fractions of the width, 0..1. */
export interface Lane {
  readonly instance: FunctionGroupJson;
  readonly left: number;
  readonly width: number;
}

export interface Lanes {
  /** The newest first. */
  readonly lanes: readonly Lane[];
  readonly fromMs: number;
  readonly toMs: number;
  /** Most that served within the same time. */
  readonly mostAtOnce: number;
  /** How many served from here on, until the next; `at` is a fraction of the width. */
  readonly atOnce: readonly { readonly at: number; readonly count: number }[];
}

/** From the first to the last invocation of each instance, over the time that all of them cover. */
export function layOutLanes(instances: readonly FunctionGroupJson[]): Lanes {
  const times = instances.map((instance) => ({
    instance,
    first: msOf(instance.firstSeenUnixNano),
    last: msOf(instance.lastSeenUnixNano),
  }));
  const fromMs = times.reduce((min, { first }) => Math.min(min, first), Infinity);
  const toMs = Math.max(
    fromMs + 1_000,
    times.reduce((max, { last }) => Math.max(max, last), -Infinity),
  );
  if (times.length === 0) return { lanes: [], fromMs: 0, toMs: 0, mostAtOnce: 0, atOnce: [] };
  const changes = countAtOnce(times);
  return {
    lanes: times
      .toSorted((a, b) => b.last - a.last)
      .map(({ instance, first, last }) => ({
        instance,
        left: (first - fromMs) / (toMs - fromMs),
        width: (last - first) / (toMs - fromMs),
      })),
    fromMs,
    toMs,
    mostAtOnce: changes.reduce((most, { count }) => Math.max(most, count), 0),
    atOnce: changes.map(({ ms, count }) => ({ at: (ms - fromMs) / (toMs - fromMs), count })),
  };
}

/** The steps up and down, in order of time. */
function countAtOnce(
  times: readonly { readonly first: number; readonly last: number }[],
): readonly { readonly ms: number; readonly count: number }[] {
  // Who begins where another ends overlaps it: both were seen in that millisecond.
  const changes = times
    .flatMap(({ first, last }) => [
      { ms: first, by: 1 },
      { ms: last, by: -1 },
    ])
    .sort((a, b) => a.ms - b.ms || b.by - a.by);
  let count = 0;
  return changes.map(({ ms, by }) => {
    count += by;
    return { ms, count };
  });
}

function msOf(unixNano: string): number {
  return Number(BigInt(unixNano) / 1_000_000n);
}
