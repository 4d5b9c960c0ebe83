import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';

const GOLDEN = join(import.meta.dirname, 'golden');
const ACTUAL = join(import.meta.dirname, 'actual');
const COMPARE = readFileSync(join(import.meta.dirname, 'compare-pictures.js'), 'utf8');

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
    const input = {
      actual: screenshot.toString('base64'),
      golden: isUpdate ? '' : readFileSync(path).toString('base64'),
      shrink: SHRINK,
      block: BLOCK,
      mostColor: MOST_COLOR,
    };
    const found = await desk.evaluate<Compared>(`${COMPARE}; comparePictures(${JSON.stringify(input)})`);
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
        for (const element of elements)
          (element as unknown as { style: { visibility: string } }).style.visibility = value;
      }, visibility);
  };
  // Fonts are there, and what they moved has been drawn.
  await page.evaluate(
    'document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0)))))',
  );
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
