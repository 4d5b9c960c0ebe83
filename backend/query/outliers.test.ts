import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SPAN_KIND } from '../../function/span/span-data.ts';
import { LEAST_BAD, outliersOf } from '../diagnosis/outliers.ts';
import { openStore, type OpenStore } from '../store/open-store.ts';

const START = BigInt(Date.now() - 7_200_000) * 1_000_000n;
const SPANS = 20_000;
const APART_NANO = 180_000_000n;
/** Labels that mean nothing, drawn anew for each. */
const SHUFFLED = 5;

/** More invocations than are looked at, some of whose attributes change with time: a release, an hour, a customer's batch. */
describe('outliers over a store', { timeout: 120_000 }, () => {
  const cleanup = new AsyncDisposableStack();
  let store: OpenStore;
  before(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'spoor-outliers-'));
    cleanup.defer(() => rm(dataDir, { recursive: true, force: true }));
    store = cleanup.use(await openStore({ dataDir }));
    await write('planted', `language = 'ja' AND chance(3, 100) < 60`);
    // A dozen of twenty thousand, all with one value.
    await write('rare', `language = 'ja' AND chance(3, 1000) < 30`);
    await write('burst', `number BETWEEN 10000 AND 10800 AND chance(3, 100) < 50`);
    for (let i = 0; i < SHUFFLED; i += 1) {
      await write(`often-${i}`, `chance(${10 + i}, 1000) < 12`);
      await write(`seldom-${i}`, `chance(${50 + i}, 10000) < 12`);
    }
  });
  after(() => cleanup[Symbol.asyncDispose]());

  for (const name of ['planted', 'rare'])
    test(`the one value behind the failures stands first: ${name}`, async () => {
      const [first] = await outliers(name);
      assert.deepEqual([first?.of, first?.key, first?.value], ['failed', 'card.language', 'ja']);
    });

  test('what failed in one stretch of time is set apart by what was so only then', async () => {
    const [first] = await outliers('burst');
    assert.deepEqual([first?.of, first?.key], ['failed', 'batch']);
  });

  test('for labels that mean nothing, nothing is said', async () => {
    for (let i = 0; i < SHUFFLED; i += 1)
      for (const name of [`often-${i}`, `seldom-${i}`]) assert.deepEqual(await outliers(name), [], name);
  });

  async function outliers(service: string) {
    const range = { startUnixNano: START - 600_000_000_000n, endUnixNano: START + 7_800_000_000_000n };
    return outliersOf(
      await store.reader.valueCounts({
        service,
        operation: service,
        kind: SPAN_KIND.server,
        range,
        leastBad: LEAST_BAD,
      }),
    );
  }

  /** `failed`: SQL over `number`, `language` and `chance(seed, of)`, a number below `of` that is the same in every run. */
  async function write(service: string, failed: string): Promise<void> {
    const chance = (text: string) => text.replaceAll(/chance\((\d+), (\d+)\)/g, 'sipHash64(number, $1) % $2');
    await store.engine.command(
      `INSERT INTO spans (trace_id, span_id, service, name, kind, status, start, duration, resource, attributes)
       SELECT toFixedString(randomFixedString(16), 16), toFixedString(randomFixedString(8), 8), '${service}', '${service}', 2,
        if(${chance(failed)}, 2, 0), fromUnixTimestamp64Nano(toInt64(${START} + number * ${APART_NANO}), 'UTC'),
        5000000 + sipHash64(number, 4) % 1000000,
        if(number < 12500, '{"faas.version":"7"}', '{"faas.version":"8"}'),
        map('card.language', language, 'release', if(number < 12500, '7', '8'), 'hour', toString(intDiv(number, 2500)),
         'batch', toString(intDiv(number, 1000)), 'customer', toString(sipHash64(number, 5) % 200), 'id', toString(number))
       FROM (SELECT number, if(sipHash64(number, 1) % 50 = 0, 'ja', 'en') AS language FROM numbers(${SPANS}))`,
    );
  }
});
