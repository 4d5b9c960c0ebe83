import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtempDisposable, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { Command, CommanderError } from 'commander';
import { parse } from 'yaml';
import { Failure } from '../../server/failure.ts';
import { readBody } from '../../server/read-body.ts';
import { controlHandler } from '../../platform/spec/control.ts';
import { openRegistry, type Registry } from '../../platform/spec/registry.ts';
import { createCliContext, type CliContext } from '../context.ts';
import { createOutput } from '../output.ts';
import { registerVerbs } from './register.ts';
import { nextTimes } from './tt.ts';

const HELLO = 'module.exports = async () => ({ status: 200, body: "hello" })';
const DEFAULT = 'default';

void test('how asynchronous calls are delivered is said by flags, one by one', async () => {
  await using spoor = await startCli();
  await writeFile(spoor.path('hello.js'), HELLO);
  await spoor.run('env', 'create', '--name', 'nodejs', '--image', 'node-env');
  const create = ['fn', 'create', '--name', 'hello', '--env', 'nodejs', '--code', spoor.path('hello.js')];
  await spoor.run(...create, '--async-retry-max-attempts', '5', '--async-on-success', 'next');
  const update = ['fn', 'update', '--name', 'hello'];
  await spoor.run(
    ...update,
    '--async-max-age',
    '90s',
    '--async-on-failure',
    'sorry',
    '--async-on-success',
    '',
  );
  const found = spoor.registry.get('Function', { name: 'hello', namespace: DEFAULT });
  assert.deepEqual(found?.spec.invocation, {
    maxAttempts: 5,
    maxAgeMs: 90_000,
    onFailure: { type: 'function', name: 'sorry' },
  });
});

void test('a route in the shadow of an older one says so, and is not waited for', async () => {
  await using spoor = await startCli();
  await writeFile(spoor.path('hello.js'), HELLO);
  await spoor.run('env', 'create', '--name', 'nodejs', '--image', 'node-env');
  await spoor.run('fn', 'create', '--name', 'hello', '--env', 'nodejs', '--code', spoor.path('hello.js'));
  for (const name of ['first', 'second'])
    await spoor.run('route', 'create', '--function', 'hello', '--url', '/hello', '--name', name);
  const list = (await spoor.run('route', 'list')).out;
  assert.match(list, /^second .* RouteConflict: shadowed by default\/first \(GET\)$/m);
  assert.doesNotMatch(list, /^first .* RouteConflict/m);
  assert.match((await spoor.run('route', 'get', '--name', 'second')).out, /reason: RouteConflict/);
  assert.match((await spoor.run('route', 'wait', '--name', 'first')).out, /condition met/);
  const waited = await spoor.run('route', 'wait', '--name', 'second', '--for', 'condition=RouteAdmitted');
  assert.equal(waited.code, 1);
  assert.match(waited.err, /RouteConflict: it is shadowed by default\/first/);
});

void test("Fission's quick start works word for word", async () => {
  await using spoor = await startCli();
  await writeFile(spoor.path('hello.js'), HELLO);
  assert.equal(
    (await spoor.run('env', 'create', '--name', 'nodejs', '--image', 'ghcr.io/fission/node-env')).out,
    "environment 'nodejs' created\n",
  );
  const made = await spoor.run(
    'fn',
    'create',
    '--name',
    'hello',
    '--env',
    'nodejs',
    '--code',
    spoor.path('hello.js'),
  );
  assert.match(made.out, /^package 'hello-[0-9a-f-]{36}' created\nfunction 'hello' created\n$/);
  assert.equal((await spoor.run('fn', 'get', '--name', 'hello')).out, HELLO);
  assert.match(
    (await spoor.run('route', 'create', '--function', 'hello', '--url', 'hello', '--name', 'r')).out,
    /trigger 'r' created/,
  );
  assert.equal(
    spoor.registry.get('HTTPTrigger', { name: 'r', namespace: DEFAULT })?.spec.relativeurl,
    '/hello',
  );
  assert.match(
    (
      await spoor.run(
        'mqt',
        'create',
        '--name',
        'm',
        '--function',
        'hello',
        '--topic',
        'in',
        '--resptopic',
        'out',
        '--maxretries',
        '2',
      )
    ).out,
    /'m' created/,
  );
  assert.equal(
    spoor.registry.get('MessageQueueTrigger', { name: 'm', namespace: DEFAULT })?.spec.mqtkind,
    'keda',
  );
  assert.match(
    (await spoor.run('tt', 'create', '--name', 't', '--function', 'hello', '--cron', '@every 1m')).out,
    /'t' created/,
  );
  const { out } = await spoor.run('fn', 'describe', '--name', 'hello');
  assert.match(out, /Route: +GET \/hello {2}\(r\)\n/);
  assert.match(out, /Topic: +in -> out {2}\(m\)\n/);
});

void test('a list is a table for people and data for programs', async () => {
  await using spoor = await startCli();
  await spoor.run('env', 'create', '--name', 'nodejs', '--image', 'node', '--poolsize', '12');
  await spoor.run('env', 'create', '--name', 'py', '--image', 'fission/python-env');
  assert.equal(
    (await spoor.run('env', 'list')).out,
    [
      'NAME     IMAGE                BUILDER_IMAGE   POOLSIZE   VERSION   NAMESPACE',
      'nodejs   node                                       12         3   default',
      'py       fission/python-env                          3         3   default',
      '',
    ].join('\n'),
  );
  const data = JSON.parse((await spoor.run('env', 'list', '-o', 'json')).out) as {
    spec: { poolsize: number };
  }[];
  assert.deepEqual(
    data.map(({ spec }) => spec.poolsize),
    [12, 3],
  );
  assert.equal(
    (parse((await spoor.run('env', 'get', '--name', 'py')).out) as { kind: string }).kind,
    'Environment',
  );
});

void test('new code goes into the same package, unless another function uses it too', async () => {
  await using spoor = await startCli();
  const code = spoor.path('a.js');
  await writeFile(code, 'one');
  await spoor.run('env', 'create', '--name', 'nodejs', '--image', 'node');
  await spoor.run('fn', 'create', '--name', 'a', '--env', 'nodejs', '--code', code);
  const packageOf = (name: string) =>
    spoor.registry.get('Function', { name, namespace: DEFAULT })?.spec.package.packageref.name;
  const first = packageOf('a');
  await writeFile(code, 'two');
  assert.equal(
    (await spoor.run('fn', 'update', '--name', 'a', '--code', code, '--fntimeout', '5')).out,
    "function 'a' updated\n",
  );
  assert.equal(packageOf('a'), first);
  assert.equal((await spoor.run('fn', 'get', '--name', 'a')).out, 'two');
  assert.equal(spoor.registry.get('Function', { name: 'a', namespace: DEFAULT })?.spec.functionTimeout, 5);

  await spoor.run('fn', 'create', '--name', 'b', '--pkg', first as string);
  await writeFile(code, 'three');
  await spoor.run('fn', 'update', '--name', 'b', '--code', code);
  assert.notEqual(packageOf('b'), first);
  assert.equal((await spoor.run('fn', 'get', '--name', 'a')).out, 'two');
});

void test('fn test prints the answer alone on stdout, and both ids on stderr', async () => {
  await using spoor = await startCli();
  const { out, err, code } = await spoor.run(
    'fn',
    'test',
    '--name',
    'echo',
    '--method',
    'POST',
    '--body',
    'hi',
    '-H',
    'X-A: b',
    '-q',
    'c=d',
    '--subpath',
    '/sub',
    '--trace',
  );
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(out), {
    method: 'POST',
    url: '/fission-function/echo/sub?c=d',
    a: 'b',
    body: 'hi',
  });
  assert.match(err, /request id req-1\ntrace id {3}4bf92f3577b34da6a3ce929d0e0e4736\n/);
  assert.deepEqual(spoor.drawn, ['4bf92f3577b34da6a3ce929d0e0e4736']);
});

void test('fn test says who failed in one line and exits 1', async () => {
  await using spoor = await startCli();
  const { out, err, code } = await spoor.run('fn', 'test', '--name', 'broken', '-n', 'other');
  assert.equal(code, 1);
  assert.match(out, /specialization_failed/);
  assert.match(
    err,
    /cannot call function 'broken': specialization_failed at the executor \(status 500\): cannot load index\.js\n$/,
  );
  assert.equal((await spoor.run('fn', 'test', '--name', 'a', '-b', 'x')).code, 2);
});

void test('topics: publish sends key, headers and bytes; list and peek show them', async () => {
  await using spoor = await startCli();
  assert.equal(
    (
      await spoor.run(
        'topic',
        'publish',
        'greetings',
        '--key',
        'ada',
        '--header',
        'lang=en',
        '--body',
        'hello',
      )
    ).out,
    "record 0/7 appended to topic 'greetings'\n",
  );
  assert.deepEqual(spoor.published, [{ topic: 'greetings', key: 'ada', lang: 'en', body: 'hello' }]);
  const lines = (await spoor.run('topic', 'peek', 'greetings', '--offset', '7')).out.split('\n');
  assert.match(lines[1] as string, /^ +0 +7 +2026-01-01T00:00:00\.000Z +ada +hello +lang=en$/);
  assert.deepEqual(JSON.parse((await spoor.run('topic', 'peek', 'greetings', '-o', 'json')).out), [
    {
      partition: 0,
      offset: '7',
      timestamp: '2026-01-01T00:00:00.000Z',
      key: 'ada',
      headers: [['lang', 'en']],
      value: 'hello',
    },
  ]);
  assert.match((await spoor.run('topic', 'list')).out, /greetings +1 +8 +cards\(lag 3\)/);
});

void test('a spec folder is made, filled with --spec, validated, applied, listed and destroyed', async () => {
  await using spoor = await startCli();
  const specs = spoor.path('app/specs');
  const at = ['--specdir', specs];
  await mkdir(spoor.path('app'));
  await writeFile(spoor.path('app/hello.js'), HELLO);
  assert.equal((await spoor.run('spec', 'init', ...at)).code, 0);
  assert.equal((await spoor.run('spec', 'init', ...at)).code, 2);
  assert.match(await readFile(join(specs, 'fission-deployment-config.yaml'), 'utf8'), /name: app\n/);
  await spoor.run('env', 'create', '--name', 'nodejs', '--image', 'node', '--spec', ...at);
  await spoor.run(
    'fn',
    'create',
    '--name',
    'hello',
    '--env',
    'nodejs',
    '--code',
    spoor.path('app/hello.js'),
    '--url',
    '/hello',
    '--spec',
    ...at,
  );
  assert.deepEqual(spoor.registry.list('Function'), []);
  assert.match((await spoor.run('spec', 'validate', ...at)).out, /^Spec validation successful: 4 resources/);
  assert.match(
    (await spoor.run('spec', 'apply', ...at, '--dry-run')).out,
    /1 function would be created: hello\n/,
  );
  assert.match(
    (await spoor.run('spec', 'apply', ...at, '--wait')).out,
    /1 environment created: nodejs\n.*1 function created: hello\n/s,
  );
  assert.equal((await spoor.run('spec', 'apply', ...at)).out, 'Everything up to date.\n');
  assert.match((await spoor.run('spec', 'list', ...at)).out, /Function +hello +default\n/);
  assert.match((await spoor.run('spec', 'destroy', ...at)).out, /1 function deleted: hello\n/);
  assert.deepEqual(spoor.registry.list('Environment'), []);
});

void test(
  'what a folder no longer declares is deleted with --delete; with --watch it is applied at each change',
  { timeout: 60_000 },
  async () => {
    await using spoor = await startCli();
    const specs = spoor.path('app/specs');
    const at = ['--specdir', specs];
    await spoor.run('spec', 'init', ...at);
    const envs = ['one', 'two'];
    for (const name of envs)
      await spoor.run('env', 'create', '--name', name, '--image', 'node', '--spec', ...at);
    const names = () => spoor.registry.list('Environment').map(({ metadata }) => metadata.name);
    await spoor.run('spec', 'apply', ...at);
    assert.deepEqual(names().toSorted(), envs);
    await rm(join(specs, 'environment-two.yaml'));
    assert.equal((await spoor.run('spec', 'apply', ...at)).code, 0);
    assert.deepEqual(names().toSorted(), envs);
    assert.match((await spoor.run('spec', 'apply', ...at, '--delete')).out, /1 environment deleted: two\n/);
    assert.deepEqual(names(), ['one']);

    const main = join(import.meta.dirname, '../main.ts');
    const args = [main, 'spec', 'apply', '--watch', '--delete', ...at, '--server', spoor.url];
    const watching = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    try {
      for await (const line of createInterface(watching.stderr)) if (line.includes('watching')) break;
      const changed = new Promise<void>((resolve) => {
        spoor.registry.onChange(({ resource }) => {
          if (resource.metadata.name === 'three') resolve();
        });
      });
      await rename(join(specs, 'environment-one.yaml'), join(specs, 'environment-three.yaml'));
      const text = await readFile(join(specs, 'environment-three.yaml'), 'utf8');
      await writeFile(join(specs, 'environment-three.yaml'), text.replace('name: one', 'name: three'));
      await changed;
      assert.deepEqual(names(), ['three']);
    } finally {
      watching.kill();
      await once(watching, 'exit');
    }
  },
);

const WRONG: readonly (readonly [what: string, args: readonly string[], code: number, says: RegExp])[] = [
  ['an unknown verb', ['fn', 'fly'], 2, /unknown command/],
  ['an unknown flag', ['fn', 'list', '--colour'], 2, /unknown option/],
  ['a missing flag', ['env', 'create', '--name', 'a'], 2, /--image/],
  [
    'a number that is none',
    ['env', 'create', '--name', 'a', '--image', 'node', '--poolsize', 'many'],
    2,
    /whole number/,
  ],
  ['an image we cannot run', ['env', 'create', '--name', 'a', '--image', 'go-env'], 1, /\[go-env\]/],
  ['a function without code', ['fn', 'create', '--name', 'a', '--env', 'e'], 2, /give --code/],
  [
    'a function of an environment that is not there',
    ['fn', 'create', '--name', 'a', '--env', 'e', '--code', import.meta.filename],
    1,
    /environment 'e'/,
  ],
  [
    'code that is not there',
    ['fn', 'create', '--name', 'a', '--env', 'nodejs', '--code', 'none.js'],
    2,
    /none\.js/,
  ],
  ['a route to nothing', ['route', 'create', '--function', 'none', '--url', '/a'], 1, /function 'none'/],
  [
    'weights that are not a whole',
    [
      'route',
      'create',
      '--function',
      'a',
      '--function',
      'b',
      '--weight',
      '1',
      '--weight',
      '2',
      '--url',
      '/a',
    ],
    2,
    /must sum to 100/,
  ],
  ['a bad cron expression', ['tt', 'create', '--function', 'a', '--cron', '61 * * * *'], 2, /61/],
  ['a name that is none', ['env', 'create', '--name', 'A B', '--image', 'node'], 1, /metadata\.name/],
  [
    'a name that is misspelt',
    ['env', 'get', '--name', 'nodjs'],
    1,
    /cannot find environment 'nodjs': there is none\. Did you mean 'nodejs'\?/,
  ],
  ['deleting what is misspelt', ['env', 'delete', '--name', 'NodeJs2'], 1, /Did you mean 'nodejs'\?/],
  [
    'creating what is there',
    ['env', 'create', '--name', 'nodejs', '--image', 'node'],
    1,
    /cannot create environment 'nodejs': it is there already; change it with `spoor env update`/,
  ],
  [
    'waiting for a name that is misspelt',
    ['env', 'wait', '--name', 'nodjs', '--timeout', '1h'],
    1,
    /cannot find environment 'nodjs': there is none\. Did you mean 'nodejs'\?/,
  ],
  ['deleting what is not there', ['fn', 'delete', '--name', 'none'], 1, /function 'none'/],
  [
    'a spec folder that is not there',
    ['spec', 'apply', '--specdir', 'nowhere'],
    1,
    /no such folder.*spec init/,
  ],
];

for (const [what, args, code, says] of WRONG)
  void test(`${what} exits ${code} and says why`, async () => {
    await using spoor = await startCli();
    if (!args.includes('e')) await spoor.run('env', 'create', '--name', 'nodejs', '--image', 'node');
    const result = await spoor.run(...args);
    assert.equal(result.code, code, result.err);
    assert.match(result.err, says);
  });

void test('deleting what is not there is fine when told so', async () => {
  await using spoor = await startCli();
  assert.equal((await spoor.run('fn', 'delete', '--name', 'none', '--ignorenotfound')).code, 0);
});

void test('every verb has help with an example', async () => {
  await using spoor = await startCli();
  const leaves = (command: Command): Command[] =>
    command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
  for (const leaf of leaves(spoor.program)) {
    let help = '';
    leaf.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
    assert.match(help, /Example:\n {2}(spoor|echo) /, leaf.name());
  }
});

void test('without a platform every verb says how to start one', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-none-'));
  const context = createCliContext(() => ({ data: dir.path }), { env: {} });
  await assert.rejects(context.server(), { component: 'cli', reason: 'unavailable', message: /spoor up/ });
  await assert.rejects(context.queryUrl(), { message: /SPOOR_QUERY_URL/ });
  await writeFile(
    join(dir.path, 'endpoints.json'),
    '{"internal":"http://127.0.0.1:1/","query":"http://127.0.0.1:2"}',
  );
  assert.equal(await context.server(), 'http://127.0.0.1:1');
  assert.equal(await context.queryUrl(), 'http://127.0.0.1:2');
  await assert.rejects(context.routerUrl(), /"router"/);
});

void test('a schedule is told in its own time zone', () => {
  const from = new Date('2026-01-01T00:00:00Z');
  const times = (expression: string) => nextTimes(expression, 2, from).map((time) => time.toISOString());
  assert.deepEqual(times('0 3 * * *'), ['2026-01-01T03:00:00.000Z', '2026-01-02T03:00:00.000Z']);
  assert.deepEqual(times('CRON_TZ=Asia/Tokyo 0 12 * * *'), [
    '2026-01-01T03:00:00.000Z',
    '2026-01-02T03:00:00.000Z',
  ]);
  assert.deepEqual(times('@every 1m30s'), ['2026-01-01T00:01:30.000Z', '2026-01-01T00:03:00.000Z']);
  assert.deepEqual(times('@hourly'), ['2026-01-01T01:00:00.000Z', '2026-01-01T02:00:00.000Z']);
});

interface Cli extends AsyncDisposable {
  readonly program: Command;
  readonly registry: Registry;
  readonly url: string;
  readonly drawn: readonly string[];
  readonly published: readonly object[];
  path(name: string): string;
  run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }>;
}

/** The verbs as `cli/program.ts` mounts them, against a real control API; functions and topics answer by rote. */
async function startCli(): Promise<Cli> {
  await using starting = new AsyncDisposableStack();
  const dir = starting.use(await mkdtempDisposable(join(tmpdir(), 'spoor-cli-')));
  const registry = starting.use(await openRegistry({ dataDir: join(dir.path, 'data') }));
  const control = controlHandler(registry);
  const drawn: string[] = [];
  const published: object[] = [];
  const server = createServer((request, response) => {
    const path = request.url as string;
    if (path.startsWith('/control/')) void control(request, response);
    else if (path.startsWith('/topics')) void answerTopics(request, response, published);
    else void answerFunction(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  starting.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  let out = '';
  let err = '';
  const build = () => {
    const program = new Command('spoor')
      .option('--server <url>')
      .option('--data <dir>', 'data directory', dir.path)
      .enablePositionalOptions()
      .configureOutput({ writeOut: (text) => void (out += text), writeErr: (text) => void (err += text) })
      .exitOverride();
    const context: CliContext = createCliContext(() => program.opts(), {
      env: {},
      // eslint-disable-next-line require-await
      drawTrace: async (traceId) => void drawn.push(traceId),
      out: createOutput({
        stdout: { write: (text) => void (out += Buffer.from(text).toString()) },
        stderr: { write: (text) => void (err += Buffer.from(text).toString()) },
      }),
    });
    registerVerbs(program, context);
    return program;
  };
  const started = starting.move();
  return {
    program: build(),
    registry,
    url,
    drawn,
    published,
    path: (name) => join(dir.path, name),
    // `--server` after the verb, as people type it.
    async run(...args) {
      out = '';
      err = '';
      let code = 0;
      try {
        await build().parseAsync([...args, '--server', url], { from: 'user' });
      } catch (error) {
        if (error instanceof CommanderError) code = 2;
        else if (error instanceof Failure) {
          code = error.component === 'cli' && error.reason === 'bad_request' ? 2 : 1;
          err += `${error.message}\n`;
        } else throw error;
      }
      return { code, out, err };
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function answerFunction(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = (await readBody(request, 1000, 'router')).toString();
  response.setHeader('x-fission-request-id', 'req-1');
  response.setHeader('traceresponse', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
  if (request.url?.includes('/other/broken')) {
    response.statusCode = 500;
    response.end(
      JSON.stringify({
        component: 'executor',
        reason: 'specialization_failed',
        message: 'cannot load index.js',
      }),
    );
  } else
    response.end(
      JSON.stringify({ method: request.method, url: request.url, a: request.headers['x-a'], body }),
    );
}

async function answerTopics(
  request: IncomingMessage,
  response: ServerResponse,
  published: object[],
): Promise<void> {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  if (request.method === 'POST') {
    const body = (await readBody(request, 1000, 'queue')).toString();
    published.push({
      topic: request.url?.split('/')[2],
      key: request.headers['x-record-key'],
      lang: request.headers['x-record-header-lang'],
      body,
    });
    response.end(JSON.stringify({ topic: 'greetings', partition: 0, offset: '7', timestamp: 0 }));
  } else if (request.url === '/topics')
    response.end(
      JSON.stringify([
        {
          name: 'greetings',
          partitions: [{ partition: 0, startOffset: '0', endOffset: '8' }],
          groups: [{ group: 'cards', partitions: [{ partition: 0, committed: '5', lag: '3' }] }],
        },
      ]),
    );
  else
    response.end(
      JSON.stringify([
        {
          partition: 0,
          offset: '7',
          timestamp: Date.UTC(2026, 0, 1),
          key: base64('ada'),
          value: base64('hello'),
          headers: [['lang', base64('en')]],
        },
      ]),
    );
}
