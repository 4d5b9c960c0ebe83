import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { greeting } from '../../backend/query/test/greetings.ts';
import { memoryReader } from '../../backend/query/test/memory-reader.ts';
import { startQuery } from '../../backend/query/query.ts';
import type { StoreReader } from '../../backend/store/store.ts';
import { buildUi } from '../../scripts/build-ui.ts';
import { silentLog } from '../../server/log.ts';
import { launchBrowser } from '../support/browser.ts';
import { openScreen } from './screen.ts';

const TAKEN_AWAY = 'd'.repeat(32);

/** What is shown is a part of what there was, and every page that lists traces says which. */
describe('tail sampling on the screens', () => {
  const cleanup = new AsyncDisposableStack();
  let url = '';
  let browser: Browser;
  const at = (minutesAgo: number) => BigInt(Date.now() - minutesAgo * 60_000) * 1_000_000n;
  const spans = [greeting(1, at(3), 'warm'), greeting(2, at(2), 'error')];
  const idOf = (number: number) => spans[number]?.[0]?.traceId ?? '';

  before(async () => {
    const all = memoryReader(spans.flat());
    const reader: StoreReader = {
      ...all,
      until() {
        return this;
      },
      samplingStats: async () => ({ decided: 1_250, kept: 150 }),
      sampling: async (traceId) => {
        if (traceId === TAKEN_AWAY) return { kept: false, policy: 'probabilistic', probability: 0.1 };
        const isError = traceId === idOf(1);
        return {
          kept: true,
          policy: isError ? 'status_code' : 'probabilistic',
          probability: isError ? 1 : 0.1,
        };
      },
    };
    const server = await startQuery({ reader, port: 0, uiDir: await buildUi(), log: silentLog() });
    url = cleanup.use(server).url;
    browser = await launchBrowser();
    cleanup.defer(() => browser.close());
  });
  after(() => cleanup.disposeAsync());

  const notes: readonly (readonly [path: string, text: RegExp])[] = [
    ['/', /12 % of traces kept: lists are of those, counts and charts of all/],
    ['/search', /12 % of traces kept: only those are found/],
    ['/functions/image', /12 % of traces kept: lists are of those/],
    ['/topics', /12 % of traces kept: records are of those, rates of all/],
    ['/map', /12 % of traces kept: this map is of those/],
    ['/quality', /12 % of traces kept: findings are of those/],
  ];
  for (const [path, text] of notes)
    test(`${path} says how much was kept, and what that means there`, async () => {
      await using screen = await openScreen(browser, { width: 768 });
      await screen.page.goto(url + path);
      await screen.page.getByText(text).waitFor();
      await screen.assertFits();
      await screen.assertAccessible();
    });

  test('a trace says why it was kept, and how many it stands for', async () => {
    await using screen = await openScreen(browser);
    await screen.page.goto(`${url}/trace/${idOf(0)}`);
    await screen.page.getByText('kept as 1 of 10 like it').waitFor();
    await screen.page.goto(`${url}/trace/${idOf(1)}`);
    await screen.page.getByText('kept for its error').waitFor();
  });

  test('a trace that was taken away is not called lost', async () => {
    await using screen = await openScreen(browser);
    await screen.page.goto(`${url}/trace/${TAKEN_AWAY}`);
    await screen.page.getByText('Tail sampling took it away: of traces like it 10 % are kept').waitFor();
    await screen.page.goto(`${url}/compare?a=${idOf(0)}&b=${TAKEN_AWAY}`);
    await screen.page.getByText('The second trace cannot be had').waitFor();
    await screen.page.getByText('Tail sampling took it away').waitFor();
  });
});
