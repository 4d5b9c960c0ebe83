import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runKillPack } from './kill-pack.ts';

const INVOCATIONS = 60;

void test(`${INVOCATIONS} invocations ended in every way: each root span has its reason, each span is there`, async () => {
  const { invocations, faults } = await runKillPack({ invocations: INVOCATIONS, atOnce: 4 });
  assert.equal(invocations, INVOCATIONS);
  assert.deepEqual(faults, []);
});
