import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtempDisposable, readdir, writeFile } from 'node:fs/promises';
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { applyFolder } from './apply.ts';
import { ControlClient } from './client.ts';
import { controlHandler } from './control.ts';
import { fromManifest } from './manifest.ts';
import { openRegistry, type Registry } from './registry.ts';
import type { Environment, Resource } from './resources.ts';

const NODEJS = { name: 'nodejs', namespace: 'default' };

void test('what the client puts is in the registry, and comes back typed', async () => {
  await using platform = await startControl();
  const { client, registry } = platform;
  const made = await client.create(environment('nodejs'));
  assert.equal(registry.get('Environment', NODEJS)?.metadata.uid, made.metadata.uid);
  assert.deepEqual(await client.get('Environment', NODEJS), made);
  assert.equal((await client.put({ ...made, spec: { ...made.spec, poolsize: 9 } })).metadata.generation, 2);
  assert.deepEqual(
    (await client.list('Environment', 'default')).map(({ spec }) => spec.poolsize),
    [9],
  );
  assert.deepEqual(await client.list('Environment', 'other'), []);
  await client.delete('Environment', NODEJS);
  assert.equal(await client.get('Environment', NODEJS), undefined);
});

void test('a trigger in the shadow of an older one says so, for the methods it has lost', async () => {
  await using platform = await startControl();
  const { registry, url } = platform;
  const put = (name: string, spec: object) =>
    registry.put(
      fromManifest({
        kind: 'HTTPTrigger',
        metadata: { name },
        spec: { functionref: { type: 'name', name: 'f' }, ...spec },
      }),
    );
  await put('a', { relativeurl: '/x', methods: ['GET', 'PUT'] });
  await put('b', { relativeurl: '/x', methods: ['GET'] });
  await put('c', { relativeurl: '/x', methods: ['PUT', 'POST'] });
  await put('d', { relativeurl: '/x', host: 'other.example', methods: ['GET'] });
  await put('e', { prefix: '/x', methods: [] });
  const { items } = (await (await fetch(`${url}/control/v1/httptriggers`)).json()) as {
    items: { metadata: { name: string }; status: { conditions: Record<string, string>[] } }[];
  };
  assert.deepEqual(
    items.map(({ metadata, status: { conditions } }) => [
      metadata.name,
      conditions[0]?.['type'],
      conditions[0]?.['status'],
      conditions[0]?.['reason'],
      conditions[0]?.['message'],
    ]),
    [
      ['a', 'RouteAdmitted', 'True', 'Admitted', ''],
      ['b', 'RouteAdmitted', 'False', 'RouteConflict', 'shadowed by default/a (GET)'],
      ['c', 'RouteAdmitted', 'True', 'RouteConflict', 'shadowed by default/a (PUT)'],
      ['d', 'RouteAdmitted', 'True', 'Admitted', ''],
      ['e', 'RouteAdmitted', 'True', 'Admitted', ''],
    ],
  );
});

void test('creating twice is a conflict, deleting nothing is not found', async () => {
  await using platform = await startControl();
  const { client } = platform;
  await client.create(environment('nodejs'));
  await assert.rejects(client.create(environment('nodejs')), {
    reason: 'conflict',
    message: "cannot create environment 'nodejs': it is there already",
  });
  await assert.rejects(client.delete('Function', NODEJS), { reason: 'not_found' });
});

void test('an archive that was uploaded can be read through its package; one that was not is refused', async () => {
  await using platform = await startControl();
  const { client } = platform;
  const content = Buffer.alloc(1_000_000, 'x');
  const kept = await client.keepArchive(content);
  assert.equal(await client.hasArchive(kept.sha256), true);
  const pkg = fromManifest({
    kind: 'Package',
    metadata: { name: 'p' },
    spec: {
      environment: NODEJS,
      deployment: { type: 'kept', checksum: { sum: kept.sha256 }, sizeBytes: kept.sizeBytes },
    },
  });
  await client.create(pkg);
  assert.deepEqual(await client.readArchive(pkg.metadata, 'deployment'), content);
  const other = fromManifest({
    kind: 'Package',
    metadata: { name: 'q' },
    spec: { environment: NODEJS, deployment: { type: 'kept', checksum: { sum: 'ab'.repeat(32) } } },
  });
  await assert.rejects(client.create(other), { reason: 'bad_request', message: /was not uploaded/ });
});

void test('secrets and configmaps are kept and are not given out', async () => {
  await using platform = await startControl();
  const { client, registry, url } = platform;
  await client.putSecret(NODEJS, { 'api.key': Buffer.from('s3cret') });
  await client.putConfigmap(NODEJS, { level: Buffer.from('debug') });
  assert.equal(Buffer.from(registry.secret(NODEJS)?.['api.key'] as Uint8Array).toString(), 's3cret');
  assert.equal(Buffer.from(registry.configmap(NODEJS)?.['level'] as Uint8Array).toString(), 'debug');
  assert.equal((await fetch(`${url}/control/v1/secrets/default/nodejs`)).status, 405);
  await assert.rejects(client.putSecret(NODEJS, { '../x': Buffer.from('') }), { reason: 'bad_request' });
});

const WRONG: readonly (readonly [
  what: string,
  path: string,
  init: RequestInit,
  status: number,
  says: RegExp,
])[] = [
  ['an unknown kind', '/control/v1/cakes', {}, 404, /cannot find/],
  ['a path outside', '/control/v2/environments', {}, 404, /cannot find/],
  ['a broken escape', '/control/v1/environments/%zz/a', {}, 400, /cannot read the path/],
  ['a wrong method', '/control/v1/environments', { method: 'PATCH' }, 405, /use GET, POST/],
  [
    'a body of a type that a web page may send',
    '/control/v1/environments',
    { method: 'POST', body: '{}' },
    415,
    /application\/json/,
  ],
  ['broken JSON', '/control/v1/environments', json('{"kind": '), 400, /cannot read the body/],
  [
    'another kind',
    '/control/v1/environments',
    json(
      '{"kind":"TimeTrigger","metadata":{"name":"a"},"spec":{"cron":"@hourly","functionref":{"name":"f"}}}',
    ),
    400,
    /among the Environment/,
  ],
  [
    'a field of the wrong type',
    '/control/v1/environments',
    json(
      '{"kind":"Environment","metadata":{"name":"a"},"spec":{"poolsize":"many","runtime":{"image":"node"}}}',
    ),
    400,
    /spec\.poolsize must be a whole number, not "many"/,
  ],
  ['an apply without an owner', '/control/v1/apply', json('{"resources":[]}'), 400, /name and a uid/],
];

for (const [what, path, init, status, says] of WRONG)
  void test(`${what} is answered ${status} with a reason`, async () => {
    await using platform = await startControl();
    const response = await fetch(`${platform.url}${path}`, init);
    assert.equal(response.status, status);
    const body = (await response.json()) as { component: string; reason: string; message: string };
    assert.equal(body.component, 'spec');
    assert.match(body.message, says);
  });

void test('a body that says it is too large is refused at once', async () => {
  await using platform = await startControl();
  const sending = request(`${platform.url}/control/v1/archives`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(2 ** 40) },
  });
  sending.on('error', () => {});
  sending.flushHeaders();
  const [response] = (await once(sending, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 413);
  sending.destroy();
});

void test('a folder is applied, found equal, changed, and emptied again', async () => {
  await using platform = await startControl();
  await using dir = await folder({ ...APP });
  const { client, registry } = platform;
  const specs = join(dir.path, 'specs');

  const first = await applyFolder(client, specs);
  assert.deepEqual(
    first.created.map(({ kind, name }) => `${kind} ${name}`),
    ['Environment nodejs', 'Package many', 'Package one', 'Function hello', 'HTTPTrigger hello'],
  );
  assert.deepEqual(first.uploaded.toSorted(), ['many', 'one']);
  const file = await registry.fetchPackage({ name: 'one', namespace: 'default' });
  assert.match(file.path, /deployarchive$/);

  const second = await applyFolder(client, specs);
  assert.deepEqual([second.created, second.updated, second.deleted, second.uploaded], [[], [], [], []]);
  assert.equal(second.unchanged.length, 5);

  await writeFile(join(dir.path, 'fn/one.js'), 'changed');
  const dry = await applyFolder(client, specs, { dryRun: true });
  assert.deepEqual(dry.updated.map(({ name }) => name).toSorted(), ['many', 'one']);
  assert.deepEqual(registry.get('Package', { name: 'one', namespace: 'default' })?.metadata.generation, 1);

  await writeFile(join(specs, 'route.yaml'), '');
  assert.deepEqual((await applyFolder(client, specs)).deleted, []);
  const pruned = await applyFolder(client, specs, { delete: true });
  assert.deepEqual(
    pruned.deleted.map(({ kind }) => kind),
    ['HTTPTrigger'],
  );
});

void test('exclude is applied, and what a glob matches lies at the root of the archive', async () => {
  await using platform = await startControl();
  await using dir = await folder({ ...APP, 'fn/secret.env': 'KEY=1', 'fn/lib/a.js': 'a' });
  await applyFolder(platform.client, join(dir.path, 'specs'));
  const { path } = await platform.registry.fetchPackage({ name: 'many', namespace: 'default' });
  assert.deepEqual((await readdir(path, { recursive: true })).sort(), [
    'lib',
    'lib/a.js',
    'one.js',
    'two.js',
  ]);
});

void test("another's resource is a conflict until it is taken over, and then nothing was half applied", async () => {
  await using platform = await startControl();
  await using dir = await folder({ ...APP });
  const { client, registry } = platform;
  await client.create(
    fromManifest({
      kind: 'Function',
      metadata: { name: 'hello' },
      spec: { environment: NODEJS, package: { packageref: { name: 'p' } } },
    }),
  );
  await assert.rejects(applyFolder(client, join(dir.path, 'specs')), {
    reason: 'conflict',
    message: /function 'hello'.*--allowconflicts/,
  });
  assert.equal(registry.list('Environment').length, 0);
  const result = await applyFolder(client, join(dir.path, 'specs'), { allowConflicts: true });
  assert.deepEqual(
    result.updated.map(({ name }) => name),
    ['hello'],
  );
});

void test('a faulty folder is refused with every fault, and nothing is applied', async () => {
  await using platform = await startControl();
  await using dir = await folder({
    ...APP,
    'specs/bad.yaml':
      'kind: HTTPTrigger\nmetadata: {name: t}\nspec: {relativeurl: nope, functionref: {name: hello}}',
    'specs/worse.yml':
      'kind: TimeTrigger\nmetadata: {name: t}\nspec: {cron: "@hourly", functionref: {name: nobody}}',
    'specs/ignored.yaml': 'kind: [',
    'specs/.specignore': '# not these\nignored.yaml\n',
  });
  await assert.rejects(applyFolder(platform.client, join(dir.path, 'specs')), (error: Error) => {
    assert.match(error.message, /2 problems/);
    assert.match(error.message, /bad\.yaml:3: spec\.relativeurl must begin with "\/", not "nope"/);
    assert.match(
      error.message,
      /worse\.yml:3: spec\.functionref of time trigger 't' refers to function 'nobody'/,
    );
    return true;
  });
  assert.deepEqual(platform.registry.list('Function'), []);
});

void test('a platform that is not there is told with advice', async () => {
  await assert.rejects(new ControlClient('http://127.0.0.1:9').list('Function'), {
    component: 'cli',
    reason: 'unavailable',
    message: /spoor up/,
  });
});

const APP = {
  'specs/fission-deployment-config.yaml':
    'kind: DeploymentConfig\nname: app\nuid: 11111111-2222-4333-8444-555555555555\n',
  'specs/app.yaml': `
kind: Environment
metadata: { name: nodejs }
spec: { version: 3, runtime: { image: node-env } }
---
{ kind: ArchiveUploadSpec, name: one, include: [fn/one.js] }
---
{ kind: ArchiveUploadSpec, name: many, include: ["fn/*"], exclude: ["**/*.env"] }
---
{ kind: Package, metadata: { name: many }, spec: { environment: { name: nodejs }, deployment: { type: url, url: "archive://many" } } }
---
{ kind: Package, metadata: { name: one }, spec: { environment: { name: nodejs }, deployment: { type: url, url: "archive://one" } } }
---
{ kind: Function, metadata: { name: hello }, spec: { environment: { name: nodejs }, package: { packageref: { name: one } } } }
`,
  'specs/route.yaml':
    '{ kind: HTTPTrigger, metadata: { name: hello }, spec: { relativeurl: /hello, functionref: { name: hello } } }',
  'fn/one.js': 'one',
  'fn/two.js': 'two',
};

async function folder(files: Readonly<Record<string, string>>) {
  const dir = await mkdtempDisposable(join(tmpdir(), 'spoor-specs-'));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir.path, name)), { recursive: true });
    await writeFile(join(dir.path, name), content);
  }
  return dir;
}

interface Control extends AsyncDisposable {
  readonly url: string;
  readonly client: ControlClient;
  readonly registry: Registry;
}

async function startControl(): Promise<Control> {
  await using starting = new AsyncDisposableStack();
  const dir = starting.use(await mkdtempDisposable(join(tmpdir(), 'spoor-control-')));
  const registry = starting.use(await openRegistry({ dataDir: dir.path }));
  const handle = controlHandler(registry);
  const server = createServer((request, response) => void handle(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  starting.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const started = starting.move();
  return {
    url,
    client: new ControlClient(url),
    registry,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

function environment(name: string): Environment {
  return fromManifest({
    kind: 'Environment',
    metadata: { name },
    spec: { version: 3, runtime: { image: 'node' } },
  } satisfies Record<string, unknown>) as Extract<Resource, { kind: 'Environment' }>;
}

function json(body: string): RequestInit {
  return { method: 'POST', body, headers: { 'content-type': 'application/json' } };
}
