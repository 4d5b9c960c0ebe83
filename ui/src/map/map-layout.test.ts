import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layOutMap } from './map-layout.ts';

const nodes = (...ids: string[]) => ids.map((id) => ({ id }));
const edge = (from: string, to: string) => ({ from, to });

void test('callers stand left of what they call, as far as the longest way', () => {
  const layout = layOutMap(nodes('image', 'greetings', 'greeter', 'validator'), [
    edge('greeter', 'validator'),
    edge('greeter', 'greetings'),
    edge('greetings', 'image'),
    edge('image', 'validator'),
    edge('gone', 'image'),
  ]);
  const x = Object.fromEntries(layout.nodes.map(({ node, x }) => [node.id, x]));
  const at = (id: string) => x[id] ?? Number.NaN;
  assert.ok(at('greeter') < at('greetings'));
  assert.ok(at('greetings') < at('image'));
  assert.ok(at('image') < at('validator'));
  assert.equal(layout.edges.length, 4);
});

void test('a ring is drawn, and nodes never lie on each other', () => {
  const layout = layOutMap(nodes('a', 'b', 'c', 'd'), [
    edge('a', 'b'),
    edge('b', 'c'),
    edge('c', 'a'),
    edge('a', 'a'),
  ]);
  assert.equal(layout.edges.length, 3);
  assert.equal(new Set(layout.nodes.map(({ x, y }) => `${x} ${y}`)).size, 4);
});

void test('where there is no room beside each other they stand below each other', () => {
  const chain = nodes('a', 'b', 'c', 'd');
  const ways = [edge('a', 'b'), edge('b', 'c'), edge('c', 'd'), edge('d', 'a')];
  const wide = layOutMap(chain, ways, 1_000);
  assert.ok(wide.width <= 1_000);
  assert.equal(wide.height, 58);
  const narrow = layOutMap(chain, ways, 700);
  assert.ok(narrow.width <= 700);
  assert.deepEqual(
    narrow.nodes.map(({ node }) => node.id),
    narrow.nodes.toSorted((a, b) => a.y - b.y).map(({ node }) => node.id),
  );
  assert.equal(new Set(narrow.nodes.map(({ x }) => x)).size, 1);
});
