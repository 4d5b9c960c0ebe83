import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpanData } from '../../function/span/span-data.ts';
import { outliersOf } from './outliers.ts';
import { countValues } from './test/count-values.ts';
import { sketch } from './test/spans.ts';

void test('the one value that the failed have is named first', () => {
  const random = seeded(1);
  const spans = Array.from({ length: 5_000 }, (_, i) => {
    const language = random() < 0.02 ? 'ja' : 'en';
    return invocation(i, random, { language }, language === 'ja' || random() < 0.01);
  });
  const [first, ...rest] = outliersOf(countValues(spans));
  assert.deepEqual([first?.key, first?.value, first?.of], ['language', 'ja', 'failed']);
  assert.deepEqual(
    rest.filter((each) => each.of === 'failed' && each.pValue < (first?.pValue ?? 0)),
    [],
  );
});

void test('the slow ones too', () => {
  const random = seeded(2);
  const spans = Array.from({ length: 2_000 }, (_, i) => {
    const slow = random() < 0.05;
    return invocation(
      i,
      random,
      { partition: slow ? '7' : String(Math.floor(random() * 7)) },
      false,
      slow ? 500 : 20,
    );
  });
  const [first] = outliersOf(countValues(spans));
  assert.deepEqual([first?.key, first?.value, first?.of], ['partition', '7', 'slow']);
});

void test('with labels that mean nothing, there is nothing to say in 99 of 100 runs', () => {
  let claims = 0;
  for (let run = 0; run < 200; run += 1) {
    const random = seeded(1_000 + run);
    const spans = Array.from({ length: 400 }, (_, i) => invocation(i, random, {}, random() < 0.1));
    if (outliersOf(countValues(spans)).length > 0) claims += 1;
  }
  assert.ok(claims <= 2, `${claims} of 200 runs claimed something`);
});

void test('what only says that it failed is no cause of it', () => {
  const spans = Array.from({ length: 100 }, (_, i) =>
    invocation(
      i,
      seeded(i),
      i % 5 === 0 ? { 'error.type': 'Error', 'http.response.status_code': 500n } : {},
      i % 5 === 0,
    ),
  );
  assert.deepEqual(outliersOf(countValues(spans)), []);
});

void test('a few failures prove nothing', () => {
  const spans = Array.from({ length: 100 }, (_, i) => invocation(i, seeded(i), { first: i < 4 }, i < 4));
  assert.deepEqual(outliersOf(countValues(spans)), []);
});

void test('the planted one of two in a hundred stands first among a thousand values counted of samples', () => {
  const totals = { failed: { bad: 800, good: 12_000 }, slow: { bad: 600, good: 11_400 } };
  const noise = Array.from({ length: 200 }, (_, k) =>
    Array.from({ length: 5 }, (_, v) => ({
      key: `noise.${k}`,
      value: `v${v}`,
      failed: { bad: 160 + ((k * 7 + v * 3) % 21) - 10, good: 2_400 },
      slow: { bad: 120, good: 2_280 },
    })),
  ).flat();
  const counted = { tried: 1_001, groups: [{ ...totals, values: noise }] };
  assert.deepEqual(outliersOf(counted), []);
  const planted = {
    key: 'card.language',
    value: 'ja',
    failed: { bad: 640, good: 100 },
    slow: { bad: 12, good: 240 },
  };
  const [first] = outliersOf({ ...counted, groups: [{ ...totals, values: [...noise, planted] }] });
  assert.deepEqual(
    [first?.of, first?.key, first?.value, first?.badShare],
    ['failed', 'card.language', 'ja', 0.8],
  );
});

void test('of a million, a difference that is sure and small is not spoken of', () => {
  const totals = { bad: 100_000, good: 900_000 };
  const instance = (bad: number, good: number) => {
    const sides = { bad, good };
    return outliersOf({
      tried: 10,
      groups: [
        {
          failed: totals,
          slow: totals,
          values: [{ key: 'faas.instance', value: 'a', failed: sides, slow: sides }],
        },
      ],
    });
  };
  assert.deepEqual(instance(11_000, 90_000), []);
  assert.equal(instance(20_000, 90_000).length, 2);
});

void test('what a span and its process both say is said once', () => {
  const sides = { failed: { bad: 90, good: 10 }, slow: { bad: 0, good: 0 } };
  const group = {
    failed: { bad: 100, good: 1_000 },
    slow: { bad: 50, good: 950 },
    values: [{ key: 'faas.version', value: '8', ...sides }],
  };
  assert.equal(outliersOf({ tried: 2, groups: [group, group] }).length, 1);
});

void test('with labels shuffled over samples of their own, there is nothing to say in 99 of 100 runs', () => {
  let claims = 0;
  for (let run = 0; run < 300; run += 1) {
    const random = seeded(5_000 + run);
    // Few failed, all of them looked at; many others, of which a sample is; as many values as a span may have.
    const binomial = (n: number, share: number) => {
      let count = 0;
      for (let i = 0; i < n; i += 1) if (random() < share) count += 1;
      return count;
    };
    const totals = { bad: 60, good: 600 };
    const values = Array.from({ length: 100 }, (_, k) => {
      const share = 1 / (2 + (k % 40));
      const sides = () => ({ bad: binomial(totals.bad, share), good: binomial(totals.good, share) });
      return { key: `noise.${k}`, value: 'v', failed: sides(), slow: sides() };
    });
    if (outliersOf({ tried: values.length, groups: [{ failed: totals, slow: totals, values }] }).length > 0)
      claims += 1;
  }
  assert.ok(claims <= 3, `${claims} of 300 runs claimed something`);
});

/** With ten attributes of random values. */
function invocation(
  i: number,
  random: () => number,
  attributes: Record<string, string | bigint | boolean>,
  failed: boolean,
  ms = 20,
): SpanData {
  const noise = Object.fromEntries(
    Array.from({ length: 10 }, (_, k) => [`noise.${k}`, `v${Math.floor(random() * (k + 2))}`]),
  );
  return sketch({
    id: `s${i}`,
    fn: 'image',
    kind: 2,
    at: [0, ms * (0.9 + random() * 0.2)],
    attributes: { ...noise, ...attributes },
    ...(failed ? { error: 'boom' } : {}),
  });
}

function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
