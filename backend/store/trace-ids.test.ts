import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStore } from './open-store.ts';
import type { TraceIdMatch, TraceQuery } from './store.ts';
import { NOON, span, temporaryFolder, traceIdOf } from './testing.ts';

const SECOND = 1_000_000_000n;
const RANGE = { startUnixNano: NOON - 7_200n * SECOND, endUnixNano: NOON };

void test('looked for from the end backwards, the newest traces are those of the whole range, page by page', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  // Many at the end, ever fewer before; every third trace has an old span too, and some spans start together.
  const traces = Array.from({ length: 90 }, (_, i) => ({
    id: traceIdOf(),
    starts: [BigInt(Math.floor((i / 2) ** 2.2)), ...(i % 3 === 0 ? [BigInt(i) * 70n + 900n] : [])],
    isSlow: i % 4 === 0,
  }));
  await store.writer.writeSpans(
    traces.flatMap(({ id, starts, isSlow }) =>
      starts.map((before) =>
        span({
          traceId: id,
          startTimeUnixNano: NOON - before * SECOND,
          endTimeUnixNano: NOON - before * SECOND + (isSlow ? SECOND : 1_000n),
        }),
      ),
    ),
  );
  for (const isSlow of [false, true]) {
    const expected = traces
      .filter((trace) => trace.isSlow || !isSlow)
      .map(({ id, starts }): TraceIdMatch => {
        const newest = starts.reduce((a, b) => (a < b ? a : b));
        return { traceId: id, startUnixNano: NOON - newest * SECOND };
      })
      .filter(({ startUnixNano }) => startUnixNano >= RANGE.startUnixNano)
      .sort((a, b) => Number(b.startUnixNano - a.startUnixNano) || (a.traceId < b.traceId ? -1 : 1));
    const query: TraceQuery = {
      range: RANGE,
      attributes: {},
      limit: 20,
      ...(isSlow ? { minDurationNano: SECOND } : {}),
    };
    for (const limit of [1, 7, 20, 60, 1_000]) {
      assert.deepEqual(
        await store.reader.findTraceIds({ ...query, limit }),
        expected.slice(0, limit),
        `the first ${limit}`,
      );
      const paged: TraceIdMatch[] = [];
      for (let page = 0; page < 4; page += 1) {
        const after = paged.at(-1);
        paged.push(...(await store.reader.findTraceIds({ ...query, limit, ...(after ? { after } : {}) })));
      }
      assert.deepEqual(paged, expected.slice(0, limit * 4), `four pages of ${limit}`);
    }
    const instant = { startUnixNano: NOON, endUnixNano: NOON };
    assert.deepEqual(
      await store.reader.findTraceIds({ ...query, range: instant }),
      expected.filter(({ startUnixNano }) => startUnixNano === NOON),
    );
    const [first] = expected;
    assert.deepEqual(
      await store.reader.findTraceIds({
        ...query,
        range: instant,
        ...(first ? { after: { ...first, startUnixNano: NOON - SECOND } } : {}),
      }),
      [],
    );
  }
});
