/**
 * How the trace page bears a large trace, in headless Chromium: `node bench/ui.ts [spans]` (50,000). Prints, for the waterfall, the time
 * from the arrival of the data to the first row, frames a second while it scrolls and while it is zoomed, and the heap.
 */
import { parseArgs } from 'node:util';
import { launchBrowser } from '../e2e/support/browser.ts';
import { greeting } from '../backend/query/test/greetings.ts';
import { memoryReader } from '../backend/query/test/memory-reader.ts';
import { startQuery } from '../backend/query/query.ts';
import { buildUi } from '../scripts/build-ui.ts';
import { silentLog } from '../server/log.ts';
import type { SpanData } from '../function/span/span-data.ts';

const { positionals } = parseArgs({ allowPositionals: true });
const count = Number(positionals[0] ?? 50_000);
if (!Number.isInteger(count) || count < 1) {
  console.error(`cannot make ${positionals[0]} spans`);
  process.exit(2);
}
const TRACE_ID = 'b'.repeat(32);
const SCROLL_MS = 3_000;

await using server = await startQuery({
  reader: memoryReader(largeTrace(count)),
  port: 0,
  uiDir: await buildUi(),
  log: silentLog(),
});
const browser = await launchBrowser();
try {
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
  const firstPaint = await page.evaluate(() =>
    performance.measure('first', 'data', 'painted').duration.toFixed(0),
  );
  // What is asked for beside the trace has arrived, and the page is at rest.
  await page.waitForLoadState('networkidle');
  await page.waitForTimeout(500);

  const scroll = await page.evaluate(framesWhile, { ms: SCROLL_MS, what: 'scroll' as const });
  const fling = await page.evaluate(framesWhile, { ms: SCROLL_MS, what: 'fling' as const });
  const zoom = await page.evaluate(framesWhile, { ms: SCROLL_MS, what: 'zoom' as const });
  const heap = await page.evaluate(
    () => (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize,
  );
  console.log(`spans                       ${count}`);
  console.log(`data there to first row     ${firstPaint} ms`);
  console.log(`scrolling, 10 rows a frame  ${line(scroll)}`);
  console.log(`scrolling, 200 rows a frame ${line(fling)}`);
  console.log(`zooming each frame          ${line(zoom)}`);
  console.log(`heap                        ${(heap / 1e6).toFixed(0)} MB`);
} finally {
  await browser.close();
}

interface Frames {
  readonly perSecond: number;
  readonly longestMs: number;
}

function line({ perSecond, longestMs }: Frames): string {
  return `${perSecond.toFixed(1)} frames/s, longest ${longestMs.toFixed(0)} ms`;
}

/** Runs in the page. */
async function framesWhile(options: { ms: number; what: 'scroll' | 'fling' | 'zoom' }): Promise<Frames> {
  const scroller = document.querySelector('.wf-scroll') as HTMLElement;
  const minimap = document.querySelector('.minimap') as HTMLElement;
  const box = minimap.getBoundingClientRect();
  scroller.scrollTop = 0;
  const drag = (type: string, fraction: number) =>
    minimap.dispatchEvent(
      new PointerEvent(type, {
        bubbles: true,
        pointerId: 1,
        clientX: box.left + fraction * box.width,
        clientY: box.top + 5,
      }),
    );
  // A pointer made by a script cannot be captured.
  minimap.setPointerCapture = () => {};
  const frame = () => new Promise<number>((done) => requestAnimationFrame(done));
  const start = await frame();
  let last = start;
  let frames = 0;
  let longest = 0;
  while (last - start < options.ms) {
    if (options.what === 'zoom') {
      const at = (frames % 60) / 100;
      drag('pointerdown', at);
      await Promise.resolve();
      drag('pointermove', at + 0.3);
      await Promise.resolve();
      drag('pointerup', at + 0.3);
    } else scroller.scrollTop += options.what === 'scroll' ? 260 : 5_200;
    const now = await frame();
    longest = Math.max(longest, now - last);
    last = now;
    frames += 1;
  }
  return { perSecond: (frames * 1_000) / (last - start), longestMs: longest };
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
