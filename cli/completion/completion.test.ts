import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createProgram } from '../program.ts';
import { bashCompletion } from './bash.ts';
import { commandTable } from './command-table.ts';
import { fishCompletion } from './fish.ts';
import { zshCompletion } from './zsh.ts';

const TABLE = commandTable(createProgram());
const SCRIPT = bashCompletion(TABLE);

/** What real bash offers for a line that is typed up to its end; the words are parted as readline does. */
function offered(line: string, cwd = tmpdir()): string[] {
  const words = [...line.matchAll(/=|[^\s=]+|(?<=[\s=])$/g)].map(([word]) => word);
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const program = `${SCRIPT}\nCOMP_WORDS=(${quoted})\nCOMP_CWORD=${words.length - 1}\n_spoor\nprintf '%s\\n' "\${COMPREPLY[@]}"\n`;
  return execFileSync('bash', ['--norc', '-c', program], { cwd, encoding: 'utf8' })
    .split('\n')
    .filter((word) => word !== '')
    .sort();
}

const CASES: readonly (readonly [line: string, offers: readonly string[]])[] = [
  ['spoor dem', ['demo']],
  ['spoor fn cr', ['create']],
  ['spoor function de', ['delete', 'describe']],
  ['spoor route up', ['update']],
  ['spoor fn create --exec', ['--executortype']],
  ['spoor fn create --executortype ', ['container', 'newdeploy', 'poolmgr']],
  ['spoor fn create --executortype=new', ['newdeploy']],
  ['spoor --server http://127.0.0.1:8889 fn li', ['list']],
  ['spoor fn list -o ', ['json', 'wide', 'yaml']],
  ['spoor fn list --output js', ['json']],
  ['spoor demo --fault ', ['crash', 'error', 'slow', 'timeout']],
  ['spoor fn dlq re', ['redrive']],
  ['spoor completion ', ['bash', 'fish', 'zsh']],
  ['spoor fn test --name list --tr', ['--trace']],
  ['spoor fn test --name ', []],
  // Fission's second names are taken, and not offered.
  ['spoor fn create --rp', []],
];

for (const [line, offers] of CASES)
  void test(`bash completes [${line}] to ${offers.join(', ') || 'nothing'}`, () => {
    assert.deepEqual(offered(line), offers);
  });

void test('bash offers files where a file is wanted', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-completion-'));
  await writeFile(join(dir.path, 'hello.js'), '');
  assert.deepEqual(offered('spoor fn create --code he', dir.path), ['hello.js']);
  assert.deepEqual(offered('spoor fn run he', dir.path), ['hello.js']);
});

void test('the script says nothing when it is read, and takes the place of nothing but spoor', () => {
  const program = `${SCRIPT}\ncomplete -p`;
  assert.equal(
    execFileSync('bash', ['--norc', '-c', program], { encoding: 'utf8' }),
    'complete -F _spoor spoor\n',
  );
});

void test('zsh and fish know every verb and flag with what it does', () => {
  const zsh = zshCompletion(TABLE);
  const fish = fishCompletion(TABLE);
  for (const { path, verbs, flags } of TABLE) {
    const said = [
      ...verbs.map(({ name, description }) => ({ name, description, fish: `-a ${name}` })),
      ...flags
        .filter(({ isHidden, long }) => !isHidden && long !== undefined)
        .map(({ long = '', description }) => ({ name: long, description, fish: `-l ${long.slice(2)}` })),
    ];
    for (const { name, description, fish: words } of said) {
      const quoted = description.replaceAll("'", `'\\''`);
      assert.ok(zsh.includes(`'${name}:${quoted}'`), `zsh: ${path} ${name}`);
      assert.match(
        fish,
        new RegExp(`-n '__spoor_place '\\\\''${path}'\\\\''' ${words}\\b`),
        `fish: ${path} ${name}`,
      );
    }
  }
});
