import type { SpanData } from '../../function/span/span-data.ts';
import { durationOf, isError, textOf } from './span-facts.ts';

/** A value of an attribute that the bad ones have far more often than the good ones. */
export interface Outlier {
  readonly key: string;
  readonly value: string;
  readonly of: 'failed' | 'slow';
  readonly bad: number;
  readonly good: number;
  /** Share of the bad, and of the good, that have it. 0..1 */
  readonly badShare: number;
  readonly goodShare: number;
  /** Chance to see this among as many values if no value mattered (Bonferroni). */
  readonly pValue: number;
}

export interface OutlierOptions {
  /** Claims are made below this chance. Default 0.001 */
  readonly alpha?: number;
  /** Default 10 */
  readonly limit?: number;
}

const ALPHA = 0.001;
const LIMIT = 10;
/** Says what happened, not why: never a cause. */
const CONSEQUENCES =
  /^(?:error|error\.|exception\.|otel\.|http\.response\.|http\.status_code|spoor\.(?:reason|outcome|end|unfinished|invoke|retry|queue)|messaging\.kafka\.(?:message\.)?offset$)/;

/**
 * Which attribute values set the failed spans apart from the others, and the slow ones (above the 95th percentile, and at least
 * twice the median) from the fast. One pass over the spans; then for each value a two-by-two table and its G-test:
 *
 *                 bad   good
 *     with        38      2      card.language=ja: p = 1e-40
 *     without      2    958
 *
 * Every value tried makes a chance hit likelier, so p is multiplied by their number; above `alpha` nothing is said. Of two values
 * that hold for the same spans, the first in the order of strength stands for both.
 */
export function findOutliers(spans: readonly SpanData[], options: OutlierOptions = {}): Outlier[] {
  const failed = spans.map(isError);
  const found = compare(spans, failed, 'failed', options);
  return [...found, ...compare(spans, slowOf(spans), 'slow', options)]
    .sort((a, b) => a.pValue - b.pValue || strength(b) - strength(a))
    .slice(0, options.limit ?? LIMIT);
}

/** The same from values that somebody else has counted: a store, over more spans than fit here. */
export function outliersOf(counted: Counted, options: OutlierOptions = {}): Outlier[] {
  const found = (['failed', 'slow'] as const).flatMap((of) =>
    rank(
      counted.values
        .filter(({ key }) => !CONSEQUENCES.test(key))
        .map((each) => ({ key: each.key, value: each.value, bad: each[of], good: each.spans - each[of] })),
      { of, badTotal: counted[of], goodTotal: counted.spans - counted[of], tried: counted.tried },
      options,
    ),
  );
  return found
    .sort((a, b) => a.pValue - b.pValue || strength(b) - strength(a))
    .slice(0, options.limit ?? LIMIT);
}

export interface Counted {
  readonly spans: number;
  readonly failed: number;
  readonly slow: number;
  /** Different values that were counted, also those that are not listed. */
  readonly tried: number;
  readonly values: readonly {
    readonly key: string;
    readonly value: string;
    readonly spans: number;
    readonly failed: number;
    readonly slow: number;
  }[];
}

/** Fewer bad spans than this with a value prove nothing. */
export const LEAST_BAD = 5;

function slowOf(spans: readonly SpanData[]): boolean[] {
  const durations = spans.map((span) => Number(durationOf(span)));
  const sorted = Float64Array.from(durations).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const least = Math.max(at(0.95), at(0.5) * 2);
  return durations.map((duration) => duration >= least && duration > 0);
}

function compare(
  spans: readonly SpanData[],
  isBad: readonly boolean[],
  of: Outlier['of'],
  options: OutlierOptions,
): Outlier[] {
  const badTotal = isBad.reduce((count, bad) => count + (bad ? 1 : 0), 0);
  const goodTotal = spans.length - badTotal;
  const values = [...countValues(spans, isBad)].flatMap(([key, counts]) =>
    [...counts].map(([value, { bad, good }]) => ({ key, value, bad, good })),
  );
  return rank(values, { of, badTotal, goodTotal, tried: values.length }, options);
}

interface Totals {
  readonly of: Outlier['of'];
  readonly badTotal: number;
  readonly goodTotal: number;
  readonly tried: number;
}

function rank(
  values: readonly (Pick<Outlier, 'key' | 'value'> & Count)[],
  { of, badTotal, goodTotal, tried }: Totals,
  { alpha = ALPHA }: OutlierOptions,
): Outlier[] {
  if (badTotal < LEAST_BAD || goodTotal < LEAST_BAD) return [];
  const found: Outlier[] = [];
  for (const { key, value, bad, good } of values) {
    const badShare = bad / badTotal;
    const goodShare = good / goodTotal;
    if (bad < LEAST_BAD || badShare <= goodShare) continue;
    const pValue = Math.min(1, gTest(bad, good, badTotal - bad, goodTotal - good) * tried);
    if (pValue < alpha) found.push({ key, value, of, bad, good, badShare, goodShare, pValue });
  }
  found.sort((a, b) => a.pValue - b.pValue || strength(b) - strength(a) || (a.key < b.key ? -1 : 1));
  return onlyFirstOfEqual(found);
}

interface Count {
  bad: number;
  good: number;
}

function countValues(spans: readonly SpanData[], isBad: readonly boolean[]): Map<string, Map<string, Count>> {
  const counts = new Map<string, Map<string, Count>>();
  const add = (key: string, value: string, bad: boolean) => {
    let values = counts.get(key);
    if (!values) counts.set(key, (values = new Map()));
    let count = values.get(value);
    if (!count) values.set(value, (count = { bad: 0, good: 0 }));
    if (bad) count.bad += 1;
    else count.good += 1;
  };
  // Spans of one process share their resource object: what its text is need be asked once.
  for (const [i, span] of spans.entries()) {
    const bad = isBad[i] === true;
    for (const attributes of [span.attributes, span.resource])
      for (const key in attributes) {
        if (CONSEQUENCES.test(key)) continue;
        const value = textOf(attributes[key]);
        if (value !== '') add(key, value, bad);
      }
  }
  return counts;
}

/** Values that hold for just as many bad and good ones say the same thing twice. */
function onlyFirstOfEqual(found: readonly Outlier[]): Outlier[] {
  const seen = new Set<string>();
  return found.filter(({ bad, good }) => {
    const twin = `${bad} ${good}`;
    if (seen.has(twin)) return false;
    seen.add(twin);
    return true;
  });
}

function strength({ badShare, goodShare }: Outlier): number {
  return badShare - goodShare;
}

/** G-test of independence of a 2 × 2 table with Williams' correction (Sokal & Rohlf, Biometry, 17.4); its p-value, one degree of freedom. */
function gTest(a: number, b: number, c: number, d: number): number {
  const n = a + b + c + d;
  const rows = [a + b, c + d] as const;
  const columns = [a + c, b + d] as const;
  let g = 0;
  for (const [observed, row, column] of [
    [a, rows[0], columns[0]],
    [b, rows[0], columns[1]],
    [c, rows[1], columns[0]],
    [d, rows[1], columns[1]],
  ] as const) {
    if (observed > 0) g += 2 * observed * Math.log((observed * n) / (row * column));
  }
  if (rows[0] === 0 || rows[1] === 0) return 1;
  const correction = 1 + ((n / rows[0] + n / rows[1] - 1) * (n / columns[0] + n / columns[1] - 1)) / (6 * n);
  return erfc(Math.sqrt(g / correction / 2));
}

/** Complementary error function, relative error below 1.2e-7 everywhere (Numerical Recipes 6.2, erfcc). */
function erfc(x: number): number {
  const t = 1 / (1 + 0.5 * x);
  const terms = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277,
  ];
  const sum = terms.reduceRight((total, term) => total * t + term, 0);
  return t * Math.exp(-x * x + sum);
}
