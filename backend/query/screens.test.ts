import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../server/log.ts';
import { startQuery } from './query.ts';
import { memoryReader } from './test/memory-reader.ts';

void test('who comes before the screens are built gets a page that asks again, and then the screens', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'spoor-screens-'));
  const uiDir = join(folder, 'dist');
  await using server = await startQuery({ reader: memoryReader([]), port: 0, uiDir, log: silentLog() });
  try {
    const early = await fetch(`${server.url}/search`);
    assert.equal(early.status, 503);
    assert.match(
      early.headers.get('content-security-policy') ?? '',
      /^default-src 'none'; style-src 'sha256-/,
    );
    const words = await early.text();
    assert.match(words, /being built/);
    assert.match(words, /http-equiv="refresh"/);
    assert.equal((await fetch(`${server.url}/assets/a.js`)).status, 404);

    mkdirSync(join(uiDir, 'assets'), { recursive: true });
    writeFileSync(join(uiDir, 'index.html'), '<title>Spoor</title>');
    writeFileSync(join(uiDir, 'theme.js'), 'void 0;');
    writeFileSync(join(uiDir, '.sources'), 'hash');
    writeFileSync(join(uiDir, 'assets/a.js'), 'let a;');
    const page = await fetch(`${server.url}/search`);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<title>Spoor/);
    assert.equal(await (await fetch(`${server.url}/assets/a.js`)).text(), 'let a;');
    assert.equal(await (await fetch(`${server.url}/theme.js`)).text(), 'void 0;');
    assert.doesNotMatch(await (await fetch(`${server.url}/.sources`)).text(), /hash/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
