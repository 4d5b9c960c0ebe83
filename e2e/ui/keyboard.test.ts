import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greeting, greetingLogs } from '../../backend/query/test/greetings.ts';
import { memoryReader } from '../../backend/query/test/memory-reader.ts';
import { startQuery } from '../../backend/query/query.ts';
import { buildUi } from '../../scripts/build-ui.ts';
import { silentLog } from '../../server/log.ts';
import { launchBrowser } from '../support/browser.ts';
import { openScreen } from './screen.ts';

void test('the keyboard alone: from the search to a span, through the waterfall, and back', async () => {
  const start = BigInt(Date.now() - 60_000) * 1_000_000n;
  const crash = greeting(1, start, 'crash');
  const spans = [...crash, ...greeting(2, start + 9_000_000_000n, 'warm')];
  await using server = await startQuery({
    reader: memoryReader(spans, greetingLogs(spans)),
    port: 0,
    uiDir: await buildUi(),
    log: silentLog(),
  });
  const browser = await launchBrowser();
  try {
    await using screen = await openScreen(browser);
    const { page } = screen;
    const focused = () =>
      page
        .locator(':focus')
        .first()
        .evaluate((element) => element.outerHTML);
    const tabTo = async (what: string) => {
      for (let i = 0; i < 60; i += 1) {
        await page.keyboard.press('Tab');
        if ((await focused()).includes(what)) return;
      }
      assert.fail(`Tab never reached ${what}`);
    };

    await page.goto(`${server.url}/search`);
    await page.locator('a.result').first().waitFor();
    await tabTo(`/trace/${crash[0]?.traceId}`);
    await page.keyboard.press('Enter');
    await page.locator('.wf-row').first().waitFor();

    await tabTo('treegrid');
    const active = () => page.getAttribute('[role=treegrid]', 'aria-activedescendant');
    const first = await active();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    assert.notEqual(await active(), first);
    await page.keyboard.press('Enter');
    await page.getByRole('complementary').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('complementary').waitFor({ state: 'detached' });

    // From a leaf to its parent, which then closes, and opens again.
    const closed = page.locator('.wf-row[aria-expanded=false]');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await closed.waitFor();
    await page.keyboard.press('ArrowRight');
    await closed.waitFor({ state: 'detached' });

    await page.keyboard.press('/');
    await page.keyboard.type('validator');
    await page.getByText(/^\d+$/).and(page.locator('.find-count')).waitFor();
    await page.keyboard.press('Enter');
    await page.getByText(/^1\/\d+$/).waitFor();
    assert.deepEqual(
      screen.problems.filter((problem) => !problem.includes('404')),
      [],
    );
  } finally {
    await browser.close();
  }
});
