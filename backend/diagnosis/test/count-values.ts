import type { AttributeValue, SpanData } from '../../../function/span/span-data.ts';
import type { BadAndGood, Counted } from '../outliers.ts';
import { durationOf, isError } from '../span-facts.ts';

/** What a store counts, of spans at hand: all of them, each value of span and process alike. */
export function countValues(
  spans: readonly SpanData[],
  textOf: (value: AttributeValue) => string = String,
): Counted {
  const isSlow = slowerThan(spans);
  const groups = Map.groupBy(
    spans.flatMap((span) =>
      [span.attributes, span.resource].flatMap((attributes) =>
        Object.entries(attributes).map(([key, value]) => ({ span, key, value: textOf(value) })),
      ),
    ),
    ({ key, value }) => JSON.stringify([key, value]),
  );
  const sidesOf = (some: readonly SpanData[]): BadAndGood => ({
    failed: { bad: some.filter(isError).length, good: some.filter((span) => !isError(span)).length },
    slow: { bad: some.filter(isSlow).length, good: some.filter((span) => !isSlow(span)).length },
  });
  const values = [...groups].map(([id, group]) => {
    const [key, value] = JSON.parse(id) as [string, string];
    return { key, value, ...sidesOf(group.map(({ span }) => span)) };
  });
  return { tried: values.length, groups: [{ ...sidesOf(spans), values }] };
}

/** Above the 95th percentile, and at least twice the median. */
function slowerThan(spans: readonly SpanData[]): (span: SpanData) => boolean {
  const sorted = Float64Array.from(spans.map((span) => Number(durationOf(span)))).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const least = Math.max(at(0.95), at(0.5) * 2, 1);
  return (span) => Number(durationOf(span)) >= least;
}
