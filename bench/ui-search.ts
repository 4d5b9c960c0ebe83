/**
 * How soon a search stands on the screen over many spans, in headless Chromium:
 *
 *   node bench/ui-search.ts [--spans 1000000] [--data DIR] [--rounds 5]
 *
 * Each round opens each search in a browser context of its own, so nothing is in a cache. Prints medians of ms since the address was
 * opened: until the query can be typed, until the rows stand there, and until the bars do that count all that was found. `--data` keeps
 * the store and uses it if it is there, as `bench/query.ts` does: ten million spans are filled once.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Browser } from 'playwright-core';
import { openStore } from '../backend/store/open-store.ts';
import { startQuery } from '../backend/query/query.ts';
import { launchBrowser } from '../e2e/support/browser.ts';
import { buildUi } from '../scripts/build-ui.ts';
import { silentLog } from '../server/log.ts';
import { loadAverage } from './ingest/processes.ts';
import { fill, NANO_PER_SPAN } from './query/fill.ts';

/** What does not stand there by then never will. */
const TIMEOUT_MS = 30_000;

const { values } = parseArgs({
  options: {
    spans: { type: 'string', default: '1000000' },
    data: { type: 'string' },
    rounds: { type: 'string', default: '5' },
  },
});
const spans = Number(values.spans);
const rounds = Number(values.rounds);
if (!Number.isInteger(spans) || spans < 1 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(`cannot search ${values.spans} spans in ${values.rounds} rounds`);
  process.exit(2);
}
const folder = values.data ?? (await mkdtemp(join(tmpdir(), 'spoor-ui-search-')));
try {
  const isFilled = existsSync(join(folder, 'chdb'));
  await using store = await openStore({ dataDir: folder });
  const now = Math.floor(Date.now() / 60_000) * 60_000 * 1e6;
  if (!isFilled) await fill(store, spans, now - spans * NANO_PER_SPAN);
  await using server = await startQuery({
    reader: store.reader,
    port: 0,
    uiDir: await buildUi(),
    log: silentLog(),
  });
  const [service = ''] = await store.reader.services();
  // A store that was filled before is searched where it ends.
  const [newest] = await store.reader.findTraceIds({
    range: { startUnixNano: 0n, endUnixNano: BigInt(now) + 3_600_000_000_000n },
    attributes: {},
    service,
    limit: 1,
  });
  const toMs = Number((newest?.startUnixNano ?? BigInt(now)) / 1_000_000n);
  const of = (hours: number) => `from=${toMs - hours * 3_600_000}&to=${toMs}&spans=true`;
  const searches = [
    { name: `one hour, of ${service}`, path: `/search?service=${encodeURIComponent(service)}&${of(1)}` },
    { name: 'one hour', path: `/search?${of(1)}` },
    { name: 'six hours, errors', path: `/search?errors=true&${of(6)}` },
    { name: 'six hours', path: `/search?${of(6)}` },
  ];
  const browser = await launchBrowser();
  try {
    const results = new Map<string, Times[]>(searches.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round += 1)
      for (const { name, path } of searches)
        results.get(name)?.push(await timesOf(browser, server.url + path));
    console.log(`load ${loadAverage()}; ms, medians of ${rounds}`);
    for (const [name, times] of results)
      console.log(
        `${name.padEnd(28)}typed ${median(times, 'typed')}, rows ${median(times, 'rows')}, counted ${median(times, 'counted')}`,
      );
  } finally {
    await browser.close();
  }
} finally {
  if (values.data === undefined) await rm(folder, { recursive: true, force: true });
}

/** ms since the address was opened. */
interface Times {
  readonly typed: number;
  readonly rows: number;
  readonly counted: number;
}

async function timesOf(browser: Browser, url: string): Promise<Times> {
  const context = await browser.newContext({ viewport: { width: 1_440, height: 900 } });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    const start = performance.now();
    const since = () => performance.now() - start;
    const until = async (selector: string) => {
      await page.locator(selector).first().waitFor({ state: 'attached' });
      return since();
    };
    await page.goto(url, { waitUntil: 'commit' });
    const rows = until('a.result');
    const counted = until('.plot-bar');
    await page.getByRole('combobox', { name: 'Query' }).fill('e');
    const typed = since();
    return { typed, rows: await rows, counted: await counted };
  } finally {
    await context.close();
  }
}

function median(times: readonly Times[], key: keyof Times): string {
  const sorted = times.map((each) => each[key]).sort((a, b) => a - b);
  return (sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(0);
}
