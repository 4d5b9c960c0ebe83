import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Locator, Page } from 'playwright-core';
import type { WhyJson } from '../../backend/query/shapes.ts';
import { fetchSettledTrace } from '../../cli/trace/fetch-trace.ts';
import { buildUi } from '../../scripts/build-ui.ts';
import { deployPlanted } from '../faults/deploy.ts';
import { type Fault, FAULTS, openSite, type Site } from '../faults/kinds.ts';
import { launchBrowser } from '../support/browser.ts';
import { deployGreetings, spoorUp, type SpoorUp } from '../support/spoor.ts';
import { openScreen } from './screen.ts';

/** Runs of a kind before its fault: with fewer nothing is known of what is usual. */
const HEALTHY = 6;
const ARRIVAL_TIMEOUT_MS = 30_000;
const MOST_CLICKS = 3;

/** Every fault that can be planted, from Home to its name on the screen. */
describe('from something is wrong to the named cause', () => {
  let up: SpoorUp;
  let site: Site & AsyncDisposable;
  let browser: Browser;

  before(async () => {
    await buildUi();
    up = await spoorUp();
    site = await openSite(up);
    await deployGreetings(up);
    await deployPlanted(up);
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    await site[Symbol.asyncDispose]();
    await up[Symbol.asyncDispose]();
  });

  /** Makes a fault happen, and waits until its trace is whole. */
  const plant = async (fault: Fault): Promise<string> => {
    for (let i = 0; i < HEALTHY; i += 1) await fault.healthy(site);
    const traceId = await fault.plant(site);
    await fetchSettledTrace(up.query, traceId, {
      quietMs: 700,
      timeoutMs: ARRIVAL_TIMEOUT_MS,
      until: fault.arrived,
    });
    return traceId;
  };
  // While one is looked at the next is planted: most of either is waiting.
  const planted = new Map<Fault, Promise<string>>();
  const plantedOf = (fault: Fault | undefined): Promise<string> | undefined => {
    if (!fault) return undefined;
    const known = planted.get(fault) ?? plant(fault);
    planted.set(fault, known);
    // Whoever looks at it hears of it.
    known.catch(() => {});
    return known;
  };

  FAULTS.forEach((fault, i) => {
    void test(`${fault.name}: at most ${MOST_CLICKS} clicks`, async () => {
      const traceId = (await plantedOf(fault)) ?? '';
      void plantedOf(FAULTS[i + 1]);
      await using screen = await openScreen(browser);
      const { page } = screen;
      await page.goto(`${up.query}/`);
      let clicks = await openTrace(page, traceId, fault.owner);

      // Whether it is the right one is e2e/faults' to say; here it must be read on the screen.
      const [cause] = (await whyOf(up, traceId)).causes;
      assert.ok(cause, 'a cause is named');
      const why = page.getByRole('region', { name: 'Why' });
      await why.waitFor();
      const more = why.getByRole('button', { name: 'More' });
      if (await more.isVisible()) {
        await more.click();
        clicks += 1;
      }
      await why.getByRole('heading', { name: cause.title }).first().waitFor();
      assert.ok(clicks <= MOST_CLICKS, `${clicks} clicks`);
      assert.deepEqual(screen.problems, []);
    });
  });
});

/** The ways that a person would take, the nearest first; how many clicks it took. */
async function openTrace(page: Page, traceId: string, owner: string | undefined): Promise<number> {
  const link = page.locator(`main a[href*="/trace/${traceId}"]`).first();
  // What is asked for has been answered, and is drawn.
  const isThere = async (landmark: Locator) => {
    await landmark.first().waitFor();
    await page.waitForLoadState('networkidle');
    return link.isVisible();
  };
  const functions = page.getByRole('table', { name: 'Functions' });
  // What failed or was slow stands on Home itself.
  if (await isThere(functions)) {
    await link.click();
    return 1;
  }
  // Else among the calls of the function that it is about.
  const name = functions.getByRole('link', { name: owner ?? 'none of them', exact: true });
  if (await name.isVisible()) {
    await name.click();
    if (await isThere(page.getByText('Failures by cause'))) {
      await link.click();
      return 2;
    }
    await page.goBack();
  }
  // Else it is the traces themselves that are wrong.
  await page.getByRole('link', { name: 'Quality' }).click();
  if (await isThere(page.getByText(/of \d+ traces with/))) {
    await link.click();
    return 2;
  }
  await page.getByRole('link', { name: 'Traces', exact: true }).click();
  await link.click();
  return 2;
}

async function whyOf(up: SpoorUp, traceId: string): Promise<WhyJson> {
  const response = await fetch(`${up.query}/api/traces/${traceId}/why`);
  assert.equal(response.status, 200);
  return (await response.json()) as WhyJson;
}
