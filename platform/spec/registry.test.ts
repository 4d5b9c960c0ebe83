import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempDisposable, readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { zipSync } from 'fflate';
import type { Change } from './catalog.ts';
import { fromManifest } from './manifest.ts';
import { openRegistry, type Registry } from './registry.ts';
import type { Environment, Package } from './resources.ts';
import { unzip, UNZIP_LIMITS } from './unzip.ts';
import { zip } from './zip.ts';

const scratch = () => mkdtempDisposable(join(tmpdir(), 'spoor-registry-'));
const DEFAULT = 'default';

void test('uid stays, generation counts changes of the spec, resourceVersion any change', async () => {
  await using dir = await scratch();
  await using registry = await openRegistry({ dataDir: dir.path });
  const first = await registry.put(environment(3));
  assert.match(first.metadata.uid, /^[0-9a-f-]{36}$/);
  assert.equal(first.metadata.generation, 1);

  const second = await registry.put(environment(5));
  assert.equal(second.metadata.uid, first.metadata.uid);
  assert.equal(second.metadata.generation, 2);
  assert.notEqual(second.metadata.resourceVersion, first.metadata.resourceVersion);

  const labelled = await registry.put({ ...second, metadata: { ...second.metadata, labels: { a: 'b' } } });
  assert.equal(labelled.metadata.generation, 2);
  assert.ok(Number(labelled.metadata.resourceVersion) > Number(second.metadata.resourceVersion));
});

void test('listeners hear of each change once it is kept, and of nothing else', async () => {
  await using dir = await scratch();
  await using registry = await openRegistry({ dataDir: dir.path });
  const heard: Change[] = [];
  const listening = registry.onChange((change) => heard.push(change));
  await registry.put(environment(3));
  await registry.put(environment(3));
  await registry.put(environment(4));
  await registry.delete('Environment', { name: 'nodejs', namespace: DEFAULT });
  listening[Symbol.dispose]();
  await registry.put(environment(3));
  assert.deepEqual(
    heard.map((change) => [change.type, change.type === 'put' && change.previous !== undefined]),
    [
      ['put', false],
      ['put', true],
      ['delete', false],
    ],
  );
});

void test('what was kept is there after kill -9', async () => {
  await using dir = await scratch();
  const writer = spawn(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import { openRegistry } from ${JSON.stringify(join(import.meta.dirname, 'registry.ts'))};
       import { fromManifest } from ${JSON.stringify(join(import.meta.dirname, 'manifest.ts'))};
       const registry = await openRegistry({ dataDir: process.argv[1] });
       for (let i = 0; i < 50; i++)
         await registry.put(fromManifest({ kind: 'Environment', metadata: { name: 'e' + i }, spec: { runtime: { image: 'node' } } }));
       await registry.putSecret({ name: 's', namespace: 'default' }, { key: Buffer.from('value') });
       console.log('kept');
       setInterval(() => {}, 1000);`,
      dir.path,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(writer.stdout, 'data');
  writer.kill('SIGKILL');
  await once(writer, 'exit');

  await using registry = await openRegistry({ dataDir: dir.path });
  assert.equal(registry.list('Environment').length, 50);
  assert.equal(
    Buffer.from(registry.secret({ name: 's', namespace: DEFAULT })?.['key'] as Uint8Array).toString(),
    'value',
  );
  const next = await registry.put(environment(3));
  assert.equal(next.metadata.resourceVersion, '51');
});

void test('a second platform on the same data is told so', async () => {
  await using dir = await scratch();
  await using _first = await openRegistry({ dataDir: dir.path });
  await assert.rejects(openRegistry({ dataDir: dir.path }), {
    reason: 'conflict',
    message: /another platform/,
  });
});

void test('a file is served as a file, a zip as a folder, and with keeparchive as the zip', async () => {
  await using dir = await scratch();
  await using registry = await openRegistry({ dataDir: dir.path });
  await registry.put(environment(3));
  await registry.put({
    ...environment(3),
    metadata: { ...environment(3).metadata, name: 'keeping' },
    spec: { ...environment(3).spec, keeparchive: true },
  });

  const plain = await fetched(registry, literal('plain', 'nodejs', Buffer.from('module.exports = 1')));
  assert.equal(await readFile(plain, 'utf8'), 'module.exports = 1');

  const archive = Buffer.from(
    zip([
      { path: 'index.js', content: Buffer.from('1'), executable: false },
      { path: 'lib/run.sh', content: Buffer.from('2'), executable: true },
    ]),
  );
  const folder = await fetched(registry, literal('folder', 'nodejs', archive));
  assert.deepEqual((await readdir(folder)).sort(), ['index.js', 'lib']);
  assert.equal((await stat(join(folder, 'lib/run.sh'))).mode & 0o111, 0o111);

  const kept = await fetched(registry, literal('kept', 'keeping', archive));
  assert.deepEqual(await readFile(kept), archive);
});

void test('the same content is unpacked once, however many ask', async () => {
  await using dir = await scratch();
  await using registry = await openRegistry({ dataDir: dir.path });
  await registry.put(environment(3));
  const { metadata } = await registry.put(literal('p', 'nodejs', Buffer.from('x')));
  const answers = await Promise.all(Array.from({ length: 20 }, () => registry.fetchPackage(metadata)));
  assert.equal(new Set(answers.map(({ path }) => path)).size, 1);
  assert.equal(answers.filter(({ wasCached }) => !wasCached).length, 1);
});

void test('an archive by URL is taken only when its sum is right', async () => {
  await using dir = await scratch();
  await using registry = await openRegistry({ dataDir: dir.path });
  const content = Buffer.from('exports.a = 1');
  const server = createServer((_request, response) => response.end(content)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.js`;
    const sum = createHash('sha256').update(content).digest('hex');
    const good = await fetched(registry, byUrl('good', url, sum));
    assert.deepEqual(await readFile(good), content);
    await assert.rejects(fetched(registry, byUrl('bad', url, 'ab'.repeat(32))), {
      reason: 'specialization_failed',
      message: /sha256/,
    });
  } finally {
    server.close();
  }
});

void test('a package without a built archive, and one that is not there, say so', async () => {
  await using dir = await scratch();
  await using registry = await openRegistry({ dataDir: dir.path });
  await registry.put(
    fromManifest({
      kind: 'Package',
      metadata: { name: 'src' },
      spec: { environment: { name: 'e' }, source: { literal: 'aGk=' } },
    }),
  );
  await assert.rejects(registry.fetchPackage({ name: 'src', namespace: DEFAULT }), {
    component: 'fetcher',
    message: /build status pending/,
  });
  await assert.rejects(registry.fetchPackage({ name: 'none', namespace: DEFAULT }), {
    component: 'fetcher',
    reason: 'not_found',
  });
});

const HOSTILE: readonly (readonly [name: string, archive: () => Buffer, says: RegExp])[] = [
  [
    'a name that climbs out',
    () => made({ '../evil.js': Buffer.from('x') }),
    /\[\.\.\/evil\.js\] would lie outside/,
  ],
  ['an absolute name', () => made({ '/etc/evil': Buffer.from('x') }), /\[\/etc\/evil\] would lie outside/],
  ['a name with backslashes', () => made({ '..\\evil': Buffer.from('x') }), /would lie outside/],
  [
    'a symbolic link',
    () => Buffer.from(zipSync({ link: [Buffer.from('/etc/passwd'), { os: 3, attrs: 0o120777 << 16 }] })),
    /\[link\] is a symbolic link/,
  ],
  ['a bomb', () => made({ zeros: Buffer.alloc(64 * 1024 * 1024) }), /more than 200 times its size/],
  ['an archive cut short', () => made({ a: Buffer.from('hello') }).subarray(0, 40), /no end record/],
  ['a size that lies', () => lying(), /inflated to the size it says/],
  ['content that was changed', () => corrupt(), /does not match its checksum/],
  [
    'a file where a folder should be',
    () => made({ a: Buffer.from('1'), 'a/b': Buffer.from('2') }),
    /lies below a file|is there twice/,
  ],
];

for (const [name, archive, says] of HOSTILE)
  void test(`a zip with ${name} is refused and leaves nothing behind`, async () => {
    await using dir = await scratch();
    await using registry = await openRegistry({ dataDir: dir.path });
    const { sha256, sizeBytes } = await registry.keepArchive(archive());
    const pkg = byUrl('p', 'http://unused', sha256);
    const hostile: Package = {
      ...pkg,
      spec: { ...pkg.spec, deployment: { type: 'kept', sha256, sizeBytes } },
    };
    await assert.rejects(fetched(registry, hostile), says);
    assert.deepEqual(await readdir(join(dir.path, 'packages')), ['package.json']);
  });

void test('more entries than the limit are refused before one is unpacked', async () => {
  await using dir = await scratch();
  const archive = made({ a: Buffer.from('1'), b: Buffer.from('2') });
  await assert.rejects(unzip(archive, dir.path, { ...UNZIP_LIMITS, maxEntries: 1 }), {
    reason: 'body_too_large',
  });
  assert.deepEqual(await readdir(dir.path), []);
});

function made(files: Record<string, Uint8Array>): Buffer {
  return Buffer.from(zipSync(files));
}

/** Both headers say 3 bytes where 100,000 come out. */
function lying(): Buffer {
  const bytes = made({ a: Buffer.alloc(100_000) });
  const central = bytes.indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
  bytes.writeUInt32LE(3, central + 24);
  bytes.writeUInt32LE(3, 22);
  return bytes;
}

function corrupt(): Buffer {
  const bytes = Buffer.from(zipSync({ a: [Buffer.from('hello'), { level: 0 }] }));
  bytes.write('j', bytes.indexOf('hello'));
  return bytes;
}

async function fetched(registry: Registry, pkg: Package): Promise<string> {
  const { metadata } = await registry.put(pkg);
  return (await registry.fetchPackage(metadata)).path;
}

function environment(poolsize: number): Environment {
  return fromManifest({
    kind: 'Environment',
    metadata: { name: 'nodejs' },
    spec: { version: 3, poolsize, runtime: { image: 'node' } },
  }) as Environment;
}

function literal(name: string, env: string, content: Buffer): Package {
  return fromManifest({
    kind: 'Package',
    metadata: { name },
    spec: {
      environment: { name: env },
      deployment: { type: 'literal', literal: content.toString('base64') },
    },
  }) as Package;
}

function byUrl(name: string, url: string, sum: string): Package {
  return fromManifest({
    kind: 'Package',
    metadata: { name },
    spec: {
      environment: { name: 'nodejs' },
      deployment: { type: 'url', url, checksum: { type: 'sha256', sum } },
    },
  }) as Package;
}
