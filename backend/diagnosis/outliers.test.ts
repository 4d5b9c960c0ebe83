import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpanData } from '../../function/span/span-data.ts';
import { findOutliers, outliersOf } from './outliers.ts';
import { sketch } from './test/spans.ts';

void test('the one value that the failed have is named first', () => {
  const random = seeded(1);
  const spans = Array.from({ length: 5_000 }, (_, i) => {
    const language = random() < 0.02 ? 'ja' : 'en';
    return invocation(i, random, { language }, language === 'ja' || random() < 0.01);
  });
  const [first, ...rest] = findOutliers(spans);
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
  const [first] = findOutliers(spans);
  assert.deepEqual([first?.key, first?.value, first?.of], ['partition', '7', 'slow']);
});

void test('with labels that mean nothing, there is nothing to say in 99 of 100 runs', () => {
  let claims = 0;
  for (let run = 0; run < 200; run += 1) {
    const random = seeded(1_000 + run);
    const spans = Array.from({ length: 400 }, (_, i) => invocation(i, random, {}, random() < 0.1));
    if (findOutliers(spans).length > 0) claims += 1;
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
  assert.deepEqual(findOutliers(spans), []);
});

void test('a few failures prove nothing', () => {
  const spans = Array.from({ length: 100 }, (_, i) => invocation(i, seeded(i), { first: i < 4 }, i < 4));
  assert.deepEqual(findOutliers(spans), []);
});

void test('from counted values: the planted one of two in a hundred first, and nothing for values that mean nothing', () => {
  const noise = Array.from({ length: 200 }, (_, k) =>
    Array.from({ length: 5 }, (_, v) => ({
      key: `noise.${k}`,
      value: `v${v}`,
      spans: 8_000,
      failed: 160 + ((k * 7 + v * 3) % 21) - 10,
      slow: 400,
    })),
  ).flat();
  const counted = { spans: 40_000, failed: 800, slow: 2_000, tried: 1_001 };
  assert.deepEqual(outliersOf({ ...counted, values: noise }), []);
  const planted = { key: 'card.language', value: 'ja', spans: 800, failed: 640, slow: 40 };
  const [first] = outliersOf({ ...counted, values: [...noise, planted] });
  assert.deepEqual(
    [first?.of, first?.key, first?.value, first?.badShare],
    ['failed', 'card.language', 'ja', 0.8],
  );
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
