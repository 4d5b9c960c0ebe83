import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { greeting } from '../../backend/query/test/greetings.ts';
import { memoryReader } from '../../backend/query/test/memory-reader.ts';
import { startQuery, type QueryServer } from '../../backend/query/query.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import { buildUi } from '../../scripts/build-ui.ts';
import { silentLog } from '../../server/log.ts';
import { launchBrowser } from '../support/browser.ts';
import { openScreen } from './screen.ts';

const TRACE = 'c'.repeat(32);
const MARKUP = '<img src=x onerror=alert(1)>';
const idOf = (n: number) => n.toString(16).padStart(16, '0');

/** Spans that nobody means well with, in every view of a trace: it stays usable and says what is odd. */
describe('a hostile trace', () => {
  let server: QueryServer;
  let browser: Browser;

  before(async () => {
    const uiDir = await buildUi();
    server = await startQuery({ reader: memoryReader(hostile()), port: 0, uiDir, log: silentLog() });
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
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

function hostile(): SpanData[] {
  const start = BigInt(Date.now() - 60_000) * 1_000_000n;
  const like = greeting(1, start, 'crash')[5] as SpanData;
  const span = (n: number, over: Partial<SpanData>): SpanData => ({
    ...like,
    traceId: TRACE,
    spanId: idOf(n),
    parentSpanId: '',
    links: [],
    events: [],
    attributes: {},
    ...over,
  });
  const year = 365n * 86_400n * 1_000_000_000n;
  return [
    span(1, {
      name: MARKUP,
      resource: { 'service.name': `<script>alert(1)</script>\u202e` },
      attributes: {
        big: 'x'.repeat(1_000_000),
        '\u202ertl\u200b': '\u202eevil\u200b',
        ...Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, BigInt(i)])),
      },
      events: [
        {
          name: MARKUP,
          timeUnixNano: 0n,
          attributes: { '<b>': MARKUP.repeat(1_000) },
          droppedAttributesCount: 0,
        },
      ],
    }),
    span(2, {
      name: 'ends first',
      parentSpanId: idOf(1),
      endTimeUnixNano: like.startTimeUnixNano - 5_000_000_000n,
    }),
    span(3, {
      name: 'later',
      startTimeUnixNano: start + 3n * year,
      endTimeUnixNano: start + 3n * year + 5_000_000n,
    }),
    span(4, { name: 'ring a', parentSpanId: idOf(5) }),
    span(5, { name: 'ring b', parentSpanId: idOf(4) }),
    span(6, { name: 'orphan', parentSpanId: 'f'.repeat(16) }),
    span(7, { name: '' }),
    span(8, { name: '\u200b\u2060\ufeff' }),
    span(9, { name: '\u202eesrever \u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627' }),
    span(9, { name: 'the same id' }),
    span(10, { name: 'w'.repeat(20_000), resource: { 'service.name': 's'.repeat(5_000) } }),
  ];
}
