import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { EnvironmentProcess } from '../conformance/environment-process.ts';
import { nodeEnvironment } from './start-with.ts';

const says = (text: string) => `module.exports = () => ({ status: 200, body: '${text}' });`;
const saysEsm = (text: string) => `export default () => ({ status: 200, body: '${text}' });`;

const LOADS: readonly {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly filepath?: string;
  readonly entry?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly body: string;
}[] = [
  { name: 'ESM by its extension', files: { 'f.mjs': saysEsm('esm') }, body: 'esm' },
  { name: 'ESM without an extension', files: { user: saysEsm('esm') }, filepath: 'user', body: 'esm' },
  {
    name: 'ESM of a package with type module',
    files: { 'package.json': '{"type":"module"}', 'a.js': saysEsm('typed') },
    body: 'typed',
  },
  {
    name: 'ESM that awaits at its top level',
    files: {
      'package.json': '{"type":"module"}',
      'a.js': `const body = await Promise.resolve('later'); export default () => ({ status: 200, body });`,
    },
    body: 'later',
  },
  {
    name: 'ESM without an extension that awaits at its top level',
    files: {
      user: `const body = await Promise.resolve('later'); export default () => ({ status: 200, body });`,
    },
    filepath: 'user',
    body: 'later',
  },
  {
    name: 'main of package.json',
    files: { 'package.json': '{"main":"b.js"}', 'a.js': says('a'), 'b.js': says('b') },
    body: 'b',
  },
  {
    name: 'index.js before others',
    files: { 'a.js': says('a'), 'index.mjs': saysEsm('m'), 'index.js': says('index') },
    body: 'index',
  },
  { name: 'main.js before the first', files: { 'a.js': says('a'), 'main.js': says('main') }, body: 'main' },
  { name: 'the first when none is special', files: { 'b.js': says('b'), 'a.js': says('a') }, body: 'a' },
  { name: 'a named file', files: { 'a.js': says('a'), 'b.cjs': says('b') }, entry: 'b', body: 'b' },
  { name: '.mjs before .cjs', files: { 'a.mjs': saysEsm('m'), 'a.cjs': says('c') }, entry: 'a', body: 'm' },
  {
    name: '.cjs before .mjs without LOAD_ESM',
    files: { 'a.mjs': saysEsm('m'), 'a.cjs': says('c') },
    entry: 'a',
    env: { LOAD_ESM: 'false' },
    body: 'c',
  },
  {
    name: 'a named export of ESM',
    files: {
      'a.mjs': `export const one = ${says('1').slice(17)} export const two = () => ({ status: 200, body: '2' });`,
    },
    entry: 'a.two',
    body: '2',
  },
  {
    name: 'a named export that only runs show',
    files: {
      'a.cjs': `const all = {}; all['t' + 'wo'] = () => ({ status: 200, body: 'late' }); module.exports = all;`,
    },
    entry: 'a.two',
    body: 'late',
  },
  {
    name: 'two dots at most',
    files: { 'a.cjs': `exports.one = () => ({ status: 200, body: '1' });` },
    entry: 'a.one.more',
    body: '1',
  },
  {
    name: 'the file part ignored for a single file',
    files: { only: `exports.one = () => ({ status: 200, body: 'only' });` },
    filepath: 'only',
    entry: 'whatever.one',
    body: 'only',
  },
  { name: 'a directory within', files: { 'lib/index.js': says('lib') }, entry: 'lib', body: 'lib' },
  {
    name: 'CommonJS made from ESM by a compiler',
    files: {
      'a.js': `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = () => ({ status: 200, body: 'compiled' });`,
    },
    body: 'compiled',
  },
  {
    name: '@opentelemetry/api that the function did not bring',
    files: {
      'a.mjs': `import { trace } from '@opentelemetry/api'; export default () => ({ status: 200, body: String(trace.getActiveSpan().isRecording()) });`,
    },
    body: 'true',
  },
];

for (const { name, files, filepath = '', entry = '', env = {}, body } of LOADS) {
  void test(`loads ${name}`, async () => {
    await using environment = await EnvironmentProcess.start(nodeEnvironment, { env });
    const specialized = await environment.specialize(join(environment.write(files), filepath), entry);
    assert.deepEqual([specialized.status, specialized.text], [202, '']);
    assert.equal((await environment.ask()).text, body);
  });
}

void test('what cannot be loaded is told why, and the environment stays generic', async () => {
  await using environment = await EnvironmentProcess.start(nodeEnvironment);
  const refused = async (files: Record<string, string>, entry: string, why: RegExp) => {
    const { status, text } = await environment.specialize(environment.write(files), entry);
    assert.equal(status, 500, text);
    assert.match(text, why);
  };
  await refused(
    { 'a.js': 'module.exports = (' },
    '',
    /cannot load \[.*a\.js\].*SyntaxError: Unexpected token|SyntaxError/s,
  );
  await refused({ 'a.js': `require('no-such-module')` }, '', /Cannot find module 'no-such-module'/);
  await refused({ 'a.mjs': `import 'no-such-module'` }, '', /Cannot find package 'no-such-module'/);
  await refused({ 'a.js': `throw new Error('no database')` }, '', /Error: no database/);
  await refused(
    { 'a.js': `exports.one = () => {}` },
    'a.two',
    /cannot use the export \[two\] of .*a\.js\]: there is none; the file exports the function one/,
  );
  await refused({ 'a.js': `module.exports = 5` }, '', /it is of type number, not a function/);
  await refused({ 'a.js': '' }, 'b', /cannot load \[b\] of .*the directory holds a\.js/);
  await refused({ 'readme.txt': '' }, '', /the directory holds no \.js/);
  await refused({ 'package.json': '{', 'a.js': '', 'b.js': '' }, '', /its package\.json is not JSON/);
  assert.match((await environment.specialize('/no/such/file')).text, /there is no such file/);
  assert.equal((await environment.ask()).text, 'Generic container: no requests supported');

  const bad = { method: 'POST', path: '/v2/specialize' };
  assert.equal((await environment.ask({ ...bad, body: '{' })).status, 400);
  assert.match(
    (await environment.ask({ ...bad, body: '{"filepath":5}' })).text,
    /\[filepath\] must be a path, not 5/,
  );

  const good = environment.write({ 'a.js': says('at last') });
  assert.equal((await environment.specialize(good)).status, 202);
  const again = await environment.specialize(good);
  assert.deepEqual([again.status, again.text], [400, 'Not a generic container']);
});

void test('v1 specializes with --codepath; health is always good', async () => {
  await using files = await EnvironmentProcess.start(nodeEnvironment);
  const codePath = join(files.write({ user: says('first version') }), 'user');
  await using environment = await EnvironmentProcess.start({
    ...nodeEnvironment,
    args: [...nodeEnvironment.args, '--codepath', codePath],
  });
  assert.equal((await environment.ask({ path: '/healthz' })).status, 200);
  assert.equal((await environment.ask({ path: '/' })).status, 500);
  assert.equal((await environment.ask({ method: 'POST', path: '/specialize' })).status, 202);
  assert.equal((await environment.ask({ path: '/' })).text, 'first version');
  assert.equal((await environment.ask({ path: '/healthz' })).status, 200);
});
