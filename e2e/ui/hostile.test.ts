import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { greeting } from '../../backend/query/test/greetings.ts';
import { memoryReader } from '../../backend/query/test/memory-reader.ts';
import { startQuery, type QueryServer } from '../../backend/query/query.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import { buildUi } from '../../scripts/build-ui.ts';
import { silentLog } from '../../server/log.ts';
import { launchBrowser } from '../support/browser.ts';
import { openScreen } from './screen.ts';

const TRACE = 'c'.repeat(32);
const idOf = (n: number) => n.toString(16).padStart(16, '0');

/** Spans that nobody means well with: the screens stay usable and say what is odd. */
describe('hostile data', () => {
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

  test('markup in every field stays text; a megabyte and 10,000 attributes open', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${server.url}/trace/${TRACE}?span=${idOf(1)}`);
    await page.getByRole('complementary').waitFor();
    await page.getByText('Show all 10004').waitFor();
    await page.getByText('<img src=x onerror=alert(1)>').first().waitFor();
    assert.equal(await page.locator('main img, main script, main iframe').count(), 0);
    await page.getByText('Show all 10004').click();
    await page.getByText('all 1000000 characters').waitFor();
    await screen.assertFits();
    await screen.shoot('hostile');
    assert.deepEqual(withoutMissing(screen.problems), []);
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
    assert.equal(await page.locator('main img, main script').count(), 0);
    assert.deepEqual(withoutMissing(screen.problems), []);
  });

  test('50,000 spans: only the rows that show are drawn', async () => {
    await using large = await startQuery({
      reader: memoryReader(large50k()),
      port: 0,
      uiDir: await buildUi(),
      log: silentLog(),
    });
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${large.url}/trace/${'b'.repeat(32)}`);
    await page.locator('.wf-row').first().waitFor();
    assert.ok((await page.locator('.wf-row').count()) < 100);
    await page.locator('[role=treegrid]').focus();
    await page.keyboard.press('End');
    await page.locator('[aria-rowindex="50000"]').waitFor();
    await screen.shoot('large');
  });
});

/** The memory reader's server has every API; what it cannot know of such a trace it answers with 404 or 422. */
function withoutMissing(problems: readonly string[]): readonly string[] {
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
      name: '<img src=x onerror=alert(1)>',
      resource: { 'service.name': '<script>alert(1)</script>' },
      attributes: {
        '<b>key</b>': '<svg onload=alert(2)>',
        big: 'x'.repeat(1_000_000),
        '\u202ertl\u200b': '\u202eevil\u200b',
        'https://a/?<i>': 'javascript:alert(3)',
        ...Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, BigInt(i)])),
      },
      events: [
        {
          name: '<i>event</i>',
          timeUnixNano: start,
          attributes: { 'exception.stacktrace': '<script>alert(4)</script>' },
          droppedAttributesCount: 0,
        },
      ],
    }),
    span(2, {
      name: 'ends before it starts',
      parentSpanId: idOf(1),
      endTimeUnixNano: like.startTimeUnixNano - 5_000_000_000n,
    }),
    span(3, {
      name: 'years in the future',
      startTimeUnixNano: start + 3n * year,
      endTimeUnixNano: start + 3n * year + 5_000_000n,
    }),
    span(4, { name: 'ring a', parentSpanId: idOf(5) }),
    span(5, { name: 'ring b', parentSpanId: idOf(4) }),
    span(6, { name: 'orphan', parentSpanId: 'f'.repeat(16) }),
    span(7, { name: '' }),
    span(8, { name: 'w'.repeat(20_000), resource: { 'service.name': 's'.repeat(5_000) } }),
  ];
}

function large50k(): SpanData[] {
  const base = greeting(1, BigInt(Date.now() - 600_000) * 1_000_000n, 'crash');
  return Array.from({ length: 50_000 }, (_, i) => {
    const startTimeUnixNano = (base[0] as SpanData).startTimeUnixNano + BigInt(i) * 10_000n;
    return {
      ...(base[i % base.length] as SpanData),
      traceId: 'b'.repeat(32),
      spanId: idOf(i + 1),
      parentSpanId: i === 0 ? '' : idOf(Math.floor((i - 1) / 5) + 1),
      links: [],
      startTimeUnixNano,
      endTimeUnixNano: startTimeUnixNano + 30_000_000n,
    };
  });
}
