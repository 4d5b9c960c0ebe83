import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { greeting } from '../../backend/query/test/greetings.ts';
import { memoryReader } from '../../backend/query/test/memory-reader.ts';
import { startQuery, type QueryServer } from '../../backend/query/query.ts';
import { buildUi } from '../../scripts/build-ui.ts';
import { silentLog } from '../../server/log.ts';
import { launchBrowser } from '../support/browser.ts';
import { openScreen } from './screen.ts';

/** How pages that stay open ask again; their clock is turned by hand. */
describe('asking again', () => {
  let server: QueryServer;
  let browser: Browser;

  before(async () => {
    const at = (minutesAgo: number) => BigInt(Date.now() - minutesAgo * 60_000) * 1_000_000n;
    const spans = Array.from({ length: 6 }, (_, i) => greeting(i + 1, at(8 - i), i === 4 ? 'slow' : 'warm'));
    server = await startQuery({
      reader: memoryReader(spans.flat()),
      port: 0,
      uiDir: await buildUi(),
      log: silentLog(),
    });
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
  });
  /** Home, when it has what it asked for, and what it asks from then on. */
  const openHome = async (page: Page) => {
    await page.clock.install();
    const first: string[] = [];
    page.on('request', (request) => first.push(request.url()));
    await page.goto(`${server.url}/`);
    await page.getByRole('table', { name: 'Functions' }).waitFor();
    await page.waitForLoadState('networkidle');
    const later: string[] = [];
    page.on('request', (request) => later.push(request.url()));
    return { first, later };
  };
  const show = (page: Page, state: 'visible' | 'hidden') =>
    page.evaluate(
      `Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true });
       document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))`,
    );

  test('a tab that nobody sees asks for nothing; when it is seen again it asks at once', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    const { later } = await openHome(page);
    await show(page, 'hidden');
    await page.clock.runFor(60_000);
    assert.deepEqual(later, []);
    const asked = page.waitForRequest(/\/api\/functions\?/, { timeout: 10_000 });
    await show(page, 'visible');
    await asked;
  });

  test('a live search waits while nobody sees it', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${server.url}/search?live=true`);
    await page.locator('a.result').first().waitFor();
    const streams: string[] = [];
    page.on('request', (request) => streams.push(request.url()));
    const gone = page.waitForEvent('requestfailed', (request) =>
      request.url().includes('/api/traces/stream'),
    );
    await show(page, 'hidden');
    await gone;
    assert.deepEqual(streams, []);
    const [stream, search] = [
      page.waitForRequest(/\/api\/traces\/stream/),
      page.waitForRequest(/\/api\/search\?/),
    ];
    await show(page, 'visible');
    await Promise.all([stream, search]);
  });

  test('Home asks for its newest traces once, and then for what came since', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    const { first, later } = await openHome(page);
    const fromOf = (url: string | undefined) =>
      Date.now() - Date.parse(new URL(url ?? '').searchParams.get('query.startTimeMin') ?? '');
    const newest = (urls: readonly string[]) => urls.find((url) => url.includes('query.searchDepth=300'));
    assert.ok(fromOf(newest(first)) > 50 * 60_000, newest(first));
    const again = page.waitForResponse(/query\.searchDepth=300/);
    await page.clock.runFor(12_000);
    await again;
    // The newest began three minutes ago, and whatever began a minute before that may still grow.
    assert.ok(fromOf(newest(later)) < 6 * 60_000, newest(later));
    await page.getByText('Slower than usual').waitFor();
  });

  test('a backend that is away is told, over what was there, until it answers again', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await openHome(page);
    await page.route('**/api/**', (route) => route.abort());
    const told = page.getByText('The backend cannot be reached');
    await page.clock.runFor(12_000);
    await told.waitFor();
    // What was well is not said to be so still.
    await page.getByRole('heading', { name: 'Nothing was wrong' }).waitFor();
    await page.getByRole('table', { name: 'Functions' }).waitFor();
    await screen.assertAccessible();
    await screen.shoot('backend-away');
    await page.unroute('**/api/**');
    await page.clock.runFor(12_000);
    await told.waitFor({ state: 'detached' });
    await page.getByRole('heading', { name: 'Nothing is wrong' }).waitFor();
  });
});
