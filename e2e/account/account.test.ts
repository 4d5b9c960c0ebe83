import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAccounts } from './run.ts';

/** Short enough for every change; `node e2e/account/run.ts` is the whole. */
const DELAYED = ['handler', 'downstream call', 'load function', 'queue wait for a consumer'];

void test('accounts of what the platform ran sum to the wall time, and a delay is found in its own stage', async () => {
  const said: string[] = [];
  const { checked, wrong, landings } = await runAccounts({
    invocations: 30,
    runs: 1,
    delays: DELAYED,
    timeLimitMs: 180_000,
    say: (line) => said.push(line),
  });
  assert.deepEqual([checked, wrong], [30, []]);
  assert.deepEqual(
    // A timer may be a tenth of a millisecond early.
    landings.map(({ delay, own }) => [delay.name, own >= delay.ms - 1]),
    DELAYED.map((name) => [name, true]),
    said.join('\n'),
  );
});
