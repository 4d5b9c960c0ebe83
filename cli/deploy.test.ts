import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readEndFile } from '../function/agent/span-ending.ts';
import { checkFolder } from '../platform/spec/apply.ts';
import { readSpecFolder } from '../platform/spec/spec-folder.ts';

/** What deploy/ says, held against the checkout: nobody here can build its images. */
const ROOT = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const IMAGES = globSync('deploy/images/*.Dockerfile', { cwd: ROOT });

for (const image of IMAGES)
  void test(`${image} copies what is there and starts what it copied`, () => {
    const text = read(image);
    for (const [, from, sources] of text.matchAll(/^COPY (--from=\S+ )?(.+) \S+$/gm))
      if (from === undefined)
        for (const source of (sources as string).split(' '))
          assert.ok(existsSync(join(ROOT, source)), `${source} is not there`);
    assert.match(text, /^USER \w+$/m, 'it does not run as root');
  });

void test('every variable and flag that deploy/ names is known to the code', () => {
  const code = ['cli', 'function/environment', 'deploy/images/entrypoint.sh']
    .flatMap((path) =>
      path.includes('.')
        ? [path]
        : globSync(`${path}/**/*.{ts,py}`, { cwd: ROOT }).filter((file) => !file.endsWith('.test.ts')),
    )
    .map(read)
    .join('\n');
  for (const path of globSync('deploy/**/*', { cwd: ROOT, withFileTypes: true })) {
    if (!path.isFile()) continue;
    const text = readFileSync(join(path.parentPath, path.name), 'utf8');
    for (const [name] of text.matchAll(/SPOOR_[A-Z_]+|OTEL_[A-Z_]+|(?<=")--[a-z-]+(?=")/g))
      assert.ok(code.includes(name), `${path.name} names ${name}`);
  }
});

void test('a container that starts again tells the agent of the end of what ran in it, once', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-deploy-'));
  const start = (program: string) =>
    execFileSync(join(ROOT, 'deploy/images/entrypoint.sh'), ['sh', '-c', program], {
      env: { PATH: process.env['PATH'], SPOOR_JOURNAL_DIR: dir.path, SPOOR_INSTANCE_ID: 'pod-1' },
      encoding: 'utf8',
    }).trim();
  const first = start('touch "$SPOOR_JOURNAL"; echo "$SPOOR_JOURNAL"');
  const second = start('echo "$SPOOR_JOURNAL"');
  assert.notEqual(first, second);
  const end = readEndFile(first.replace('.journal', '.end'));
  assert.equal(end?.reason, 'lost');
  assert.match(end.message, /started again/);
  assert.deepEqual(
    readdirSync(dir.path).map((name) => name.split('.').at(-1)),
    ['end', 'journal'],
  );
});

void test('the Environment for a cluster is one that Spoor takes as well', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-deploy-'));
  await cp(join(ROOT, 'deploy/kubernetes'), dir.path, { recursive: true });
  const folder = await readSpecFolder(dir.path);
  assert.deepEqual((await checkFolder(folder, undefined)).problems, []);
  assert.deepEqual(
    folder.resources.map(({ value }) => value.kind),
    ['Environment'],
  );
});
