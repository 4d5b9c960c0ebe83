import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import type { LinkedPair } from '../../store/tail-sampling.ts';
import { findFlows } from './flows.ts';

/** The store's answer for links given as pairs of names. */
function linkedBy(links: readonly LinkedPair[]) {
  return async (ids: readonly string[]): Promise<readonly LinkedPair[]> => {
    const wanted = new Set(ids);
    return links.flatMap(([one, other]): LinkedPair[] => [
      ...(wanted.has(one) ? [[one, other] as const] : []),
      ...(wanted.has(other) ? [[other, one] as const] : []),
    ]);
  };
}

const namesOf = (flows: Awaited<ReturnType<typeof findFlows>>) =>
  flows.map(({ traceIds, whole }) => `${[...traceIds].sort().join('')}${whole ? '' : '...'}`).sort();

void test('traces are one flow however far and whichever way links join them', async () => {
  const links: LinkedPair[] = [
    ['b', 'a'],
    ['c', 'b'],
    ['c', 'd'],
    ['y', 'x'],
  ];
  assert.deepEqual(namesOf(await findFlows(['a', 'x', 'q'], linkedBy(links))), ['abcd', 'q', 'xy']);
  assert.deepEqual(namesOf(await findFlows(['d', 'a'], linkedBy(links))), ['abcd']);
  assert.deepEqual(namesOf(await findFlows([], linkedBy(links))), []);
});

void test('a chain longer than is followed, and a trace with too many links, are not whole', async () => {
  const chain = Array.from({ length: 80 }, (_, at): LinkedPair => [`t${at}`, `t${at + 1}`]);
  assert.equal((await findFlows(['t0'], linkedBy(chain)))[0]?.whole, false);
  assert.equal((await findFlows(['t40'], linkedBy(chain)))[0]?.whole, true);
  const hub = Array.from({ length: 1_001 }, (_, at): LinkedPair => ['hub', `t${at}`]);
  assert.deepEqual(
    (await findFlows(['hub', 'alone'], linkedBy(hub))).map(({ whole }) => whole),
    [false, true],
  );
});

void test('whichever trace of it is asked about, a flow is the same', async () => {
  for (let round = 0; round < 200; round += 1) {
    const ids = Array.from({ length: 12 }, (_, at) => String.fromCharCode(97 + at));
    const links = Array.from({ length: randomInt(14) }, (): LinkedPair => [
      ids[randomInt(12)] as string,
      ids[randomInt(12)] as string,
    ]);
    const all = namesOf(await findFlows(ids, linkedBy(links)));
    const apart = new Set<string>();
    for (const id of ids) for (const name of namesOf(await findFlows([id], linkedBy(links)))) apart.add(name);
    assert.deepEqual([...apart].sort(), all);
  }
});
