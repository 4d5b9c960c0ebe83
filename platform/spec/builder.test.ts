import assert from 'node:assert/strict';
import { mkdtempDisposable, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTracing } from '../../function/span/tracing.ts';
import { readJournal } from '../../function/span/read-journal.ts';
import { silentLog } from '../../server/log.ts';
import { applySet } from './apply-set.ts';
import { buildCommandOf } from './build-command.ts';
import { BuildLog } from './build-log.ts';
import { startBuilder } from './builder.ts';
import { fromManifest, toManifest } from './manifest.ts';
import { openRegistry, type Registry } from './registry.ts';
import type { Environment, Package } from './resources.ts';
import { unzip } from './unzip.ts';
import { zip } from './zip.ts';

const HERE = { name: 'hello', namespace: 'default' };
const STATUS: Package['status'] = { buildstatus: 'pending', buildlog: '' };

void test('a script of the source builds with SRC_PKG and DEPLOY_PKG, in a clean environment, and is traced', async () => {
  await using rig = await startRig();
  process.env['SPOOR_SECRET_OF_THE_PLATFORM'] = 'do not tell';
  await rig.put(
    {
      'build.sh':
        '#!/bin/sh\necho "hello from the build"\nmkdir $DEPLOY_PKG\nenv > $DEPLOY_PKG/env.txt\ncp -r $SRC_PKG/lib $DEPLOY_PKG/\npwd > $DEPLOY_PKG/pwd.txt\n',
      'lib/a.js': 'a',
    },
    './build.sh',
  );
  const { status, spec } = await rig.settled();
  assert.equal(status.buildstatus, 'succeeded', status.buildlog);
  assert.match(
    status.buildlog,
    /^building hello, trace [0-9a-f]{32}\n\$ \.\/build\.sh\nhello from the build\n/,
  );
  assert.equal(spec.deployment?.type, 'kept');
  const files = await rig.deployed();
  assert.deepEqual(files.names, ['env.txt', 'lib', 'pwd.txt']);
  assert.match(files.read('pwd.txt'), /\/src\n$/);
  assert.match(files.read('env.txt'), /^SRC_PKG=.*\/src$/m);
  assert.match(files.read('env.txt'), /^FROM_BUILDER=yes$/m);
  assert.doesNotMatch(files.read('env.txt'), /SECRET/);
  assert.deepEqual(await readdir(rig.builds), [], 'nothing is left behind');

  const spans = rig.spans();
  const root = spans.find((span) => span.name === 'build hello');
  assert.equal(root?.parentSpanId, '');
  assert.deepEqual(
    spans.filter((span) => span.parentSpanId === root?.spanId).map(({ name }) => name),
    ['unpack source', 'run ./build.sh', 'pack'],
  );
  assert.match(status.buildlog, new RegExp(root?.traceId ?? '-'));
});

void test("without a command the language's own builder runs; nothing to install is fine too", async () => {
  await using rig = await startRig();
  await rig.put({ 'hello.js': 'module.exports = 1' }, '');
  const { status } = await rig.settled();
  assert.equal(status.buildstatus, 'succeeded', status.buildlog);
  assert.deepEqual((await rig.deployed()).names, ['.keep', 'hello.js']);
});

void test('pip installs what requirements.txt names, beside the source', async () => {
  await using rig = await startRig({ timeoutMs: 60_000 });
  const wheel = archive({
    'greeting.py': 'WORD = "hello"',
    'greeting-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n',
    'greeting-1.0.dist-info/WHEEL':
      'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    'greeting-1.0.dist-info/RECORD':
      'greeting.py,,\ngreeting-1.0.dist-info/METADATA,,\ngreeting-1.0.dist-info/WHEEL,,\ngreeting-1.0.dist-info/RECORD,,\n',
  });
  await rig.put(
    {
      'user.py': 'import greeting',
      'requirements.txt': './greeting-1.0-py3-none-any.whl\n',
      'greeting-1.0-py3-none-any.whl': wheel,
    },
    '',
    'python',
  );
  const { status } = await rig.settled();
  assert.equal(status.buildstatus, 'succeeded', status.buildlog);
  assert.match(status.buildlog, /\$ python3 -m pip install [^\n]* --requirement requirements\.txt --target /);
  const { names } = await rig.deployed();
  assert.ok(names.includes('greeting.py') && names.includes('user.py'), names.join(' '));
});

const FAILURES: readonly (readonly [what: string, script: string, command: string, says: RegExp])[] = [
  [
    'a script that fails',
    '#!/bin/sh\necho about to fail >&2\nexit 3\n',
    './build.sh',
    /about to fail\ncannot run \.\/build\.sh: it exited with code 3\n$/,
  ],
  ['a command for a shell', '', 'npm install && cp -r a b', /there is no shell for its "&"/],
  ['a command substitution', '', 'echo $(id)', /there is no shell for its "\$"/],
  ['a program that is not there', '', './nothing.sh', /there is no such program/],
  ['a script that leaves nothing', '#!/bin/sh\n', './build.sh', /it left nothing at \$DEPLOY_PKG/],
  [
    'a script that never ends',
    '#!/bin/sh\nsleep 1000 & sleep 1000\n',
    './build.sh',
    /it took longer than 0\.5 s/,
  ],
];

for (const [what, script, command, says] of FAILURES)
  void test(`${what} fails the build, and the log says why`, async () => {
    await using rig = await startRig();
    await rig.put({ 'build.sh': script }, command);
    const { status } = await rig.settled();
    assert.equal(status.buildstatus, 'failed');
    assert.match(status.buildlog, says);
    assert.equal(rig.spans().find((span) => span.name === 'build hello')?.status.code, 2);
    await assert.rejects(rig.registry.fetchPackage(HERE), { message: /its build failed: .*pkg info/ });
  });

void test('what was not built when the platform died is built when it starts again', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-builder-'));
  {
    await using registry = await openRegistry({ dataDir: dir.path });
    await registry.put(environment());
    await registry.put({ ...source({ 'a.js': '1' }, ''), status: { buildstatus: 'running', buildlog: '' } });
  }
  await using rig = await startRig({ dataDir: dir.path });
  assert.equal((await rig.settled()).status.buildstatus, 'succeeded');
});

void test('applying the same source again builds nothing; another one does; a failed build is tried again', async () => {
  await using rig = await startRig();
  const deployment = { name: 'app', uid: 'u' };
  const apply = (files: Record<string, string>, command = '') =>
    applySet(rig.registry, {
      deployment,
      allowConflicts: true,
      resources: [toManifest(source(files, command))],
    });
  assert.equal((await apply({ 'a.js': '1' })).created.length, 1);
  const first = await rig.settled();
  assert.equal((await apply({ 'a.js': '1' })).unchanged.length, 1);
  assert.equal((await rig.settled()).metadata.resourceVersion, first.metadata.resourceVersion);
  assert.equal((await apply({ 'a.js': '2' })).updated.length, 1);
  assert.notDeepEqual((await rig.settled()).spec.deployment, first.spec.deployment);
  await apply({ 'a.js': '2' }, './none.sh');
  assert.equal((await rig.settled()).status.buildstatus, 'failed');
  assert.equal((await apply({ 'a.js': '2' }, './none.sh')).updated.length, 1);
  assert.equal((await rig.settled()).status.buildstatus, 'failed');
});

void test('a source that changes while it is built is built anew, and the old result is thrown away', async () => {
  await using rig = await startRig();
  const script = (text: string) =>
    `#!/bin/sh\n${text}\nmkdir $DEPLOY_PKG; echo ${text.length} > $DEPLOY_PKG/out\n`;
  await rig.put({ 'build.sh': script('sleep 0.4') }, './build.sh');
  await rig.until(({ status }) => status.buildstatus === 'running');
  await rig.put({ 'build.sh': script('true') }, './build.sh');
  const { status } = await rig.settled();
  assert.equal(status.buildstatus, 'succeeded', status.buildlog);
  assert.equal((await rig.deployed()).read('out'), '4\n');
});

void test('a log keeps its beginning and its end, and no escape sequences', () => {
  const log = new BuildLog();
  log.line('the first line');
  for (let i = 0; i < 100_000; i++) log.line(`\u001b[31mline\u001b[0m ${i}\u0007`);
  const text = log.toString();
  assert.ok(text.length < 200_000);
  assert.match(text, /^the first line\nline 0\n/);
  assert.match(text, /bytes left out[^]*line 99999\n$/);
});

void test("the package's command goes before the environment's", () => {
  const of = (command: string) => buildCommandOf(source({}, command), environment());
  assert.deepEqual(of(''), { type: 'default' });
  assert.deepEqual(of('build'), { type: 'default' });
  assert.deepEqual(of('  ./build.sh  --fast x '), { type: 'program', argv: ['./build.sh', '--fast', 'x'] });
});

interface Rig extends AsyncDisposable {
  readonly registry: Registry;
  readonly builds: string;
  put(files: Record<string, string | Uint8Array>, command: string, language?: string): Promise<Package>;
  until(isWanted: (pkg: Package) => boolean): Promise<Package>;
  settled(): Promise<Package>;
  deployed(): Promise<{ names: string[]; read(name: string): string }>;
  spans(): ReturnType<typeof readJournal>['spans'];
}

async function startRig(options: { dataDir?: string; timeoutMs?: number } = {}): Promise<Rig> {
  await using starting = new AsyncDisposableStack();
  const dir = starting.use(await mkdtempDisposable(join(tmpdir(), 'spoor-builder-')));
  const registry = starting.use(await openRegistry({ dataDir: options.dataDir ?? join(dir.path, 'data') }));
  await registry.put(environment());
  await registry.put(environment('python'));
  const journal = join(dir.path, 'builder.journal');
  const tracing = starting.use(startTracing({ journal, resource: { 'service.name': 'builder' } }));
  const builds = join(dir.path, 'builds');
  starting.use(
    await startBuilder({
      registry,
      directory: builds,
      tracing,
      timeoutMs: options.timeoutMs ?? 500,
      log: silentLog(),
    }),
  );
  const until = async (isWanted: (pkg: Package) => boolean): Promise<Package> => {
    const done = Promise.withResolvers<Package>();
    const look = () => {
      const pkg = registry.get('Package', HERE);
      if (pkg && isWanted(pkg)) done.resolve(pkg);
    };
    using _listening = registry.onChange(look);
    look();
    return await done.promise;
  };
  const started = starting.move();
  return {
    registry,
    builds,
    put: (files, command, language) => registry.put(source(files, command, language)),
    until,
    async settled() {
      const pkg = await until(
        ({ status }) => status.buildstatus === 'succeeded' || status.buildstatus === 'failed',
      );
      // The build's span and folder go after its last word.
      while ((await readdir(builds)).length > 0) await new Promise((resolve) => setImmediate(resolve));
      return pkg;
    },
    async deployed() {
      await using out = await mkdtempDisposable(join(tmpdir(), 'spoor-built-'));
      await unzip(await registry.readArchive(HERE, 'deployment'), out.path);
      const entries = await readdir(out.path, { withFileTypes: true });
      const files = new Map<string, string>();
      for (const entry of entries)
        if (entry.isFile()) files.set(entry.name, await readFile(join(out.path, entry.name), 'utf8'));
      return { names: entries.map(({ name }) => name).sort(), read: (name) => files.get(name) ?? '' };
    },
    spans: () => readJournal(journal).spans,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

function environment(language = 'node'): Environment {
  return fromManifest({
    kind: 'Environment',
    metadata: { name: language },
    spec: {
      version: 3,
      runtime: { image: `fission/${language}-env` },
      builder: { image: 'b', command: 'build', container: { env: [{ name: 'FROM_BUILDER', value: 'yes' }] } },
    },
  }) as Environment;
}

function archive(files: Record<string, string | Uint8Array>): Uint8Array {
  return zip(
    Object.entries(files).map(([path, content]) => ({
      path,
      content: new Uint8Array(Buffer.from(content as string)),
      executable: path.endsWith('.sh'),
    })),
  );
}

function source(files: Record<string, string | Uint8Array>, buildcmd: string, language = 'node'): Package {
  const literal = archive({ ...files, '.keep': '' });
  const { metadata } = fromManifest({
    kind: 'Package',
    metadata: HERE,
    spec: { environment: { name: language } },
  }) as Package;
  return {
    kind: 'Package',
    metadata,
    spec: {
      environment: { name: language, namespace: 'default' },
      source: { type: 'literal', literal },
      buildcmd,
    },
    status: STATUS,
  };
}
