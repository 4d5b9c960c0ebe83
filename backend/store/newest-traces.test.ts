import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStore } from './open-store.ts';
import type { TraceQuery } from './store.ts';
import { NOON, span, temporaryFolder, traceIdOf } from './testing.ts';

const SECOND = 1_000_000_000n;
const QUERY: TraceQuery = {
  service: 'greeter',
  operation: 'greeter',
  range: { startUnixNano: NOON, endUnixNano: NOON + 3_600n * SECOND },
  attributes: {},
  limit: 20,
};

void test('the newest traces of an operation are the same whether they are read in order or grouped', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const ids = Array.from({ length: 40 }, () => traceIdOf());
  const at = (second: number, traceId = '', name = 'greeter') =>
    span({
      traceId,
      name,
      startTimeUnixNano: NOON + BigInt(second) * SECOND,
      endTimeUnixNano: NOON + BigInt(second) * SECOND + 1_000_000n,
    });
  // Several minutes and several parts, spans that start together, traces with an old and a new span, and others in between.
  for (let part = 0; part < 3; part += 1)
    await store.writer.writeSpans(
      ids.flatMap((id, i) => [
        ...(i % 3 === part ? [at(100 + Math.floor(i / 2) * 15, id)] : []),
        ...(i % 7 === part ? [at(20 + i, id), at(700 - i, id, 'other')] : []),
      ]),
    );
  const read = await store.reader.findTraceIds(QUERY);
  // A condition that holds for every span makes it any search.
  const grouped = await store.reader.findTraceIds({ ...QUERY, minDurationNano: 1n });
  assert.equal(read.length, 20);
  assert.deepEqual(read, grouped);
  assert.deepEqual(await store.reader.findTraceIds({ ...QUERY, limit: 3 }), grouped.slice(0, 3));
  assert.deepEqual(await store.reader.findTraceIds({ ...QUERY, service: "x' OR 1=1 --" }), []);
});
