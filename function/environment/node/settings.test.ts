import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadSetting, readSettings } from './settings.ts';

void test('without anything set, it is a container of Fission’s', () => {
  const settings = readSettings({}, []);
  assert.deepEqual(settings.listen, { host: '0.0.0.0', port: 8888 });
  assert.equal(settings.codePath, '/userfunc/user');
  assert.equal(settings.bodyLimitBytes, 1024 * 1024);
  assert.equal(settings.journal, undefined);
  assert.equal(settings.preferEsm, true);
});

void test('flags and variables are read', () => {
  const settings = readSettings(
    {
      BODY_PARSER_LIMIT: '1.5kb',
      SPOOR_CONTROL_FD: '3',
      SPOOR_INTERNAL_URL: 'http://127.0.0.1:8889/',
      LOAD_ESM: 'false',
    },
    ['--port=0', '--codepath', '/code'],
  );
  assert.deepEqual(settings.listen, { host: '0.0.0.0', port: 0 });
  assert.equal(settings.codePath, '/code');
  assert.equal(settings.bodyLimitBytes, 1536);
  assert.equal(settings.controlFd, 3);
  assert.equal(settings.internalUrl, 'http://127.0.0.1:8889');
  assert.equal(settings.preferEsm, false);
});

for (const [env, args, why] of [
  [{}, ['--prot', '1'], /argument \[--prot\]/],
  [{}, ['--port', 'http'], /--port \[http\]/],
  [{}, ['--port'], /--port without a value/],
  [{ BODY_PARSER_LIMIT: 'much' }, [], /BODY_PARSER_LIMIT \[much\]/],
  [{ SPOOR_INTERNAL_URL: 'localhost:1' }, [], /SPOOR_INTERNAL_URL \[localhost:1\]/],
  [{ SPOOR_CONTROL_FD: 'x' }, [], /SPOOR_CONTROL_FD \[x\]/],
] as const) {
  void test(`refuses ${JSON.stringify({ ...env, args })}`, () => {
    assert.throws(
      () => readSettings(env, args),
      (error: unknown) => error instanceof BadSetting && why.test(error.message),
    );
  });
}
