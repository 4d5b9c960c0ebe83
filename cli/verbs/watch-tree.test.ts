import assert from 'node:assert/strict';
import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { watchTree } from './watch-tree.ts';

void test('a change in any folder is told, also in one made later, but not what is in node_modules', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-watch-'));
  await mkdir(join(dir.path, 'src'));
  await mkdir(join(dir.path, 'node_modules/lodash'), { recursive: true });
  const seen = new Set<string>();
  let wake = () => {};
  const watcher = await watchTree(dir.path, (path) => {
    seen.add(path.slice(dir.path.length + 1));
    wake();
  });
  const until = async (name: string) => {
    while (!seen.has(name)) await new Promise<void>((resolve) => (wake = resolve));
  };
  await writeFile(join(dir.path, 'node_modules/lodash/index.js'), '1');
  await writeFile(join(dir.path, 'src/a.js'), '1');
  await until('src/a.js');
  await mkdir(join(dir.path, 'src/deep'));
  await until('src/deep');
  // The folder is watched a moment after it is made; an editor's next save is seen.
  const saving = setInterval(() => void writeFile(join(dir.path, 'src/deep/b.js'), String(Date.now())), 20);
  await until('src/deep/b.js');
  clearInterval(saving);
  watcher.close();
  assert.deepEqual(
    [...seen].filter((name) => name.includes('node_modules')),
    [],
  );
});
