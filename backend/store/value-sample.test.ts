import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf, type Cell, type Stretch } from './value-sample.ts';

const GRID = { startUnixNano: 1_000_000n, cellNano: 1_000n };

void test('a few thousand are all looked at', () => {
  const cells = [
    { at: 0, spans: 900, failed: 3, slow: 45 },
    { at: 7, spans: 400, failed: 0, slow: 20 },
  ];
  assert.deepEqual(sampleOf(cells, GRID), {
    controls: [{ fromUnixNano: 1_000_000n, toUnixNano: 1_008_000n }],
  });
});

void test('of a million, controls are spread over the range by number, however the spans are spread in time', () => {
  // Nothing for most of the time, and ten times as many in one hundredth of it.
  const cells = Array.from({ length: 1_000 }, (_, at): Cell => {
    const spans = at % 2 === 0 ? 1_000 : at > 500 && at < 520 ? 50_000 : 0;
    return { at, spans, failed: spans / 20, slow: spans / 20 };
  }).filter(({ spans }) => spans > 0);
  const { controls, failed, slow } = sampleOf(cells, GRID);
  // There are enough failed and slow ones among them.
  assert.deepEqual([failed, slow], [undefined, undefined]);
  const total = cells.reduce((sum, { spans }) => sum + spans, 0);
  const expected = (stretch: Stretch) =>
    cells.reduce((sum, { at, spans }) => {
      const from = GRID.startUnixNano + GRID.cellNano * BigInt(at);
      const start = stretch.fromUnixNano > from ? stretch.fromUnixNano : from;
      const end = stretch.toUnixNano < from + GRID.cellNano ? stretch.toUnixNano : from + GRID.cellNano;
      return sum + (end > start ? (spans * Number(end - start)) / Number(GRID.cellNano) : 0);
    }, 0);
  const sizes = controls.map(expected);
  assert.ok(
    sizes.every((size) => size > 250 && size < 500),
    sizes.join(' '),
  );
  const inBurst = controls.filter(
    ({ fromUnixNano }) => fromUnixNano >= 1_501_000n && fromUnixNano < 1_520_000n,
  ).length;
  const share =
    cells.filter(({ at }) => at > 500 && at < 520).reduce((sum, { spans }) => sum + spans, 0) / total;
  assert.ok(Math.abs(inBurst / controls.length - share) < 0.05, `${inBurst} of ${controls.length}, ${share}`);
});

void test('when a few of a million failed, each of them is looked at', () => {
  const cells = Array.from({ length: 4_000 }, (_, at): Cell => ({
    at,
    spans: 250,
    failed: at % 100 === 50 ? 1 : 0,
    slow: 12,
  }));
  const { failed, slow } = sampleOf(cells, GRID);
  assert.deepEqual(
    failed?.map(({ fromUnixNano }) => Number((fromUnixNano - GRID.startUnixNano) / GRID.cellNano)),
    cells.filter((cell) => cell.failed > 0).map(({ at }) => at),
  );
  assert.equal(slow, undefined);
});
