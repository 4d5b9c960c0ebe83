import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { buildUi } from '../../scripts/build-ui.ts';
import { launchBrowser } from '../support/browser.ts';
import { deployGreetings, greet, spoorUp, type SpoorUp } from '../support/spoor.ts';
import { settledTrace } from '../support/traces.ts';

const PICTURES = join(import.meta.dirname, 'actual');

describe('the UI', () => {
  let up: SpoorUp;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  before(async () => {
    mkdirSync(PICTURES, { recursive: true });
    await buildUi();
    up = await spoorUp();
    await deployGreetings(up);
    browser = await launchBrowser();
    page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(error.message));
  });
  after(async () => {
    await browser.close();
    await up[Symbol.asyncDispose]();
  });

  test('before anything was traced it shows how to send the first request', async () => {
    await page.goto(`${up.query}/`);
    await page
      .getByText(/curl|spoor/)
      .first()
      .waitFor();
    await page.screenshot({ path: join(PICTURES, 'empty.png') });
  });

  test('finds a trace by function and shows its waterfall', async () => {
    const { traceId } = await greet(up, { name: 'Ada', language: 'fr' });
    await settledTrace(up, traceId, 'send cards');

    await page.goto(`${up.query}/search?service=greeter`);
    const result = page.locator(`a[href*="${traceId}"]`).first();
    await result.waitFor();
    await page.screenshot({ path: join(PICTURES, 'search.png') });
    await result.click();

    await page.waitForURL(new RegExp(`/trace/${traceId}`));
    for (const name of [
      'POST /greetings',
      'invoke greeter',
      'send greetings',
      'process greetings',
      'send cards',
    ]) {
      await page.getByText(name, { exact: true }).first().waitFor();
    }
    await page.screenshot({ path: join(PICTURES, 'trace.png') });
    await assertWaterfall(page);
  });

  test('a killed function is unmistakable', async () => {
    const { traceId } = await greet(up, { name: 'Grace', language: 'en', fault: 'crash' });
    await settledTrace(up, traceId, 'send greetings-errors');
    await page.goto(`${up.query}/trace/${traceId}`);
    await page.getByText('image', { exact: true }).first().click();
    await page.getByText('SIGKILL').first().waitFor();
    await page.screenshot({ path: join(PICTURES, 'killed.png') });
  });

  test('nothing went wrong in the console', () => {
    assert.deepEqual(problems, []);
  });
});

/** Bars stand where time puts them: a child's bar does not begin left of its parent's, and every bar is inside the chart. */
async function assertWaterfall(page: Page): Promise<void> {
  const bars = await page.locator('.wf-row .bar').evaluateAll((elements) =>
    elements.map((element) => {
      const { left, right, width } = element.getBoundingClientRect();
      return { left, right, width };
    }),
  );
  assert.ok(bars.length >= 10, `${bars.length} bars`);
  const [root] = bars;
  assert.ok(root);
  for (const bar of bars) {
    assert.ok(bar.width > 0, 'a bar can be seen');
    assert.ok(bar.left >= root.left - 1, 'no bar begins before the root');
  }
}
