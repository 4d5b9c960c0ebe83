import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStore } from './open-store.ts';
import { dropOldDays } from './retention.ts';
import { NOON, span, temporaryFolder, traceIdOf } from './testing.ts';

const DAY = 86_400_000_000_000n;
const noon = Number(NOON / 1_000_000n);

void test('whole days go, the oldest first, by age or by size, also while they are written', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const days = Array.from({ length: 5 }, (_, ago) => NOON - BigInt(ago) * DAY);
  const write = async () => {
    const spans = days.map((time) =>
      span({
        traceId: traceIdOf(),
        startTimeUnixNano: time,
        endTimeUnixNano: time + 1n,
        attributes: { noise: 'x'.repeat(1000) },
      }),
    );
    await store.writer.writeSpans(spans);
    return spans.map(({ traceId }) => traceId);
  };
  const kept = async (ids: readonly string[]) =>
    (await Promise.all(ids.map((id) => store.reader.trace(id)))).map((spans) => spans.length);
  const first = await write();
  assert.deepEqual(await dropOldDays(store.engine, {}, noon), []);
  assert.deepEqual(await dropOldDays(store.engine, { maxDays: 3 }, noon), ['2026-02-25', '2026-02-26']);
  assert.deepEqual(await kept(first), [1, 1, 1, 0, 0]);
  // Roll-ups go with the spans.
  const red = await store.reader.red({
    range: { startUnixNano: NOON - 10n * DAY, endUnixNano: NOON },
    stepSeconds: 60,
  });
  assert.equal(red[0]?.points.length, 3);
  // A limit that nothing meets leaves the newest day.
  const writing = new AbortController();
  const writes = (async () => {
    while (!writing.signal.aborted) await write();
  })();
  for (let times = 0; times < 3; times += 1) await dropOldDays(store.engine, { maxBytes: 1 }, noon);
  writing.abort();
  await writes;
  const last = await write();
  assert.deepEqual(await kept(last), [1, 1, 1, 1, 1]);
  await dropOldDays(store.engine, { maxBytes: 1 }, noon);
  assert.deepEqual(await kept(last), [1, 0, 0, 0, 0]);
});

void test('a store that is told to keeps retention by itself', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({
    dataDir: folder.path,
    retention: { maxDays: 2, everyMs: 20 },
  });
  const old = span({ startTimeUnixNano: NOON - 300n * DAY, endTimeUnixNano: NOON - 300n * DAY });
  await store.writer.writeSpans([old]);
  while ((await store.reader.trace(old.traceId)).length > 0);
});
