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
/** Of a million, any two groups differ in something: the odds to have the value must be so many times as high. */
const LEAST_ODDS = 1.5;
/** Fewer bad spans than this with a value prove nothing. */
export const LEAST_BAD = 5;
/** Says what happened, not why: never a cause. */
const CONSEQUENCES =
  /^(?:error|error\.|exception\.|otel\.|http\.response\.|http\.status_code|spoor\.(?:reason|outcome|end|unfinished|invoke|retry|queue)|messaging\.kafka\.(?:message\.)?offset$)/;

/**
 * Which attribute values set the failed spans apart from the others, and the slow ones from the fast. For each value that was counted
 * a two-by-two table and its G-test:
 *
 *                 bad   good
 *     with        38      2      card.language=ja: p = 1e-40
 *     without      2    958
 *
 * Every value tried makes a chance hit likelier, so p is multiplied by their number; above `alpha` nothing is said. Of two values
 * that hold for the same spans, the first in the order of strength stands for both. Bad and good may have been counted of samples
 * of their own, as in a case-control study: only shares are compared.
 */
export function outliersOf({ tried, groups }: Counted, options: OutlierOptions = {}): Outlier[] {
  const found = groups.flatMap((group) =>
    (['failed', 'slow'] as const).flatMap((of) => rank(group, of, tried, options.alpha ?? ALPHA)),
  );
  // What a span says that its process says too was counted twice.
  const once = new Map(
    found
      .sort(byStrength)
      .toReversed()
      .map((each) => [JSON.stringify([each.key, each.value, each.of]), each]),
  );
  return [...once.values()].toReversed().slice(0, options.limit ?? LIMIT);
}

/** How often values stand on the bad ones and on the others; a store counts them over more spans than fit here. */
export interface Counted {
  /** Different values that were counted, also those that are not listed. */
  readonly tried: number;
  /** What was counted of the same spans. */
  readonly groups: readonly CountedGroup[];
}

export interface CountedGroup extends BadAndGood {
  readonly values: readonly (BadAndGood & { readonly key: string; readonly value: string })[];
}

export interface BadAndGood {
  readonly failed: Sides;
  readonly slow: Sides;
}

export interface Sides {
  readonly bad: number;
  readonly good: number;
}

function rank(group: CountedGroup, of: Outlier['of'], tried: number, alpha: number): Outlier[] {
  const total = group[of];
  if (total.bad < LEAST_BAD || total.good < LEAST_BAD) return [];
  const found: Outlier[] = [];
  for (const each of group.values) {
    const { key, value } = each;
    const { bad, good } = each[of];
    if (bad < LEAST_BAD || value === '' || CONSEQUENCES.test(key)) continue;
    const without = { bad: total.bad - bad, good: total.good - good };
    if (bad * without.good < LEAST_ODDS * good * without.bad) continue;
    const pValue = Math.min(1, gTest(bad, good, without.bad, without.good) * tried);
    if (pValue < alpha)
      found.push({
        key,
        value,
        of,
        bad,
        good,
        badShare: bad / total.bad,
        goodShare: good / total.good,
        pValue,
      });
  }
  return onlyFirstOfEqual(found.sort(byStrength));
}

/** By how much of the bad it holds for beyond what it holds for anyhow; p says that it is so, and would put first what more was counted of. */
function byStrength(a: Outlier, b: Outlier): number {
  return strength(b) - strength(a) || a.pValue - b.pValue || (a.key < b.key ? -1 : 1);
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
