import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStore } from './open-store.ts';
import { NOON, span, temporaryFolder } from './testing.ts';

const SECOND = 1_000_000_000n;
const MS = 1_000_000n;
const QUERY = {
  name: 'resize',
  range: { startUnixNano: NOON, endUnixNano: NOON + 3_600n * SECOND },
  stepSeconds: 60,
};

void test('invocations are counted by minute and duration, in rows of one height on a logarithmic scale', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const durations = [3n, 3n, 4n, 100n, 3_000n].map((ms) => ms * MS);
  await store.writer.writeSpans(
    durations.map((duration, i) => call(BigInt(i) * 20n * SECOND, duration, i === 3)),
  );

  const map = await store.reader.durationHeatmap({ ...QUERY, maxRows: 24 });
  assert.ok(map.boundsNano.length - 1 <= 24);
  assert.deepEqual(
    map.columns.map(({ startUnixNano, invocations, errors }) => [
      Number((startUnixNano - NOON) / SECOND),
      invocations,
      errors,
    ]),
    [
      [0, 3, 0],
      [60, 2, 1],
    ],
  );
  // Every duration lies in the row that counts it.
  const rowOf = (duration: bigint) => map.boundsNano.findLastIndex((bound) => bound <= duration);
  const wanted = [durations.slice(0, 3), durations.slice(3)].map((some) =>
    Array.from(
      { length: map.boundsNano.length - 1 },
      (_, row) => some.filter((duration) => rowOf(duration) === row).length,
    ),
  );
  assert.deepEqual(
    map.columns.map(({ counts }) => counts),
    wanted,
  );
  const heights = map.boundsNano.slice(1).map((bound, row) => Number(bound) / Number(map.boundsNano[row]));
  assert.ok(Math.max(...heights) / Math.min(...heights) < 1.001);

  const flat = await store.reader.durationHeatmap({ ...QUERY, stepSeconds: 3_600, maxRows: 1 });
  assert.deepEqual(
    flat.columns.map(({ counts }) => counts),
    [[5]],
  );
  const fine = await store.reader.durationHeatmap({ ...QUERY, maxRows: 200 });
  assert.ok(fine.boundsNano.length > map.boundsNano.length);
});

void test('a function that did not run has an empty map', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  await store.writer.writeSpans([call(0n, MS, false)]);
  const empty = { boundsNano: [], columns: [] };
  for (const name of ['nobody', "x' OR 1=1 --"])
    assert.deepEqual(await store.reader.durationHeatmap({ ...QUERY, name, maxRows: 24 }), empty);
});

function call(at: bigint, duration: bigint, failed: boolean) {
  return span({
    name: 'resize',
    startTimeUnixNano: NOON + at,
    endTimeUnixNano: NOON + at + duration,
    status: { code: failed ? 2 : 0, message: '' },
    attributes: { 'faas.name': 'resize' },
    resource: { 'service.name': 'resize' },
  });
}
