import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { globSync } from 'tinyglobby';
import { createProgram } from './program.ts';

/** Every page a reader may open: its links lead somewhere, and the commands it shows are there with the flags it shows. */
const ROOT = resolve(import.meta.dirname, '..');
const PAGES = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md', 'deploy/**/*.md', 'e2e/**/*.md'], {
  cwd: ROOT,
});
const program = createProgram();
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

for (const page of PAGES) {
  const text = read(page);
  void test(`every link of ${page} leads somewhere`, () => {
    const lost = linksOf(text).filter((link) => !leadsSomewhere(page, link));
    assert.deepEqual(lost, []);
  });
  void test(`every command in ${page} is there`, () => {
    const faults = commandsOf(text).flatMap((line) => faultsOf(line).map((fault) => `${line}: ${fault}`));
    assert.deepEqual(faults, []);
  });
}

void test('a wrong command and a wrong link would be found', () => {
  assert.deepEqual(faultsOf('spoor fn fly --name a'), ["no verb 'fly'"]);
  assert.deepEqual(faultsOf('spoor fn test --nme a'), ['no flag --nme']);
  assert.deepEqual(faultsOf('npm run nothing'), ["no script 'nothing'"]);
  assert.deepEqual(faultsOf('X=1 cli/spoor --server URL trace list --error | head'), []);
  assert.ok(!leadsSomewhere('README.md', 'docs/api.md#no-such-heading'));
  assert.ok(commandsOf(read('README.md')).length > 10, 'the commands of README.md are read');
});

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function linksOf(text: string): string[] {
  const prose = text.replaceAll(/^```.*?^```/gms, '').replaceAll(/`[^`]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] as string)
    .filter((link) => !/^[a-z]+:/.test(link));
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? join(ROOT, page) : resolve(ROOT, dirname(page), path);
  if (!existsSync(target) || relative(ROOT, target).startsWith('..')) return false;
  return anchor === undefined || anchorsOf(readFileSync(target, 'utf8')).has(anchor);
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): Set<string> {
  return new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
      (match[1] as string)
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    ),
  );
}

/** What is typed: lines of code blocks, and words between backticks, that call `spoor` or npm. */
function commandsOf(text: string): string[] {
  const blocks = [...text.matchAll(/^```(?:sh|bash|console)?\n(.*?)^```/gms)].map((match) =>
    (match[1] as string).replaceAll(/\\\n\s*/g, ' '),
  );
  const inline = [...text.replaceAll(/^```.*?^```/gms, '').matchAll(/`([^`\n]+)`/g)].map(
    (match) => match[1] as string,
  );
  return [...blocks.flatMap((block) => block.split(/\n|&&|\|\|/)), ...inline]
    .map((line) => line.replace(/^\s*\$\s+/, '').trim())
    .filter((line) => /^(?:[A-Z_]+=\S+ )*(?:(?:\S*\/)?spoor|npm) \S/.test(line))
    .filter((line) => !line.includes('{'));
}

function faultsOf(line: string): string[] {
  const bare = line.replaceAll(/"[^"]*"|'[^']*'/g, 'TEXT').replace(/\s[|&>#].*$/, '');
  const words = bare.split(/\s+/).filter((word) => !/^[A-Z_]+=/.test(word));
  if (words[0] === 'npm') {
    const [name] = words[1] === 'run' ? words.slice(2).filter((word) => !word.startsWith('-')) : [];
    return name === undefined || name in scripts ? [] : [`no script '${name}'`];
  }
  let command: Command = program;
  let isVerb = true;
  const faults: string[] = [];
  for (let i = 1; i < words.length; i += 1) {
    const word = words[i] as string;
    if (word.startsWith('-')) {
      const option = optionOf(command, word.split('=')[0] as string);
      if (!option) faults.push(`no flag ${word}`);
      else if ((option.required || option.optional) && !word.includes('=')) i += 1;
    } else if (isVerb && command.commands.length > 0 && /^[a-z][a-z-]*$/.test(word)) {
      const next = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
      if (!next) return [...faults, `no verb '${word}'`];
      command = next;
    } else isVerb = false;
  }
  return faults;
}

function optionOf(command: Command, flag: string) {
  if (flag === '--help' || flag === '-h') return { required: false, optional: false };
  for (let at: Command | null = command; at; at = at.parent) {
    const found = at.options.find(({ long, short }) => long === flag || short === flag);
    if (found) return found;
  }
  return undefined;
}
