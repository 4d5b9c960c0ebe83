import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { CASES } from '../../function/environment/conformance/cases.ts';
import { runCase } from '../../function/environment/conformance/run-case.ts';
import { pythonProgram } from '../../function/environment/python/program.ts';

const root = resolve(import.meta.dirname, '../..');
const CASE = CASES.find(({ name }) => name === 'the span continues the caller and says what was called');

/** No engine builds images here: what a Dockerfile copies is laid out as it would be, and run as it would be. */
describe('an image holds all that its program needs', () => {
  test('node-env', async () => {
    using tree = copiedTree('node-env.Dockerfile');
    // Stands for `npm ci` and `npm install`.
    symlinkSync(join(root, 'node_modules/@opentelemetry'), join(tree.modules, '@opentelemetry'));
    symlinkSync(join(root, 'node_modules/esbuild'), join(tree.modules, 'esbuild'));
    const bundle = /node --input-type=module -e "([^"]+)"/.exec(tree.dockerfile)?.[1] ?? '';
    const built = spawnSync(process.execPath, ['--input-type=module', '-e', bundle], { cwd: tree.path });
    assert.equal(built.status, 0, built.stderr.toString());
    assert.ok(CASE);
    const [entrypoint = '', ...command] = tree.command;
    assert.deepEqual(command, ['node', 'environment.cjs']);
    const program = join(tree.path, entrypoint);
    const args = [process.execPath, join(tree.path, 'environment.cjs')];
    assert.deepEqual(await runCase(CASE, 'node', { program, args }), []);
  });

  test('python-env', async () => {
    using tree = copiedTree('python-env.Dockerfile');
    const { command: python } = await pythonProgram();
    assert.ok(CASE);
    const [entrypoint = '', ...command] = tree.command;
    assert.deepEqual(command, ['python', 'start.py']);
    const program = join(tree.path, entrypoint);
    const args = [python, join(tree.path, 'start.py')];
    assert.deepEqual(await runCase(CASE, 'python', { program, args }), []);
  });

  for (const [image, words] of [
    ['agent', /drains journals/],
    ['backend', /query APIs and UI/],
    ['connector', /one Kafka trigger alone/],
  ] as const)
    test(image, () => {
      using tree = copiedTree(`${image}.Dockerfile`);
      rmSync(tree.modules, { recursive: true });
      symlinkSync(join(root, 'node_modules'), tree.modules);
      const [, ...args] = tree.command;
      const run = spawnSync(process.execPath, [...args, '--help'], { cwd: tree.path, encoding: 'utf8' });
      assert.equal(run.status, 0, run.stderr);
      assert.match(run.stdout, words);
    });
});

interface Tree extends Disposable {
  readonly path: string;
  readonly modules: string;
  readonly dockerfile: string;
  /** ENTRYPOINT and CMD. */
  readonly command: readonly string[];
}

function copiedTree(name: string): Tree {
  const path = mkdtempSync(join(tmpdir(), 'spoor-image-'));
  const modules = join(path, 'node_modules');
  mkdirSync(modules);
  const dockerfile = readFileSync(join(root, 'deploy/images', name), 'utf8');
  for (const [, line = ''] of dockerfile.matchAll(/^COPY (.+)$/gm)) {
    const words = line.split(' ');
    if (words[0]?.startsWith('--from')) continue;
    const target = words.pop() as string;
    for (const source of words) {
      const to = target === './' ? source.replace(/^.*\//, '') : target;
      cpSync(join(root, source), join(path, to), { recursive: true });
    }
  }
  const words = (instruction: string) =>
    JSON.parse(new RegExp(`^${instruction} (.+)$`, 'm').exec(dockerfile)?.[1] ?? '[]') as string[];
  return {
    path,
    modules,
    dockerfile,
    command: [...words('ENTRYPOINT'), ...words('CMD')],
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
