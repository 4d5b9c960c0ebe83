import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpanData } from '../../function/span/span-data.ts';
import { buildTree, walkTree } from './tree.ts';

void test('hangs children below their parent in order of time, whatever order they come in', () => {
  const tree = buildTree([span('c', 'b', 5), span('d', 'a', 2), span('b', 'a', 4), span('a', '', 0)]);
  assert.deepEqual(outline(tree.roots), ['0 a', '1 d', '1 b', '2 c']);
  assert.deepEqual(tree.orphans, []);
});

void test('draws a span whose parent is missing as a root and names it an orphan', () => {
  const tree = buildTree([span('a', '', 3), span('x', 'gone', 1), span('y', 'x', 2)]);
  assert.deepEqual(outline(tree.roots), ['0 x', '1 y', '0 a']);
  assert.deepEqual(
    tree.orphans.map((orphan) => orphan.spanId),
    ['x'],
  );
});

void test('takes a span that comes twice once', () => {
  assert.deepEqual(outline(buildTree([span('a', '', 0), span('a', '', 0)]).roots), ['0 a']);
});

void test('cuts a ring of parents at its oldest span, and a span that is its own parent', () => {
  const tree = buildTree([span('p', 'q', 2), span('q', 'r', 1), span('r', 'p', 3), span('s', 's', 9)]);
  assert.deepEqual(outline(tree.roots), ['0 q', '1 p', '2 r', '0 s']);
  assert.deepEqual(
    tree.orphans.map((orphan) => orphan.spanId),
    ['q', 's'],
  );
});

void test('puts the longer of two that start together first', () => {
  assert.deepEqual(outline(buildTree([span('a', '', 0, 1), span('b', '', 0, 9)]).roots), ['0 b', '0 a']);
});

void test('survives a chain of 50,000 spans', () => {
  const chain = Array.from({ length: 50_000 }, (_, i) => span(`s${i}`, i === 0 ? '' : `s${i - 1}`, i));
  let last = 0;
  for (const node of walkTree(buildTree(chain).roots)) last = node.depth;
  assert.equal(last, 49_999);
});

function outline(roots: ReturnType<typeof buildTree>['roots']): string[] {
  return [...walkTree(roots)].map((node) => `${node.depth} ${node.span.spanId}`);
}

function span(spanId: string, parentSpanId: string, start: number, durationNano = 1): SpanData {
  return {
    traceId: 'a'.repeat(32),
    spanId,
    parentSpanId,
    name: spanId,
    kind: 1,
    startTimeUnixNano: BigInt(start),
    endTimeUnixNano: BigInt(start + durationNano),
    status: { code: 0, message: '' },
    attributes: {},
    events: [],
    links: [],
    traceState: '',
    flags: 1,
    resource: {},
    scope: { name: '', version: '' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}
