import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { openChdb } from './chdb-engine.ts';
import { temporaryFolder } from './testing.ts';

void test('an answer has nothing of a query that was killed before it', async () => {
  await using folder = await temporaryFolder();
  await using engine = await openChdb({
    dataDir: folder.path,
    log: pino({ level: 'silent' }),
    querySessions: 1,
  });
  for (let i = 0; i < 25; i += 1) {
    const leaving = new AbortController();
    // Rows go out one by one, so that some are written when it is killed.
    const left = engine.rows(
      `SELECT 'killed', number FROM (SELECT number FROM numbers(100) SETTINGS max_block_size = 1) WHERE sleepEachRow(0.01) = 0`,
      { signal: leaving.signal },
    );
    const refused = assert.rejects(left, /left/);
    await sleep(30 + 2 * i);
    leaving.abort(new Error('left'));
    await refused;
    assert.deepEqual(await engine.rows(`SELECT ${i}`), [[i]]);
  }
});
