import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
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

  test('a trace is kept as a file, and opens from it, here or elsewhere', async () => {
    const { traceId } = await greet(up, { name: 'Edsger', language: 'en' });
    await settledTrace(up, traceId, 'send cards');
    await page.goto(`${up.query}/trace/${traceId}`);
    const rows = await page.locator('[role=treegrid]').getAttribute('aria-rowcount');
    await page.getByText('JSON ▾').click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByText('Download as OTLP').click(),
    ]);
    await page.goto(`${up.query}/search`);
    await page.getByLabel('A file with traces').setInputFiles({
      name: download.suggestedFilename(),
      mimeType: 'application/json',
      buffer: readFileSync(await download.path()),
    });
    await page.getByText(`from trace-${traceId}-otlp.json`).waitFor();
    assert.equal(await page.locator('[role=treegrid]').getAttribute('aria-rowcount'), rows);
  });

  test('what functions printed stands among the events, and a line leads to its span', async () => {
    const { traceId } = await greet(up, { name: 'Barbara', language: 'en', fault: 'error' });
    await settledTrace(up, traceId, 'send greetings-errors');
    await page.goto(`${up.query}/trace/${traceId}?view=events`);
    const table = page.getByRole('table', { name: 'Events and log lines' });
    await table
      .getByText(/cannot measure/)
      .first()
      .waitFor();
    await table.getByText('exception').first().waitFor();
    await table.getByRole('button', { name: 'image' }).first().click();
    await page.getByRole('complementary').getByRole('tab', { name: 'JSON' }).waitFor();
  });

  test('from a failed trace to its healthy twin, side by side', async () => {
    const { traceId } = await greet(up, { name: 'Tony', language: 'en', fault: 'crash' });
    await settledTrace(up, traceId, 'send greetings-errors');
    await page.goto(`${up.query}/trace/${traceId}`);
    await page.getByRole('region', { name: 'Why' }).getByText('compare').click();
    await page.waitForURL(new RegExp(`compare\\?a=[0-9a-f]{32}&b=${traceId}`));
    await page.getByText('second only').first().waitFor();
    assert.ok((await page.locator('.pair i').count()) > 10);
    await page.screenshot({ path: join(PICTURES, 'twin.png') });
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
