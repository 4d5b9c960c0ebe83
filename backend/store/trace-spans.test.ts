import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpanData } from '../../function/span/span-data.ts';
import type { Engine } from './engine.ts';
import { openStore, type OpenStore } from './open-store.ts';
import { SqlReader } from './reader.ts';
import { NOON, span, temporaryFolder, traceIdOf } from './testing.ts';

const DAY = 86_400_000_000_000n;

void test('a trace is read whole from however many parts, each span once', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  await keepParts(store);
  const ids = Array.from({ length: 3 }, () => traceIdOf());
  const spans = Array.from({ length: 12 }, (_, i) => at(ids[i % 3] ?? '', NOON + BigInt(i % 2) * DAY));
  for (const parts of [1, 2, 4, 6]) {
    // The same again in each further part: what comes twice is shown once.
    for (let part = 0; part < 2; part += 1) await store.writer.writeSpans(spans.slice(0, parts * 2));
    for (const id of ids) {
      const wanted = spans.slice(0, parts * 2).filter(({ traceId }) => traceId === id);
      assert.deepEqual(sorted(await store.reader.trace(id)), sorted(wanted));
      const [summary] = await store.reader.summariesOf([id]);
      assert.equal(summary?.spanCount ?? 0, wanted.length);
      // Of a moment, and of most of a day.
      for (const around of [1n, DAY / 3n]) {
        const range = { startUnixNano: NOON - around, endUnixNano: NOON + around };
        assert.deepEqual(
          sorted(await store.reader.trace(id, range)),
          sorted(wanted.filter(({ startTimeUnixNano }) => startTimeUnixNano === NOON)),
        );
      }
    }
    assert.deepEqual(sorted((await store.reader.traces(ids)).flat()), sorted(spans.slice(0, parts * 2)));
  }
});

void test('parts that are merged between the two questions lose nothing of a trace', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  await keepParts(store);
  const id = traceIdOf();
  const spans = Array.from({ length: 6 }, (_, i) => at(id, NOON + BigInt(i)));
  for (const merges of [1, 2, 9]) {
    await store.engine.command('TRUNCATE TABLE spans');
    for (const one of spans) await store.writer.writeSpans([one, span()]);
    for (let i = 0; i < 3; i += 1) await store.engine.command('OPTIMIZE TABLE spans FINAL');
    let left = merges;
    const merging: Engine = {
      ...bound(store.engine),
      rows: async (sql, options) => {
        const rows = await store.engine.rows(sql, options);
        // The places are known: now they are other ones.
        if (sql.includes('_part_offset, lower') && left > 0) {
          left -= 1;
          await store.writer.writeSpans([span()]);
          await store.engine.command('OPTIMIZE TABLE spans FINAL');
        }
        return rows;
      },
    };
    const reader = new SqlReader(merging);
    assert.deepEqual(sorted(await reader.trace(id)), sorted(spans));
    assert.equal((await reader.summariesOf([id]))[0]?.spanCount, spans.length);
    assert.ok(left < merges);
  }
});

void test('a trace of more spans than are named one by one is read all the same', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const id = traceIdOf();
  await store.writer.writeSpans(Array.from({ length: 20_001 }, () => at(id, NOON)));
  assert.equal((await store.reader.trace(id)).length, 20_001);
  const [summary] = await store.reader.summariesOf([id]);
  assert.equal(summary?.spanCount, 20_001);
  assert.equal(summary?.orphanSpanCount, 20_001);
});

function at(traceId: string, startTimeUnixNano: bigint): SpanData {
  return span({
    traceId,
    parentSpanId: '0000000000000001',
    startTimeUnixNano,
    endTimeUnixNano: startTimeUnixNano + 1_000n,
  });
}

/** Parts stay as they were written until they are merged by hand. */
async function keepParts(store: OpenStore): Promise<void> {
  await store.engine.command('ALTER TABLE spans MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1');
}

function bound(engine: Engine): Engine {
  return {
    rows: (sql, options) => engine.rows(sql, options),
    command: (sql) => engine.command(sql),
    insertNative: (insert) => engine.insertNative(insert),
    [Symbol.asyncDispose]: async () => {},
  };
}

function sorted(spans: readonly SpanData[]): SpanData[] {
  return spans.toSorted((a, b) => (a.spanId < b.spanId ? -1 : 1));
}
