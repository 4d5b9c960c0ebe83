import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readEndFile } from '../function/agent/span-ending.ts';
import { parseAllDocuments } from 'yaml';
import { checkFolder } from '../platform/spec/apply.ts';
import { readSpecFolder } from '../platform/spec/spec-folder.ts';
import { createProgram } from './program.ts';
import { DEFAULT_PORTS } from './settings.ts';

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
  const code = ['cli', 'platform/trigger', 'function/environment', 'deploy/images/entrypoint.sh']
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
  await cp(join(ROOT, 'deploy/kubernetes/environment-node.yaml'), join(dir.path, 'environment.yaml'));
  const folder = await readSpecFolder(dir.path);
  assert.deepEqual((await checkFolder(folder, undefined)).problems, []);
  assert.deepEqual(
    folder.resources.map(({ value }) => value.kind),
    ['Environment'],
  );
});

void test('the backend for a cluster starts with flags there are, and is reached where agents look for it', () => {
  const [service, set] = parseAllDocuments(read('deploy/kubernetes/backend.yaml')).map(
    (document) => document.toJS() as KubernetesDocument,
  );
  const [container] = set?.spec.template?.spec.containers ?? [];
  const backend = createProgram().commands.find((command) => command.name() === 'backend');
  const flags = container?.args.filter((word) => word.startsWith('--')) ?? [];
  assert.ok(flags.length > 0);
  for (const flag of flags)
    assert.ok(
      backend?.options.some(({ long }) => long === flag),
      flag,
    );
  const ports = [DEFAULT_PORTS.query, DEFAULT_PORTS.otlpGrpc, DEFAULT_PORTS.otlpHttp];
  assert.deepEqual(
    service?.spec.ports?.map(({ port }) => port),
    ports,
  );
  assert.deepEqual(
    container?.ports.map(({ containerPort }) => containerPort),
    ports,
  );
  const { hostname, port } = new URL(
    /value: '(http:.+)'/.exec(read('deploy/kubernetes/environment-node.yaml'))?.[1] ?? '',
  );
  assert.deepEqual([hostname, Number(port)], [service?.metadata.name, DEFAULT_PORTS.otlpHttp]);
});

interface KubernetesDocument {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly ports?: readonly { readonly port: number }[];
    readonly template?: {
      readonly spec: {
        readonly containers: readonly {
          readonly args: readonly string[];
          readonly ports: readonly { readonly containerPort: number }[];
        }[];
      };
    };
  };
}
