import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { environmentProgram } from './bundle.ts';
import { nodeEnvironment, startWith } from './start-with.ts';
import { threadProgram } from './thread-data.ts';

function runToEnd(env: Record<string, string>, args: readonly string[] = []) {
  return spawnSync(nodeEnvironment.program, [...nodeEnvironment.args, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    encoding: 'utf8',
  });
}

void test('a setting that cannot be used is named, and ends it with 2', () => {
  const run = runToEnd({ BODY_PARSER_LIMIT: 'much' });
  assert.deepEqual(
    [run.status, run.stderr],
    [2, 'cannot use BODY_PARSER_LIMIT [much]: write it as 1mb, 500kb or 1000\n'],
  );
  const noPipe = runToEnd({ SPOOR_SOCKET: '/no/such/folder/socket', SPOOR_CONTROL_FD: '999' });
  assert.equal(noPipe.status, 2);
  assert.match(noPipe.stderr, /cannot use SPOOR_CONTROL_FD \[999\]: no pipe is open there/);
});

void test('a socket that cannot be listened on is named, and ends it with 1', () => {
  const run = runToEnd({ SPOOR_SOCKET: '/no/such/folder/socket' });
  assert.equal(run.status, 1);
  assert.match(run.stderr, /cannot listen on .*\/no\/such\/folder\/socket/);
});

void test('a journal that cannot be made does not stop the function', async () => {
  await using environment = await startWith(`module.exports = () => ({ status: 200, body: 'ran' })`, {
    traced: false,
    env: { SPOOR_JOURNAL: '/no/such/folder/a.journal' },
  });
  assert.equal((await environment.ask()).text, 'ran');
  assert.match(environment.stderr, /cannot trace into journal \[\/no\/such\/folder\/a\.journal\]/);
});

void test('what is ours alone is not handed to the programs a function starts', async () => {
  await using environment = await startWith(
    `module.exports = () => ({ status: 200, body: Object.keys(process.env).filter((name) => name.startsWith('SPOOR_')) })`,
    { env: { SPOOR_ROUTER_URL: 'http://127.0.0.1:8888' } },
  );
  assert.deepEqual(JSON.parse((await environment.ask()).text), ['SPOOR_INSTANCE_ID', 'SPOOR_ROUTER_URL']);
});

void test('the bundle is made once, also by many at the same time', async () => {
  const programs = new Set(
    await Promise.all([environmentProgram(), environmentProgram(), environmentProgram()]),
  );
  assert.equal(programs.size, 1);
  for (const program of programs) {
    assert.ok(existsSync(program));
    assert.ok(existsSync(threadProgram(program)), 'and what its threads load');
  }
});
