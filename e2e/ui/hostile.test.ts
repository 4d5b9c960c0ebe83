import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from '../support/browser.ts';
import { MARKUP, idOf, LARGE, LARGE_TRACE, TRACE, hostileTrace, largeTrace } from './hostile-traces.ts';
import { memoryReader } from '../../backend/query/test/memory-reader.ts';
import { startQuery, type QueryServer } from '../../backend/query/query.ts';
import { buildUi } from '../../scripts/build-ui.ts';
import { silentLog } from '../../server/log.ts';
import { openScreen } from './screen.ts';

/** Spans that nobody means well with, on every screen: it stays usable, says what is odd, and takes nothing for markup. */
describe('hostile data', () => {
  let server: QueryServer;
  let browser: Browser;

  before(async () => {
    const reader = memoryReader([...hostileTrace(), ...largeTrace()]);
    server = await startQuery({ reader, port: 0, uiDir: await buildUi(), log: silentLog() });
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
  });

  test('markup in every field stays text; a megabyte and 10,000 attributes open', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${server.url}/trace/${TRACE}?span=${idOf(1)}`);
    await page.getByRole('complementary').waitFor();
    await page.getByText('Show all 10004').waitFor();
    await page.getByText(MARKUP).first().waitFor();
    assert.equal(await markupIn(page), 0);
    await page.getByText('Show all 10004').click();
    await page.getByText('all 1000000 characters').waitFor();
    await screen.assertFits();
    await screen.shoot('hostile');
    assert.deepEqual(withoutRefusals(screen.problems), []);
  });

  test('rings, orphans, several roots, ends before starts and years in the future are drawn, and named', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${server.url}/trace/${TRACE}?gaps=long`);
    for (const name of [
      'ends before it starts',
      'years in the future',
      'ring a',
      'ring b',
      'orphan',
      '(no name)',
    ])
      await page.getByText(name, { exact: true }).first().waitFor();
    const note = await page.locator('.oddities').innerText();
    assert.match(note, /parent/);
    assert.match(note, /ended before it started/);
    const outside = await page.locator('.wf-row .bar').evaluateAll(
      (bars) =>
        bars.filter((bar) => {
          const cell = bar.closest('.wf-time')?.getBoundingClientRect();
          const box = bar.getBoundingClientRect();
          return !cell || box.left < cell.left - 4 || box.right > cell.right + 4;
        }).length,
    );
    assert.equal(outside, 0, 'bars outside the chart');
    await page.goto(`${server.url}/trace/${TRACE}`);
    // Years of nothing are drawn as a gap.
    await page.locator('.gap-mark').first().waitFor();
    await screen.shoot('hostile-gap');
  });

  test('the search lists it, and only draws what shows', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${server.url}/search?lookback=10080`);
    await page.locator('a.result').first().waitFor();
    await screen.assertFits();
    assert.equal(await markupIn(page), 0);
    assert.deepEqual(withoutRefusals(screen.problems), []);
  });

  test('50,000 spans: only the rows that show are drawn', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${server.url}/trace/${LARGE_TRACE}`);
    await page.locator('.wf-row').first().waitFor();
    assert.ok((await page.locator('.wf-row').count()) < 100);
    await page.locator('[role=treegrid]').focus();
    await page.keyboard.press('End');
    await page.locator(`[aria-rowindex="${LARGE}"]`).waitFor();
    await screen.shoot('large');
  });

  test('the head says what is odd, and the rows where', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${server.url}/trace/${TRACE}`);
    const note = await page.locator('.oddities').innerText();
    for (const words of [
      /names a parent that is not here/,
      /spans have no parent/,
      /ring/,
      /ended before it started/,
      /twice with one id/,
      /in the future/,
    ])
      assert.match(note, words);
    const rows = page.getByRole('treegrid');
    for (const chip of ['parent missing', 'its own ancestor', 'ends before it starts'])
      await rows.locator('.chip', { hasText: chip }).first().waitFor();
    // A name of nothing visible is no name.
    assert.equal(await rows.getByText('(no name)').count(), 2);
    await screen.shoot('hostile-rows');
  });

  test('every view draws it, and nothing of it becomes markup', async () => {
    await using screen = await openScreen(browser, { width: 1_280, height: 800 });
    const { page } = screen;
    for (const view of ['', 'flame', 'spans', 'statistics', 'events&events=logs,events,spans']) {
      await page.goto(`${server.url}/trace/${TRACE}?color=self&view=${view}`);
      await page.getByText(MARKUP).first().waitFor();
      assert.equal(await markupIn(page), 0, view);
      await screen.assertFits();
      await screen.shoot(`hostile-${view.slice(0, 6) || 'waterfall'}`);
    }
    await page.goto(`${server.url}/compare?a=${TRACE}&b=${TRACE}`);
    await page.getByText(MARKUP).first().waitFor();
    assert.equal(await markupIn(page), 0);
    await screen.assertFits();
    assert.deepEqual(withoutRefusals(screen.problems), []);
  });

  test('the raw JSON of a megabyte waits for a click, and is whole after it', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${server.url}/trace/${TRACE}?span=${idOf(1)}`);
    const panel = page.getByRole('complementary');
    await panel.getByRole('tab', { name: 'JSON' }).click();
    const more = panel.getByText(/^Show all \d+ characters$/);
    await more.waitFor();
    assert.ok((await panel.locator('pre.json').innerText()).length < 50_000);
    await more.click();
    await more.waitFor({ state: 'detached' });
    assert.ok(((await panel.locator('pre.json').textContent()) ?? '').length > 1_000_000);
  });

  test('downloaded and opened as a file it is the same, in both formats', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    for (const path of [`/api/v3/traces/${TRACE}`, `/api/traces/${TRACE}`]) {
      const text = await (await fetch(server.url + path)).text();
      await page.goto(`${server.url}/file`);
      await page
        .getByLabel('A file with traces')
        .setInputFiles({ name: `${MARKUP}.json`, mimeType: 'application/json', buffer: Buffer.from(text) });
      await page.getByRole('treegrid').getByText(MARKUP).first().waitFor();
      assert.match(await page.locator('.oddities').innerText(), /ring/);
      assert.equal(await markupIn(page), 0);
    }
    assert.deepEqual(withoutRefusals(screen.problems), []);
  });
});

function markupIn(page: Page): Promise<number> {
  return page.locator('main img, main script, main iframe').count();
}

/** What the server cannot say of such a trace it refuses with 404 or 422. */
function withoutRefusals(problems: readonly string[]): readonly string[] {
  return problems.filter((problem) => !/status of 4(?:04|22)/.test(problem));
}
