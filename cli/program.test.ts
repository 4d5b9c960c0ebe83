import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from 'commander';
import { createProgram } from './program.ts';
import { spawnSpoor } from './testing.ts';

void test('the help of every command, at every level, says what it does and shows an example', () => {
  const visit = (command: Command, path: string): void => {
    let help = '';
    command.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
    assert.notEqual(command.description(), '', path);
    assert.match(help, /\nExamples?\b.*:\n {2}\S/, path);
    for (const next of command.commands) visit(next, `${path} ${next.name()}`);
  };
  visit(createProgram(), 'spoor');
});

void test('every command stands under a heading of the first help', () => {
  const unsorted = createProgram()
    .commands.filter((command) => command.helpGroup() === '')
    .map((command) => command.name());
  assert.deepEqual(unsorted, []);
});

void test('a misspelt verb is answered with the one that was meant', { timeout: 60_000 }, async () => {
  const { code, out, err } = await spawnSpoor(['fn', 'craete', '--name', 'a']);
  assert.equal(code, 2);
  assert.equal(out, '');
  assert.match(err, /unknown command 'craete'\n\(Did you mean create\?\)/);
});

void test('a verb that only Fission has says what takes its place', { timeout: 60_000 }, async () => {
  const { code, err } = await spawnSpoor(['archive', 'list']);
  assert.equal(code, 2);
  assert.match(err, /Fission's `archive` is not here: .*spoor pkg getsrc/);
});

void test(
  'without a platform a verb says how to start one, and where it looked',
  { timeout: 60_000 },
  async () => {
    const { code, out, err } = await spawnSpoor(['fn', 'list', '--data', '/nowhere']);
    assert.equal(code, 1);
    assert.equal(out, '');
    assert.match(
      err,
      /^spoor: cannot find a running platform: .*\/nowhere\/endpoints\.json.*`spoor up`.*\n$/,
    );
  },
);

void test('an address where nothing listens is named', { timeout: 60_000 }, async () => {
  const { code, err } = await spawnSpoor(['fn', 'list', '--server', 'http://127.0.0.1:1']);
  assert.equal(code, 1);
  assert.match(
    err,
    /^spoor: cannot reach the platform at http:\/\/127\.0\.0\.1:1: nothing answers there\..*\n$/,
  );
});
