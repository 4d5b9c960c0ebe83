import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentPool } from './environment-pool.ts';
import type { Instance } from './instance.ts';
import { environment } from './test/memory-catalog.ts';
import { until } from './test/test-executor.ts';

test('the instances of a pool are started one by one, with turns of the event loop between them', async () => {
  let starts = 0;
  const pool = new EnvironmentPool({
    environment: environment({ poolsize: 3 }),
    start: () => {
      starts += 1;
      return new Promise<Instance>(() => {}); // never spawned
    },
    onWarm: () => {},
  });
  for (let i = 0; i < 10; i++) await Promise.resolve();
  assert.equal(starts, 1, 'in the first turn');
  await until(() => starts === 3);
  await sleep(30);
  pool.stop();
  assert.equal(starts, 3, 'and no more than there is room for');
});

test('a process that cannot be started is not tried again at once', async () => {
  let starts = 0;
  const pool = new EnvironmentPool({
    environment: environment({ poolsize: 2 }),
    start: () => {
      starts += 1;
      return Promise.reject(new Error('no such program'));
    },
    onWarm: () => {},
  });
  // Timers run in the order in which they are due: the back-off begins with 100 ms, the next start would be 10 ms away.
  await sleep(50);
  pool.stop();
  assert.equal(starts, 1);
});
