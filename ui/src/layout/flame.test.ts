import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flameNodes, zoomFlame } from './flame.ts';

const item = (name: string, depth: number, duration: number, isError = false) => ({
  service: 's',
  name,
  depth,
  duration,
  isError,
});

void test('calls of one name below one place are joined, and children fit into their parent', () => {
  const items = [item('a', 0, 10), item('b', 1, 3), item('c', 2, 1), item('b', 1, 4, true), item('d', 0, 10)];
  const nodes = flameNodes(items, Float64Array.of(3, 2, 1, 4, 10));
  assert.deepEqual(
    nodes.map(({ name, parent, depth, count, errors, self, total, left, width }) => [
      name,
      parent,
      depth,
      count,
      errors,
      self,
      total,
      left,
      width,
    ]),
    [
      ['a', -1, 0, 1, 0, 3, 10, 0, 0.5],
      ['b', 0, 1, 2, 1, 6, 7, 0, 0.35],
      ['c', 1, 2, 1, 0, 1, 1, 0, 0.05],
      ['d', -1, 0, 1, 0, 10, 10, 0.5, 0.5],
    ],
  );
  assert.equal(nodes[1]?.longest.duration, 4);
});

void test('what is zoomed fills the width, with what is above it; the rest is left out', () => {
  const items = [item('a', 0, 10), item('b', 1, 5), item('c', 1, 5)];
  const nodes = flameNodes(items, Float64Array.of(0, 5, 5));
  const rows = zoomFlame(nodes, nodes[2], 0.01);
  assert.deepEqual(
    rows.map((row) => row.map(({ node, left, width }) => [node.name, left, width])),
    [[['a', 0, 1]], [['c', 0, 1]]],
  );
});

void test('spans that took no time, and a chain as deep as a stack, make no trouble', () => {
  assert.equal(flameNodes([item('a', 0, 0)], Float64Array.of(0))[0]?.width, 0);
  const deep = Array.from({ length: 50_000 }, (_, i) => item(`n${i}`, i, 1));
  const nodes = flameNodes(deep, new Float64Array(50_000).fill(1));
  assert.equal(nodes.at(-1)?.depth, 49_999);
  assert.equal(zoomFlame(nodes, undefined, 0.5).length, 25_001);
});
