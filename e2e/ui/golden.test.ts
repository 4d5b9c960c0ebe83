import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchBrowser } from '../support/browser.ts';
import { FIXED_NOW_MS, startFixed, type FixedGreetings } from './fixed.ts';
import { assertLooksLike } from './golden.ts';
import { openScreen } from './screen.ts';

/** The same traces on every machine: the pages about them look as their pictures in e2e/ui/golden. */
describe('golden pictures of a trace', () => {
  let fixed: FixedGreetings;
  let browser: Browser;

  before(async () => {
    fixed = await startFixed();
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    await fixed[Symbol.asyncDispose]();
  });

  const pictures: readonly {
    readonly name: string;
    readonly path: () => string;
    readonly shows: string;
    readonly width?: number;
    readonly scheme?: 'light' | 'dark';
  }[] = [
    { name: 'trace', path: () => `/trace/${fixed.traceIdOf('crash')}`, shows: 'Try next' },
    {
      name: 'trace-dark',
      path: () => `/trace/${fixed.traceIdOf('slow')}?path=end-to-end`,
      shows: 'validator',
      scheme: 'dark',
    },
    {
      name: 'trace-narrow',
      path: () => `/trace/${fixed.traceIdOf('error')}?color=stage`,
      shows: 'Try next',
      width: 768,
    },
    {
      name: 'trace-flame',
      path: () => `/trace/${fixed.traceIdOf('slow')}?view=flame&color=self`,
      shows: 'Open it',
      scheme: 'dark',
    },
    {
      name: 'trace-events',
      path: () => `/trace/${fixed.traceIdOf('error')}?view=events`,
      shows: 'image got a greeting',
    },
    { name: 'file', path: () => '/file', shows: 'Choose a file' },
    { name: 'trace-spans', path: () => `/trace/${fixed.traceIdOf('crash')}?view=spans`, shows: 'Self' },
    {
      name: 'trace-statistics',
      path: () => `/trace/${fixed.traceIdOf('crash')}?view=statistics`,
      shows: 'Longest',
    },
    {
      name: 'compare',
      path: () => `/compare?a=${fixed.traceIdOf('warm')}&b=${fixed.traceIdOf('slow')}`,
      shows: 'Difference',
    },
    { name: 'journey', path: () => `/flow/${fixed.traceIdOf('crash')}`, shows: 'Step by step' },
  ];
  for (const { name, path, shows, width = 1_280, scheme = 'light' } of pictures)
    test(name, async () => {
      await using screen = await openScreen(browser, { width, height: 800, scheme, nowMs: FIXED_NOW_MS });
      await screen.page.goto(fixed.url + path());
      await screen.page.getByText(shows).filter({ visible: true }).first().waitFor();
      await screen.page.getByText('Looking for the reason').waitFor({ state: 'detached' });
      await screen.page.waitForLoadState('networkidle');
      await assertLooksLike(screen.page, name);
    });

  test('what moved is seen, what is a little paler is not', async () => {
    if (process.env['SPOOR_UPDATE_GOLDEN'] === '1') return;
    await using screen = await openScreen(browser, { width: 1_280, height: 800, nowMs: FIXED_NOW_MS });
    await screen.page.goto(`${fixed.url}/trace/${fixed.traceIdOf('crash')}`);
    await screen.page.getByText('Try next').waitFor();
    await screen.page.waitForLoadState('networkidle');
    const waterfall = screen.page.locator('.waterfall');
    const set = (key: string, value: string) =>
      waterfall.evaluate(
        (element, style) =>
          (
            element as unknown as { style: { setProperty(key: string, value: string): void } }
          ).style.setProperty(style.key, style.value),
        {
          key,
          value,
        },
      );
    await set('opacity', '0.97');
    await assertLooksLike(screen.page, 'trace');
    await set('transform', 'translateX(60px)');
    await assert.rejects(assertLooksLike(screen.page, 'trace'), /differs from golden\/trace\.png/);
  });
});
