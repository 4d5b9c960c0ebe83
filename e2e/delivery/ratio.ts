/**
 * How much slower one thing is than another, told from pairs of blocks that ran beside each other: the median of the pairs' ratios,
 * and an interval for it that takes no shape of the noise for granted.
 *
 * Of n sorted ratios, each falls below the true median with a chance of one half, whatever they are drawn from. So the median lies
 * between the k-th from below and the k-th from above but for twice the chance that n tossed coins show fewer than k heads:
 *
 *     20 pairs, 99 %:   x  x  x [x  x  x  x  x  x  x | x  x  x  x  x  x  x] x  x  x        k = 4, 2 × 0.0013
 */

/** An interval holds the truth so often. Four looks at growing data, each of them so, are together right 95 times in 100. */
const CONFIDENCE = 0.99;
/** "Within 2 %" of a healthy collector. */
const TOLERATED = 1.02;

export type Finding = 'pass' | 'fail' | 'undecided';

export interface Ratio {
  readonly median: number;
  /** The interval for it; without bounds when there are too few pairs to say anything. */
  readonly low: number;
  readonly high: number;
  /** `pass`: the whole interval is below what is tolerated. `fail`: all of it is above. */
  readonly finding: Finding;
}

export function compareInPairs(pairs: readonly (readonly [measured: number, reference: number])[]): Ratio {
  const ratios = pairs.map(([measured, reference]) => measured / reference).sort((a, b) => a - b);
  const k = rankOf(ratios.length);
  const low = ratios[k - 1] ?? 0;
  const high = ratios[ratios.length - k] ?? Number.POSITIVE_INFINITY;
  return {
    median: median(ratios),
    low,
    high,
    finding: high <= TOLERATED ? 'pass' : low > TOLERATED ? 'fail' : 'undecided',
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** The largest k for which fewer than k heads of n tosses are rare enough; 0: there is none. */
function rankOf(n: number): number {
  // By logarithms: 2^-n is no number for large n.
  let logOfChance = -n * Math.LN2;
  let below = 0;
  for (let heads = 0; heads < n; heads += 1) {
    below += Math.exp(logOfChance);
    if (2 * below > 1 - CONFIDENCE) return heads;
    logOfChance += Math.log((n - heads) / (heads + 1));
  }
  return 0;
}
