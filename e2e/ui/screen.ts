import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';

const PICTURES = join(import.meta.dirname, 'actual');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** One window of the browser, and what went wrong in it. */
export interface Screen extends AsyncDisposable {
  readonly page: Page;
  /** Errors of the console and of scripts, and dialogs that something opened. */
  readonly problems: readonly string[];
  /** Keeps a picture below e2e/ui/actual, for eyes. */
  shoot(name: string): Promise<void>;
  /** No rule of axe is broken in a way that it calls serious or critical. */
  assertAccessible(): Promise<void>;
  /** Nothing sticks out at the right: wide things scroll inside themselves. */
  assertFits(): Promise<void>;
}

export async function openScreen(
  browser: Browser,
  options: {
    readonly width?: number;
    readonly height?: number;
    readonly scheme?: 'light' | 'dark';
    /** The page's clock stands still at this time, ms since the epoch, for pictures that are the same on every day. */
    readonly nowMs?: number;
  } = {},
): Promise<Screen> {
  mkdirSync(PICTURES, { recursive: true });
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1_440, height: options.height ?? 900 },
    colorScheme: options.scheme ?? 'light',
    reducedMotion: 'reduce',
    ...(options.nowMs === undefined ? {} : { timezoneId: 'UTC', locale: 'en-GB' }),
  });
  const page = await context.newPage();
  if (options.nowMs !== undefined) await page.clock.setFixedTime(options.nowMs);
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`${page.url()}: ${message.text()}`);
  });
  // The console says that something answered 500, not what, nor why.
  page.on('response', (response) => {
    if (response.status() < 500) return;
    void response.text().then(
      (text) => problems.push(`${response.url()}: ${response.status()} ${text.slice(0, 500)}`),
      () => problems.push(`${response.url()}: ${response.status()}`),
    );
  });
  page.on('pageerror', (error) => problems.push(`${page.url()}: ${error.message}`));
  page.on('dialog', (dialog) => {
    problems.push(`${page.url()}: dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  return {
    page,
    problems,
    shoot: async (name) => {
      await page.screenshot({ path: join(PICTURES, `${name}.png`) });
    },
    assertAccessible: async () => {
      // Evaluated by the debugger, which the page's policy does not bind.
      await page.evaluate(AXE);
      const broken = await page.evaluate(async () => {
        const { axe } = globalThis as unknown as { axe: { run(): Promise<AxeResults> } };
        const { violations } = await axe.run();
        return violations
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .map(
            ({ id, help, nodes }) =>
              `${id}: ${help}; ${nodes
                .slice(0, 4)
                .map(({ html }) => html.slice(0, 200))
                .join(' | ')}`,
          );
      });
      assert.deepEqual(broken, [], page.url());
    },
    assertFits: async () => {
      const most = page.viewportSize()?.width ?? 0;
      const wide = await page
        .locator('#main > *, #main > * > *, header')
        .evaluateAll(
          (elements, right) =>
            elements
              .filter((element) => element.getBoundingClientRect().right > right + 1)
              .map((element) => element.className),
          most,
        );
      assert.deepEqual(wide, [], `wider than ${most}: ${page.url()}`);
    },
    [Symbol.asyncDispose]: () => context.close(),
  };
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}
