import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildUi } from '../../scripts/build-ui.ts';

/** Of JavaScript, compressed. */
const MOST_BYTES = 250_000;

void test('the first load is small, and pages come when they are opened', async () => {
  const dist = await buildUi();
  const html = readFileSync(join(dist, 'index.html'), 'utf8');
  const scripts = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map(([, path = '']) => path);
  assert.ok(scripts.length > 0);
  const bytes = scripts.reduce((sum, path) => sum + compressedSize(join(dist, path)), 0);
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes: ${scripts.join(' ')}`);
  assert.deepEqual(
    scripts.filter((path) => /(?:trace|function|map|flow|topics)-page/.test(path)),
    [],
  );
});

/** Small files are served as they are. */
function compressedSize(path: string): number {
  return (statSync(`${path}.br`, { throwIfNoEntry: false }) ?? statSync(path)).size;
}
