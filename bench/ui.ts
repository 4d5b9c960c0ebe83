/**
 * How the trace page bears a large trace, in headless Chromium: `node bench/ui.ts [spans]` (50,000). Prints, for the waterfall,
 * medians of three rounds: the time from the arrival of the data to the first row, frames a second while it scrolls and while it is
 * zoomed, and the heap. Beside the frames stands what a frame costs, the least of the rounds: the page's main thread (its parts: script, style, layout), and
 * the processor time of all of Chromium's processes, raster threads among them.
 */
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from '../e2e/support/browser.ts';
import { greeting } from '../backend/query/test/greetings.ts';
import { memoryReader } from '../backend/query/test/memory-reader.ts';
import { startQuery } from '../backend/query/query.ts';
import { buildUi } from '../scripts/build-ui.ts';
import { silentLog } from '../server/log.ts';
import type { SpanData } from '../function/span/span-data.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    /** Folders with built screens, to hold two against each other; by default those of this checkout. */
    ui: { type: 'string', multiple: true },
  },
});
const count = Number(positionals[0] ?? 50_000);
const rounds = Number(values.rounds);
if (!Number.isInteger(count) || count < 1 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(`cannot make ${positionals[0]} spans in ${values.rounds} rounds`);
  process.exit(2);
}
const TRACE_ID = 'b'.repeat(32);
const RUN_MS = 1_500;
const MOTIONS = ['scroll', 'fling', 'zoom'] as const;
type Motion = (typeof MOTIONS)[number];
const TITLES: Readonly<Record<Motion, string>> = {
  scroll: 'scrolling, 10 rows a frame',
  fling: 'scrolling, 200 rows a frame',
  zoom: 'zooming each frame',
};

const dirs = values.ui ?? [await buildUi()];
const reader = memoryReader(largeTrace(count));
const browser = await launchBrowser();
try {
  const results = new Map<string, Round[]>(dirs.map((dir) => [dir, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const dir of dirs) results.get(dir)?.push(await runRound(browser, dir));
  for (const [dir, of] of results) report(dirs.length > 1 ? dir : '', of);
} finally {
  await browser.close();
}

interface Round extends Readonly<Record<Motion, Frames & { readonly cost: Cost }>> {
  readonly firstPaintMs: number;
  readonly heapMB: number;
}

async function runRound(browser: Browser, uiDir: string): Promise<Round> {
  await using server = await startQuery({ reader, port: 0, uiDir, log: silentLog() });
  const page = await browser.newPage({ viewport: { width: 1_440, height: 900 } });
  await page.addInitScript(() => {
    // The moment the trace's body is whole in the page, by the clock of the page.
    const { fetch } = globalThis;
    globalThis.fetch = async (...args) => {
      const response = await fetch(...args);
      if (new URL(response.url).pathname.startsWith('/api/v3/traces/')) {
        const text = response.text.bind(response);
        response.text = async () => {
          const body = await text();
          performance.mark('data');
          return body;
        };
      }
      return response;
    };
    new MutationObserver((_, observer) => {
      if (!document.querySelector('.wf-row')) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => performance.mark('painted')));
    }).observe(document, { childList: true, subtree: true });
  });
  await page.goto(`${server.url}/trace/${TRACE_ID}`);
  await page.waitForFunction(() => performance.getEntriesByName('painted').length > 0, undefined, {
    timeout: 60_000,
  });
  const firstPaintMs = await page.evaluate(() => performance.measure('first', 'data', 'painted').duration);
  // What is asked for beside the trace has arrived, and the page is at rest.
  await page.waitForLoadState('networkidle');
  await page.waitForTimeout(500);

  const meter = await costMeter(browser, page);
  const scroll = await meter(() => page.evaluate(framesWhile, { ms: RUN_MS, what: 'scroll' as const }));
  const fling = await meter(() => page.evaluate(framesWhile, { ms: RUN_MS, what: 'fling' as const }));
  const zoom = await meter(() => page.evaluate(framesWhile, { ms: RUN_MS, what: 'zoom' as const }));
  const heap = await page.evaluate(
    () => (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize,
  );
  await page.close();
  return { firstPaintMs, scroll, fling, zoom, heapMB: heap / 1e6 };
}

/** Medians of the rounds. */
function report(title: string, of: readonly Round[]): void {
  const median = (value: (round: Round) => number) =>
    of.map(value).sort((a, b) => a - b)[Math.floor(of.length / 2)] ?? 0;
  const say = (name: string, text: string) => console.log(`${name.padEnd(28)}${text}`);
  if (title !== '') console.log(title);
  say('spans', String(count));
  say('data there to first row', `${median((round) => round.firstPaintMs).toFixed(0)} ms`);
  for (const motion of MOTIONS) {
    // What else the machine does only adds to the cost of a frame.
    const cost = (key: keyof Cost) => Math.min(...of.map((round) => round[motion].cost[key])).toFixed(1);
    say(
      TITLES[motion],
      `${median((round) => round[motion].perSecond).toFixed(1)} frames/s, longest ${median((round) => round[motion].longestMs).toFixed(0)} ms; ` +
        `a frame: ${cost('main')} ms of the main thread (script ${cost('script')}, style ${cost('style')}, layout ${cost('layout')}), ${cost('processor')} ms of processors`,
    );
  }
  say('heap', `${median((round) => round.heapMB).toFixed(0)} MB`);
}

interface Frames {
  readonly count: number;
  readonly perSecond: number;
  readonly longestMs: number;
}

/** ms of a frame. */
interface Cost {
  readonly main: number;
  readonly script: number;
  readonly style: number;
  readonly layout: number;
  readonly processor: number;
}

/** Runs something that draws frames, and says what one cost. */
async function costMeter(browser: Browser, page: Page) {
  const session = await page.context().newCDPSession(page);
  const whole = await browser.newBrowserCDPSession();
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    const { processInfo } = await whole.send('SystemInfo.getProcessInfo');
    const of = (name: string) => (metrics.find((metric) => metric.name === name)?.value ?? 0) * 1_000;
    return {
      main: of('TaskDuration'),
      script: of('ScriptDuration'),
      style: of('RecalcStyleDuration'),
      layout: of('LayoutDuration'),
      processor: processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0) * 1_000,
    };
  };
  return async (run: () => Promise<Frames>) => {
    const before = await read();
    const frames = await run();
    const after = await read();
    const cost = Object.fromEntries(
      Object.entries(after).map(([name, value]) => [
        name,
        (value - before[name as keyof Cost]) / frames.count,
      ]),
    ) as unknown as Cost;
    return { ...frames, cost };
  };
}

/** Runs in the page. */
async function framesWhile(options: { ms: number; what: Motion }): Promise<Frames> {
  const scroller = document.querySelector('.wf-scroll') as HTMLElement;
  const box = scroller.getBoundingClientRect();
  scroller.scrollTop = 0;
  // In, deeper each frame for half a second, and out again.
  const zoom = (isIn: boolean) =>
    scroller.dispatchEvent(
      new WheelEvent('wheel', {
        bubbles: true,
        cancelable: true,
        ctrlKey: true,
        deltaY: isIn ? -40 : 40,
        clientX: box.left + box.width * 0.7,
        clientY: box.top + 100,
      }),
    );
  const frame = () => new Promise<number>((done) => requestAnimationFrame(done));
  const start = await frame();
  let last = start;
  let frames = 0;
  let longest = 0;
  while (last - start < options.ms) {
    if (options.what === 'zoom') zoom(frames % 60 < 30);
    else scroller.scrollTop += options.what === 'scroll' ? 260 : 5_200;
    const now = await frame();
    longest = Math.max(longest, now - last);
    last = now;
    frames += 1;
  }
  return { count: frames, perSecond: (frames * 1_000) / (last - start), longestMs: longest };
}

/** A tree, five children to a span, with the attributes of real spans. */
function largeTrace(spans: number): SpanData[] {
  const base = greeting(1, BigInt(Date.now() - 600_000) * 1_000_000n, 'crash');
  const idOf = (i: number) => (i + 1).toString(16).padStart(16, '0');
  return Array.from({ length: spans }, (_, i) => {
    const like = base[i % base.length] as SpanData;
    const startTimeUnixNano = (base[0] as SpanData).startTimeUnixNano + BigInt(i) * 10_000n;
    return {
      ...like,
      traceId: TRACE_ID,
      spanId: idOf(i),
      parentSpanId: i === 0 ? '' : idOf(Math.floor((i - 1) / 5)),
      links: [],
      startTimeUnixNano,
      endTimeUnixNano: startTimeUnixNano + 30_000_000n,
    };
  });
}
