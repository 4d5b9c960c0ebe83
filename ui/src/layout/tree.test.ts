import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildRows, visibleRows } from './tree.ts';

void test('rows stand parents before children, siblings by start, and know how many are below them', () => {
  const rows = buildRows([
    item('c', 'b', 5),
    item('d', 'a', 2),
    item('b', 'a', 4),
    item('a', '', 0),
    item('e', '', 9),
  ]);
  assert.deepEqual(
    rows.map(({ item, depth, descendants }) => `${item.id} ${depth} ${descendants}`),
    ['a 0 3', 'd 1 0', 'b 1 1', 'c 2 0', 'e 0 0'],
  );
});

void test('an item without its parent is an orphan root; a ring and a self-parent are cut; a second of an id is left out', () => {
  const rows = buildRows([
    item('x', 'gone', 1),
    item('p', 'q', 3),
    item('q', 'p', 2),
    item('s', 's', 4),
    item('s', '', 5),
  ]);
  assert.deepEqual(
    rows.map(
      ({ item, depth, isOrphan, isRing }) =>
        `${item.id} ${depth}${isOrphan ? ' orphan' : ''}${isRing ? ' ring' : ''}`,
    ),
    ['x 0 orphan', 'q 0 ring', 'p 1', 's 0 ring'],
  );
});

void test('what is below a collapsed row does not show', () => {
  const rows = buildRows([item('a', '', 0), item('b', 'a', 1), item('c', 'b', 2), item('d', 'a', 3)]).map(
    ({ item, descendants }) => ({ id: item.id, descendants }),
  );
  assert.deepEqual(visibleRows(rows, new Set()), [0, 1, 2, 3]);
  assert.deepEqual(visibleRows(rows, new Set(['b'])), [0, 1, 3]);
  assert.deepEqual(visibleRows(rows, new Set(['a', 'b'])), [0]);
});

void test('a chain of 50,000 and a fan of 50,000 are laid out without a deep stack', () => {
  const chain = buildRows(
    Array.from({ length: 50_000 }, (_, i) => item(`s${i}`, i === 0 ? '' : `s${i - 1}`, i)),
  );
  assert.equal(chain.at(-1)?.depth, 49_999);
  assert.equal(chain[0]?.descendants, 49_999);
  const fan = buildRows(Array.from({ length: 50_000 }, (_, i) => item(`s${i}`, i === 0 ? '' : 's0', i)));
  assert.equal(fan[0]?.descendants, 49_999);
});

function item(id: string, parentId: string, start: number) {
  return { id, parentId, start, duration: 1 };
}
