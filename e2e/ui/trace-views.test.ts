import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { greeting } from '../../backend/query/test/greetings.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import { launchBrowser } from '../support/browser.ts';
import { FIXED_NOW_MS, startFixed, type FixedGreetings } from './fixed.ts';
import { openScreen, type Screen } from './screen.ts';

const BATCH = 'd'.repeat(32);
const WARM = greeting(2, BigInt(FIXED_NOW_MS - 8 * 60_000) * 1_000_000n, 'warm');

/** The ways to look at one trace, and what leads from it to others. */
describe('the views of a trace', () => {
  let fixed: FixedGreetings;
  let browser: Browser;

  before(async () => {
    fixed = await startFixed(batchOf(WARM));
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    await fixed[Symbol.asyncDispose]();
  });
  const open = async (path: string): Promise<Screen> => {
    const screen = await openScreen(browser, { width: 1_280, height: 800, nowMs: FIXED_NOW_MS });
    await screen.page.goto(fixed.url + path);
    return screen;
  };

  test('flame: the widest is what took longest; keys walk it, Enter zooms, Escape shows all', async () => {
    await using screen = await open(`/trace/${fixed.traceIdOf('slow')}?view=flame`);
    const { page } = screen;
    const node = (name: string) => page.getByRole('treeitem', { name: new RegExp(`^${name},`) });
    const widthOf = async (name: string) => (await node(name).first().boundingBox())?.width ?? 0;
    await node('validator validator').waitFor();
    const whole = await widthOf('router POST /greetings');
    assert.ok((await widthOf('validator validator')) > whole * 0.7, 'validator took most of it');

    await node('router POST /greetings').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    const selected = page.locator('[role=treeitem][aria-selected=true]');
    await selected.and(page.getByLabel(/executor fetch package/)).waitFor();
    await page.keyboard.press('Enter');
    await page.waitForFunction((least) => {
      const element = (globalThis as unknown as { document: DocumentLike }).document.querySelector(
        '[role=treeitem][aria-selected=true]',
      );
      return (element?.getBoundingClientRect().width ?? 0) > least;
    }, whole * 0.9);
    await page.keyboard.press('Escape');
    await node('validator validator').waitFor();
    await page.getByRole('button', { name: 'Open it' }).click();
    await page.getByRole('complementary').waitFor();
    await screen.assertAccessible();
    assert.deepEqual(screen.problems, []);
  });

  test('events: lines and events in order of time; starts and ends when they are asked for', async () => {
    await using screen = await open(`/trace/${fixed.traceIdOf('error')}?view=events`);
    const { page } = screen;
    const table = page.getByRole('table', { name: 'Events and log lines' });
    await table.getByText('exception').first().waitFor();
    await table.getByText('image got a greeting').first().waitFor();
    const times = async () =>
      (await table.locator('.t-number').allInnerTexts()).slice(1).map((text) => nanosOf(text));
    const few = await times();
    assert.deepEqual(
      few,
      few.toSorted((a, b) => a - b),
    );
    await page.getByLabel('Starts and ends').check();
    await table.getByText('starts', { exact: true }).first().waitFor();
    assert.ok((await times()).length > few.length);
    assert.match(page.url(), /events=logs%2Cevents%2Cspans/);
    await screen.assertAccessible();
  });

  test('colours: the switch stands in the URL, and the legend says what they mean', async () => {
    await using screen = await open(`/trace/${fixed.traceIdOf('crash')}`);
    const { page } = screen;
    const colors = page.getByRole('group', { name: 'Colour by' });
    const colorOf = (row: number) =>
      page
        .locator('.wf-row .bar')
        .nth(row)
        .evaluate((bar) => (globalThis as unknown as StyleReader).getComputedStyle(bar).backgroundColor);
    await page.locator('.wf-row').first().waitFor();
    const byService = await colorOf(5);
    await colors.getByText('stage').click();
    await page.waitForURL(/color=stage/);
    await page.getByRole('list', { name: 'What the colours mean' }).getByText('handler').waitFor();
    const byStage = await colorOf(5);
    assert.notEqual(byStage, byService);
    await colors.getByText('self time').click();
    await page
      .getByText(/self from/)
      .first()
      .waitFor();
    assert.notEqual(await colorOf(5), byStage);
    await colors.getByText('service').click();
    await page.waitForURL((url) => !url.searchParams.has('color'));
    assert.equal(await colorOf(5), byService);
  });

  test('Ctrl and the wheel zoom where the pointer is, keys do around the span, 0 shows all', async () => {
    await using screen = await open(`/trace/${fixed.traceIdOf('warm')}`);
    const { page } = screen;
    const root = page.locator('.wf-row .bar').first();
    const width = async () => (await root.boundingBox())?.width ?? 0;
    await root.waitFor();
    const tick = page.locator('.wf-axis .tick').last();
    const before = await tick.innerText();
    const box = await page.locator('.wf-time').first().boundingBox();
    assert.ok(box);
    await page.mouse.move(box.x + box.width * 0.1, box.y + 10);
    await page.keyboard.down('Control');
    for (let i = 0; i < 6; i += 1) await page.mouse.wheel(0, -120);
    await page.keyboard.up('Control');
    await page.locator('.minimap-veil').first().waitFor();
    assert.notEqual(await tick.innerText(), before);
    await page.locator('[role=treegrid]').focus();
    await page.keyboard.press('0');
    await page.locator('.minimap-veil').first().waitFor({ state: 'detached' });
    await page.keyboard.press('+');
    await page.locator('.minimap-veil').first().waitFor();
    assert.ok((await width()) > 0);
  });

  test('a link to another trace is followed in place, from both ends', async () => {
    const send = WARM.find((span) => span.name === 'send greetings');
    await using screen = await open(`/trace/${fixed.traceIdOf('warm')}?span=${send?.spanId}`);
    const { page } = screen;
    const panel = page.getByRole('complementary');
    await panel.getByText('Consumed by').waitFor();
    await panel.getByRole('button', { name: 'show here' }).first().click();
    await panel.getByText('count greetings').waitFor();
    await screen.assertAccessible();
    assert.match(page.url(), new RegExp(fixed.traceIdOf('warm')), 'still the same trace');
    await page.locator('.chip', { hasText: 'consumed by 1' }).first().waitFor();

    await panel.getByText('count greetings').click();
    await page.waitForURL(new RegExp(BATCH));
    await page.locator('[role=treegrid][aria-rowcount="2"]').getByText('process greetings').click();
    await panel.getByRole('button', { name: 'show here' }).click();
    await panel.locator('.linked').getByText('send greetings').waitFor();
    assert.deepEqual(screen.problems, []);
  });

  for (const [format, path] of [
    ['OTLP', '/api/v3/traces/'],
    ['Jaeger', '/api/traces/'],
  ] as const)
    test(`a downloaded ${format} file opens as the same trace, from the search, by button and by drop`, async () => {
      const id = fixed.traceIdOf('crash');
      const text = await (await fetch(`${fixed.url}${path}${id}`)).text();
      await using screen = await open('/search');
      const { page } = screen;
      await page
        .getByLabel('A file with traces')
        .setInputFiles({ name: 'kept.json', mimeType: 'application/json', buffer: Buffer.from(text) });
      await page.waitForURL(/\/file/);
      await page.getByText('from kept.json').waitFor();
      assert.equal(await page.locator('[role=treegrid]').getAttribute('aria-rowcount'), '23');
      await page.getByText('SIGKILL').first().waitFor();
      await page.getByRole('treegrid').getByText('invoke image').first().click();
      await page.getByRole('complementary').getByText('client').first().waitFor();
      for (const view of ['Flame', 'Spans', 'Statistics', 'Events'])
        await page.getByRole('button', { name: view, exact: true }).click();
      await screen.assertAccessible();

      await page.goto(`${fixed.url}/search`);
      await page.getByRole('button', { name: 'Open a file' }).waitFor();
      const transfer = await page.evaluateHandle(dropScript(JSON.stringify(text)));
      await page.dispatchEvent('body', 'dragover', { dataTransfer: transfer });
      await page.getByText('Drop to look at its traces').waitFor();
      await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
      await page.getByText('from dropped.json').waitFor();
      assert.deepEqual(screen.problems, []);
    });

  test('a file of several traces is a list; what is none is said, and another may be opened', async () => {
    await using screen = await open('/file');
    const { page } = screen;
    await page.getByRole('heading', { name: 'Look at a trace from a file' }).waitFor();
    const give = (name: string, text: string) =>
      page
        .getByLabel('A file with traces')
        .setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(text) });
    await give('broken.json', '{"data": [');
    await page.getByText('broken.json cannot be shown').waitFor();
    await page.getByText(/cannot read it as JSON/).waitFor();
    const ids = [fixed.traceIdOf('crash'), fixed.traceIdOf('slow')];
    const two = await (await fetch(`${fixed.url}/api/traces?traceID=${ids[0]}&traceID=${ids[1]}`)).text();
    await give('two.json', two);
    const table = page.getByRole('table', { name: 'Traces in two.json' });
    await table.getByRole('link').nth(1).waitFor();
    await screen.assertAccessible();
    await table.getByRole('link').first().click();
    await page.getByRole('treegrid').waitFor();
    await page.getByText('All 2 traces').click();
    await table.waitFor();
  });
});

interface DocumentLike {
  querySelector(selector: string): { getBoundingClientRect(): { width: number } } | null;
}
interface StyleReader {
  getComputedStyle(element: unknown): { backgroundColor: string };
}

/** Evaluates to a DataTransfer with a file, as a drag from a desktop carries. */
function dropScript(text: string): string {
  return `(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([${text}], 'dropped.json', { type: 'application/json' }));
    return transfer;
  })()`;
}

function nanosOf(text: string): number {
  const [, sign, number, unit] = /^(−?)([\d.]+) (ns|µs|ms|s)$/.exec(text) ?? [];
  const scale = { ns: 1, µs: 1e3, ms: 1e6, s: 1e9 }[unit as 'ns'] ?? Number.NaN;
  return Number(number) * scale * (sign === '' ? 1 : -1);
}

/** Another trace, whose consumer only links to the record that a greeting sent. */
function batchOf(spans: readonly SpanData[]): SpanData[] {
  const send = spans.find((span) => span.name === 'send greetings');
  const consumer = spans.find((span) => span.name === 'process greetings');
  const worker = spans.find((span) => span.name === 'image');
  assert.ok(send && consumer && worker);
  const at = send.endTimeUnixNano + 20_000_000n;
  return [
    {
      ...consumer,
      traceId: BATCH,
      spanId: 'd'.repeat(16),
      parentSpanId: '',
      startTimeUnixNano: at,
      endTimeUnixNano: at + 30_000_000n,
      links: [
        {
          traceId: send.traceId,
          spanId: send.spanId,
          traceState: '',
          flags: 1,
          attributes: {},
          droppedAttributesCount: 0,
        },
      ],
    },
    {
      ...worker,
      name: 'count greetings',
      traceId: BATCH,
      spanId: 'e'.repeat(16),
      parentSpanId: 'd'.repeat(16),
      startTimeUnixNano: at + 1_000_000n,
      endTimeUnixNano: at + 25_000_000n,
      links: [],
    },
  ];
}
