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
  /** Nothing sticks out at the right: wide things scroll, or are cut, inside themselves. */
  assertFits(): Promise<void>;
  /** Another width or colour scheme, of the page that is open. */
  change(to: { readonly width: number; readonly scheme: 'light' | 'dark' }): Promise<void>;
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
      if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(AXE);
      const broken = await page.evaluate(async () => {
        const { axe } = globalThis as unknown as { axe: Axe };
        // Only what is broken is gathered in full.
        const { violations } = await axe.run({ resultTypes: ['violations'] });
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
      const wide = await page.evaluate<string[]>(`(${findWide.toString()})(${most})`);
      assert.deepEqual(wide, [], `wider than ${most}: ${page.url()}`);
    },
    change: async ({ width, scheme }) => {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: options.height ?? 900 });
      // What follows the size of its box has followed, and is drawn.
      await page.evaluate(
        'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))',
      );
    },
    [Symbol.asyncDispose]: () => context.close(),
  };
}

/** Runs in the page. The page's own box scrolls down, and so hides what is too wide for it: that counts as sticking out. */
function findWide(most: number): string[] {
  const screen = globalThis as unknown as PageLike;
  const isCut = (element: ElementLike): boolean => {
    for (let box = element.parentElement; box && !box.matches('.page, #main'); box = box.parentElement)
      if (screen.getComputedStyle(box).overflowX !== 'visible') return true;
    return false;
  };
  return [...screen.document.querySelectorAll('header, header *, #main *')]
    .filter((element) => element.getBoundingClientRect().right > most + 1 && !isCut(element))
    .map((element) => element.outerHTML.slice(0, 120))
    .slice(0, 4);
}

interface ElementLike {
  readonly outerHTML: string;
  readonly parentElement: ElementLike | null;
  matches(selector: string): boolean;
  getBoundingClientRect(): { readonly right: number };
}
interface PageLike {
  readonly document: { querySelectorAll(selector: string): Iterable<ElementLike> };
  getComputedStyle(element: ElementLike): { readonly overflowX: string };
}

interface Axe {
  run(options: { readonly resultTypes: readonly string[] }): Promise<AxeResults>;
}
interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}
