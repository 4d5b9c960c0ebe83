import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { NOWHERE, UnderWay } from './under-way.ts';

const begun = (name: string) => ({ name, place: NOWHERE });

test('what has begun is there until it ends, in whatever order that is', () => {
  const open = new UnderWay<ReturnType<typeof begun>>();
  const [a, b, c] = [begun('a'), begun('b'), begun('c')];
  for (const one of [a, b, c]) open.add(one);
  assert.deepEqual([...open].map((one) => one.name).sort(), ['a', 'b', 'c']);
  open.delete(a);
  assert.equal(open.has(a), false);
  assert.deepEqual([...open].map((one) => one.name).sort(), ['b', 'c']);
  open.delete(c);
  open.delete(b);
  assert.equal(open.size, 0);
});

test('what is not there is deleted in vain', () => {
  const open = new UnderWay<ReturnType<typeof begun>>();
  const [a, stranger] = [begun('a'), begun('stranger')];
  open.add(a);
  open.delete(stranger);
  open.delete(a);
  open.delete(a);
  assert.equal(open.size, 0);
  open.add(a);
  assert.equal(open.has(a), true);
});

test('what has ended does not outlive the young generation', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void;
  const open = new UnderWay<{ place: number; payload: number[] }>();
  const inOrder: { place: number; payload: number[] }[] = [];
  /** 1 KB each, 32 open at a time. */
  const comeAndGo = (count: number) => {
    for (let i = 0; i < count; i++) {
      const one = { place: NOWHERE, payload: Array.from({ length: 128 }, () => i) };
      open.add(one);
      inOrder.push(one);
      if (inOrder.length > 32) open.delete(inOrder.shift() as (typeof inOrder)[0]);
    }
  };
  comeAndGo(1_000);
  // What is open now is old from here on.
  collect({ type: 'major' });
  const before = process.memoryUsage().heapUsed;
  comeAndGo(10_000);
  collect({ type: 'minor' });
  const grownBytes = process.memoryUsage().heapUsed - before;
  assert.ok(grownBytes < 4_000_000, `${grownBytes} bytes are still there`);
});
