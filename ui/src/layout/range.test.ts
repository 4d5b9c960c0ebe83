import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelSide, pan, place, ticks, zoom, zoomAround } from './range.ts';

void test('a bar is placed in the range, cut at its edges, and gone when it is outside', () => {
  const range = { from: 100, to: 300 };
  assert.deepEqual(place(150, 50, range), { left: 0.25, width: 0.25 });
  assert.deepEqual(place(0, 200, range), { left: 0, width: 0.5 });
  assert.deepEqual(place(200, 900, range), { left: 0.5, width: 0.5 });
  assert.deepEqual(place(200, 0, range), { left: 0.5, width: 0 });
  assert.equal(place(0, 50, range), undefined);
  assert.equal(place(301, 5, range), undefined);
});

void test('a label goes to the right of its bar, else to the left, else inside', () => {
  assert.equal(labelSide({ left: 0.1, width: 0.2 }, 0.1), 'right');
  assert.equal(labelSide({ left: 0.8, width: 0.15 }, 0.1), 'left');
  assert.equal(labelSide({ left: 0.02, width: 0.97 }, 0.1), 'inside');
});

const steps: readonly (readonly [width: number, step: number])[] = [
  [507e6, 100e6],
  [1_000, 200],
  [6, 1],
  [3e9, 500e6],
  [61e9, 15e9],
  [150e9, 30e9],
  [3_600e9, 600e9],
  [86_400e9 * 30, 86_400e9 * 5],
];
for (const [width, step] of steps)
  void test(`ticks of ${width} ns are ${step} ns apart`, () => {
    const { values, step: got } = ticks({ from: 0, to: width }, 6);
    assert.equal(got, step);
    assert.equal(values[0], 0);
    assert.ok(values.length <= 7);
    assert.ok((values.at(-1) ?? 0) <= width * 1.000001);
  });

void test('ticks of a zoomed range are multiples of the step inside it', () => {
  assert.deepEqual(ticks({ from: 130, to: 170 }, 4).values, [130, 140, 150, 160, 170]);
});

void test('a drag zooms inside what shows, either way round; a click does not', () => {
  assert.deepEqual(zoom({ from: 100, to: 200 }, 0.75, 0.25), { from: 125, to: 175 });
  assert.equal(zoom({ from: 100, to: 200 }, 0.5, 0.501), undefined);
});

void test('a zoom keeps the time under the pointer, and ends at the edges of the whole', () => {
  const whole = { from: 0, to: 1_000 };
  assert.deepEqual(zoomAround(whole, whole, 0.5, 0.5), { from: 250, to: 750 });
  assert.deepEqual(zoomAround({ from: 0, to: 100 }, whole, 0, 2), { from: 0, to: 200 });
  assert.deepEqual(zoomAround({ from: 900, to: 1_000 }, whole, 0, 2), { from: 800, to: 1_000 });
  assert.equal(zoomAround({ from: 250, to: 750 }, whole, 0.5, 3), undefined);
  const deep = zoomAround({ from: 500, to: 501 }, whole, 0.5, 1e-9);
  assert.ok(deep && deep.to - deep.from >= 1);
  assert.deepEqual(pan({ from: 100, to: 200 }, whole, 0.5), { from: 150, to: 250 });
  assert.deepEqual(pan({ from: 100, to: 200 }, whole, -9), { from: 0, to: 100 });
});
