import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { deflateRawSync, crc32 } from 'node:zlib';
import { ControlClient } from '../../platform/spec/client.ts';
import { fromManifest } from '../../platform/spec/manifest.ts';
import type { Archive, Package } from '../../platform/spec/resources.ts';
import { spoor, spoorUp, type SpoorUp } from '../support/spoor.ts';

const GOOD = 'module.exports = async () => ({ status: 200, body: "as before" });';

describe('hostile specs and archives', () => {
  let up: SpoorUp;
  let dir: AsyncDisposable & { readonly path: string };
  let client: ControlClient;
  let platformPid: number;

  before(async () => {
    up = await spoorUp();
    dir = await mkdtempDisposable(join(tmpdir(), 'spoor-hostile-'));
    client = new ControlClient(up.internal);
    await client.create(
      fromManifest({
        kind: 'Environment',
        metadata: { name: 'nodejs' },
        spec: { version: 3, poolsize: 2, runtime: { image: 'node' } },
      }),
    );
    await client.create(
      fromManifest({
        kind: 'Environment',
        metadata: { name: 'python' },
        spec: { version: 3, poolsize: 1, runtime: { image: 'python' } },
      }),
    );
    await deploy('good', { type: 'literal', literal: Buffer.from(GOOD) });
    platformPid = await up.partPid('platform');
    await answersAsBefore();
  });
  after(async () => {
    // The same process as at the start: nothing below has brought it down.
    const isSame = (await up.partPid('platform')) === platformPid;
    await up[Symbol.asyncDispose]();
    await dir[Symbol.asyncDispose]();
    assert.ok(isSame, 'the platform was started again');
  });

  async function deploy(
    name: string,
    archive: Archive,
    options: { entry?: string; env?: string; source?: boolean } = {},
  ) {
    const environment = { name: options.env ?? 'nodejs', namespace: 'default' };
    const { metadata } = fromManifest({
      kind: 'Package',
      metadata: { name },
      spec: { environment },
    }) as Package;
    await client.put({
      kind: 'Package',
      metadata,
      spec: {
        environment,
        buildcmd: '',
        ...(options.source === true ? { source: archive } : { deployment: archive }),
      },
      status: { buildstatus: options.source === true ? 'pending' : 'succeeded', buildlog: '' },
    } satisfies Package);
    await client.put(
      fromManifest({
        kind: 'Function',
        metadata: { name },
        spec: { environment, package: { packageref: { name }, functionName: options.entry ?? '' } },
      }),
    );
  }

  const call = async (name: string) => {
    const response = await fetch(`${up.internal}/fission-function/${name}`);
    return { status: response.status, text: await response.text() };
  };
  const answersAsBefore = async () =>
    assert.deepEqual(await call('good'), { status: 200, text: 'as before' });
  const kept = async (bytes: Uint8Array): Promise<Archive> => ({
    type: 'kept',
    ...(await client.keepArchive(bytes)),
  });

  const ZIPS: readonly (readonly [what: string, entries: () => readonly Entry[], says: RegExp])[] = [
    [
      'names that climb out',
      () => [{ name: '../../escaped.js', content: GOOD }],
      /escaped\.js\] would lie outside/,
    ],
    ['names from the root', () => [{ name: '/tmp/spoor-escaped.js', content: GOOD }], /would lie outside/],
    ['names with back slashes', () => [{ name: '..\\escaped.js', content: GOOD }], /would lie outside/],
    [
      'a symbolic link',
      () => [{ name: 'index.js', content: '/etc/passwd', mode: 0o120777 }],
      /is a symbolic link/,
    ],
    [
      'one name twice',
      () => [
        { name: 'index.js', content: GOOD },
        { name: 'index.js', content: 'other' },
      ],
      /is there twice/,
    ],
    [
      'a bomb that says its size',
      () => [{ name: 'index.js', content: Buffer.alloc(300 * 1024 * 1024) }],
      /more than 200 times|unpacks/,
    ],
    [
      'a bomb that lies about its size',
      () => [{ name: 'index.js', content: Buffer.alloc(64 * 1024 * 1024), says: 10 }],
      /cannot be inflated to the size it says|not of the size/,
    ],
  ];
  for (const [what, entries, says] of ZIPS)
    test(`a zip with ${what} is refused when it is unpacked, and written nowhere`, async () => {
      await deploy('bad', await kept(zipOf(entries())));
      const { status, text } = await call('bad');
      assert.equal(status, 500, text);
      assert.match(text, says);
      await answersAsBefore();
      assert.ok(!existsSync('/tmp/spoor-escaped.js'));
      assert.ok(
        !existsSync(join(up.data, 'platform/escaped.js')) &&
          !existsSync(join(up.data, 'platform/packages/escaped.js')),
      );
    });

  test('the same as a source fails its build, and says so in its log', async () => {
    await deploy('badsource', await kept(zipOf([{ name: '../../escaped.js', content: GOOD }])), {
      source: true,
    });
    const waited = await spoor(['--server', up.internal, 'pkg', 'wait', '--name', 'badsource']);
    assert.equal(waited.exitCode, 1);
    assert.match(waited.stderr, /would lie outside the package/);
    await answersAsBefore();
  });

  test('bytes that are half a zip', async () => {
    await deploy('cut', await kept(zipOf([{ name: 'index.js', content: GOOD }]).subarray(0, 40)));
    assert.match((await call('cut')).text, /cut short|no end record/);
    await answersAsBefore();
  });

  for (const [env, entry] of [
    ['nodejs', '../../../../../../etc/passwd'],
    ['nodejs', '/etc/passwd'],
    ['nodejs', '../../other/deployarchive/index'],
    ['nodejs', 'a\u0000b'],
    ['python', '..user.main'],
    ['python', '../../user.main'],
    ['python', 'os.system'],
  ] as const)
    test(`an entry point that leaves the package: ${JSON.stringify(entry)} in ${env}`, async () => {
      const name = env === 'nodejs' ? 'index.js' : 'user.py';
      const content = env === 'nodejs' ? GOOD : 'def main():\n    return "fine"\n';
      await deploy('climber', await kept(zipOf([{ name, content }])), { entry, env });
      const { status, text } = await call('climber');
      // Refused, or understood as something of its own: `..` is no name of a file in Fission's `file.function`.
      assert.ok(status >= 400 || text === 'as before', `${status} ${text}`);
      assert.doesNotMatch(text, /root:/);
      await answersAsBefore();
    });

  test("an entry point that names another package's code runs nothing of it", async () => {
    const decoy = await kept(zipOf([{ name: 'index.js', content: GOOD.replace('as before', 'decoy') }]));
    await deploy('decoy', decoy);
    assert.equal((await call('decoy')).text, 'decoy');
    assert.ok(decoy.type === 'kept');
    const place = `platform/packages/${decoy.sha256}/deployarchive/index`;
    for (const entry of [
      join(up.data, place),
      `../../${decoy.sha256}/deployarchive/index`,
      `x/../../../${decoy.sha256}/deployarchive/index`,
    ]) {
      await deploy('climber', await kept(zipOf([{ name: 'index.js', content: GOOD }])), { entry });
      assert.doesNotMatch((await call('climber')).text, /decoy/, entry);
    }
    await answersAsBefore();
  });

  const SPECS: readonly (readonly [what: string, content: () => string | Buffer, says: RegExp])[] = [
    [
      'a YAML bomb',
      () =>
        `a: &a [${'x,'.repeat(9)}x]\n${Array.from({ length: 8 }, (_, index) => `${'bcdefghi'[index]}: &${'bcdefghi'[index]} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(',')}]`).join('\n')}\nkind: Function\nmetadata: *i\n`,
      /bomb\.yaml.*(alias|Excessive)/,
    ],
    ['invalid UTF-8', () => Buffer.from([0x6b, 0x69, 0x6e, 0x64, 0x3a, 0xff, 0xfe]), /bomb\.yaml.*UTF-8/],
    ['ten thousand brackets', () => '['.repeat(10_000), /bomb\.yaml/],
    [
      'a key of the prototype',
      () =>
        'kind: Function\n__proto__: { polluted: true }\nmetadata: { name: p }\nspec: { environment: { name: none }, package: { packageref: { name: none } } }\n',
      /environment 'none'/,
    ],
    [
      'a name that is a path',
      () => 'kind: Environment\nmetadata: { name: ../../etc }\nspec: { runtime: { image: node } }\n',
      /metadata\.name must be lower-case/,
    ],
    [
      'a number past all bounds',
      () =>
        'kind: Environment\nmetadata: { name: a }\nspec: { version: 3, poolsize: 1e99, runtime: { image: node } }\n',
      /spec\.poolsize/,
    ],
  ];
  for (const [what, content, says] of SPECS)
    test(`a spec folder with ${what} is refused, by file, and changes nothing`, async () => {
      const specs = join(dir.path, what.replaceAll(/\W+/g, '-'));
      await mkdir(specs);
      await writeFile(
        join(specs, 'fission-deployment-config.yaml'),
        'kind: DeploymentConfig\nname: bad\nuid: 5ab9e5b6-8d0a-4b8e-9d0d-0a6f6f3b7c11\n',
      );
      await writeFile(join(specs, 'bomb.yaml'), content());
      const run = await spoor(['--server', up.internal, 'spec', 'apply', '--specdir', specs], {
        timeoutMs: 30_000,
      });
      assert.equal(run.exitCode, 1, run.stdout);
      assert.match(run.stderr, says);
      assert.equal(
        (await client.list('Function')).some(({ metadata }) => metadata.name === 'p'),
        false,
      );
      await answersAsBefore();
    });

  const BODIES: readonly (readonly [what: string, body: string | Uint8Array, status: number])[] = [
    ['no JSON', '{', 400],
    ['invalid UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400],
    ['nothing', '', 400],
    ['null', 'null', 400],
    [
      'another kind',
      '{"kind":"Environment","metadata":{"name":"x"},"spec":{"runtime":{"image":"node"}}}',
      400,
    ],
    [
      'a prototype',
      '{"kind":"Function","metadata":{"name":"x"},"__proto__":{"a":1},"spec":{"environment":{"name":["a"]}}}',
      400,
    ],
    ['depth', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`, 400],
  ];
  for (const [what, body, status] of BODIES)
    test(`the control API is sent ${what}, and refuses it`, async () => {
      const response = await fetch(`${up.internal}/control/v1/functions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      assert.equal(response.status, status, await response.text());
      await answersAsBefore();
    });

  test('the control API is asked for paths that climb', async () => {
    for (const path of [
      '/control/v1/packages/..%2f..%2f/x',
      '/control/v1/archives/..%2f..%2fregistry.db',
      '/control/v1/packages/default/good/..%2f..',
      '/control/v1/%ff/x',
    ]) {
      const response = await fetch(`${up.internal}${path}`);
      assert.ok([400, 404].includes(response.status), `${path}: ${response.status}`);
      await response.text();
    }
    await answersAsBefore();
  });
});

interface Entry {
  readonly name: string;
  readonly content: string | Buffer;
  readonly mode?: number;
  /** The size it claims to have. */
  readonly says?: number;
}

/** A zip without the care a library would take (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16). */
function zipOf(entries: readonly Entry[]): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, mode = 0o100644, says } of entries) {
    const bytes = Buffer.from(content as Buffer);
    const packed = deflateRawSync(bytes);
    const path = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(says ?? bytes.length, 18);
    common.writeUInt16LE(path.length, 22);
    const local = Buffer.concat([Buffer.from('PK\u0003\u0004'), common, path, packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((mode << 16) >>> 0, 6);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\u0001\u0002'), Buffer.from([20, 3]), common, rest, path]));
    files.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\u0005\u0006', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...files, central, end]);
}
