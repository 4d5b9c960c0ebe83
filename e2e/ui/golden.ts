import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';

const GOLDEN = join(import.meta.dirname, 'golden');
const ACTUAL = join(import.meta.dirname, 'actual');

/** A kept pixel is the mean of so many by so many of the screen. */
const SHRINK = 4;
/** Kept pixels of one side of a block, which is compared as a whole: 16 × 16 of the screen. */
const BLOCK = 4;
/** A block differs when its mean does by more than this in red, green or blue, of 255: a word more, not a glyph's edge. */
const MOST_COLOR = 22;
/** Share of blocks that may differ. A row of a table that is gone is about twice this. */
const MOST_SHARE = 0.015;

export interface GoldenOptions {
  /** Selectors of what is never the same: times, ids. It keeps its room and is not seen. */
  readonly hide?: readonly string[];
  readonly mostShare?: number;
}

/**
 * The page looks as its picture in e2e/ui/golden does: laid out the same, with the same colours, whatever the fonts' edges. The kept
 * picture is a quarter as wide and high; blocks of 16 × 16 pixels of the screen are compared by their mean. `SPOOR_UPDATE_GOLDEN=1`
 * keeps what is seen now. On a difference the whole picture is written to e2e/ui/actual, what differs framed in red.
 */
export async function assertLooksLike(page: Page, name: string, options: GoldenOptions = {}): Promise<void> {
  const screenshot = await pictureOf(page, options.hide ?? []);
  const path = join(GOLDEN, `${name}.png`);
  const isUpdate = process.env['SPOOR_UPDATE_GOLDEN'] === '1';
  assert.ok(
    isUpdate || existsSync(path),
    `no picture golden/${name}.png: look at the page, then keep it with SPOOR_UPDATE_GOLDEN=1`,
  );

  // The browser reads and writes PNG; a blank page has no policy to forbid it.
  const desk = await page.context().newPage();
  try {
    const found = await desk.evaluate(comparePictures, {
      actual: screenshot.toString('base64'),
      golden: isUpdate ? '' : readFileSync(path).toString('base64'),
      shrink: SHRINK,
      block: BLOCK,
      mostColor: MOST_COLOR,
    });
    if (isUpdate) {
      mkdirSync(GOLDEN, { recursive: true });
      writeFileSync(path, Buffer.from(found.shrunk, 'base64'));
      return;
    }
    if (found.share <= (options.mostShare ?? MOST_SHARE)) return;
    mkdirSync(ACTUAL, { recursive: true });
    writeFileSync(join(ACTUAL, `${name}-differs.png`), Buffer.from(found.framed, 'base64'));
    assert.fail(
      `${name}: ${found.sizes}, ${(found.share * 100).toFixed(1)} % of it differs from golden/${name}.png; what differs is framed in e2e/ui/actual/${name}-differs.png; SPOOR_UPDATE_GOLDEN=1 keeps the new one`,
    );
  } finally {
    await desk.close();
  }
}

/** Through CSSOM rather than a style element, which the page's policy forbids. */
async function pictureOf(page: Page, hide: readonly string[]): Promise<Buffer> {
  const set = async (visibility: string) => {
    for (const selector of hide)
      await page.locator(selector).evaluateAll((elements, value) => {
        for (const element of elements) (element as HTMLElement).style.visibility = value;
      }, visibility);
  };
  await page.evaluate(async () => {
    await document.fonts.ready;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  });
  await set('hidden');
  const picture = await page.screenshot({ animations: 'disabled', caret: 'hide' });
  await set('');
  return picture;
}

interface Compared {
  /** PNG, base64: what would be kept. */
  readonly shrunk: string;
  /** PNG, base64: the whole, with frames around what differs. */
  readonly framed: string;
  /** Of blocks that differ, 0..1; 1 when the sizes do. */
  readonly share: number;
  readonly sizes: string;
}

/** Runs in a page. */
async function comparePictures(input: {
  readonly actual: string;
  /** '' for none. */
  readonly golden: string;
  readonly shrink: number;
  readonly block: number;
  readonly mostColor: number;
}): Promise<Compared> {
  const { shrink, block } = input;
  const paint = async (base64: string) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.codePointAt(0) ?? 0);
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = document.createElement('canvas');
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    const context = canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
    context.drawImage(bitmap, 0, 0);
    return { canvas, context };
  };
  /** Means of squares of `side` pixels, red, green and blue side by side. */
  const meansOf = (
    { canvas, context }: { canvas: HTMLCanvasElement; context: CanvasRenderingContext2D },
    side: number,
  ) => {
    const columns = Math.floor(canvas.width / side);
    const rows = Math.floor(canvas.height / side);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const means = new Float32Array(columns * rows * 3);
    for (let y = 0; y < rows * side; y += 1)
      for (let x = 0; x < columns * side; x += 1) {
        const to = (Math.floor(y / side) * columns + Math.floor(x / side)) * 3;
        const from = (y * canvas.width + x) * 4;
        for (let color = 0; color < 3; color += 1)
          means[to + color] = (means[to + color] ?? 0) + (data[from + color] ?? 0) / (side * side);
      }
    return { means, columns, rows };
  };
  const pngOf = (canvas: HTMLCanvasElement) => canvas.toDataURL('image/png').split(',')[1] ?? '';

  const actual = await paint(input.actual);
  const { means, columns, rows } = meansOf(actual, shrink);
  const small = document.createElement('canvas');
  small.width = columns;
  small.height = rows;
  const smallContext = small.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
  const pixels = smallContext.createImageData(columns, rows);
  for (let i = 0; i < columns * rows; i += 1) {
    for (let color = 0; color < 3; color += 1)
      pixels.data[i * 4 + color] = Math.round(means[i * 3 + color] ?? 0);
    pixels.data[i * 4 + 3] = 255;
  }
  smallContext.putImageData(pixels, 0, 0);
  const shrunk = pngOf(small);
  if (input.golden === '') return { shrunk, framed: '', share: 0, sizes: '' };

  const golden = await paint(input.golden);
  const sizes = `${columns} × ${rows}, kept ${golden.canvas.width} × ${golden.canvas.height}`;
  if (golden.canvas.width !== columns || golden.canvas.height !== rows)
    return { shrunk, framed: input.actual, share: 1, sizes };
  const now = meansOf({ canvas: small, context: smallContext }, block);
  const then = meansOf(golden, block);
  const side = shrink * block;
  let differ = 0;
  actual.context.strokeStyle = 'red';
  for (let i = 0; i < now.columns * now.rows; i += 1) {
    const most = Math.max(
      ...[0, 1, 2].map((color) =>
        Math.abs((now.means[i * 3 + color] ?? 0) - (then.means[i * 3 + color] ?? 0)),
      ),
    );
    if (most <= input.mostColor) continue;
    differ += 1;
    actual.context.strokeRect((i % now.columns) * side, Math.floor(i / now.columns) * side, side, side);
  }
  return { shrunk, framed: pngOf(actual.canvas), share: differ / (now.columns * now.rows), sizes };
}
