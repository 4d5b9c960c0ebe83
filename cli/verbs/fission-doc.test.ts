import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Command } from 'commander';
import { createCliContext } from '../context.ts';
import { registerVerbs } from './register.ts';

/** docs/fission.md says what each flag of Fission does here; this holds it against the program. */
const PAGE = await readFile(join(import.meta.dirname, '../../docs/fission.md'), 'utf8');
const TAKEN = /^(same|different|ignored)\b/;

const program = new Command('spoor');
registerVerbs(
  program,
  createCliContext(() => ({ data: '' })),
);

for (const { verb, flags, says } of rows()) {
  if (TAKEN.test(says))
    void test(`${verb} takes ${flags.join(' ') || 'no flag'}`, () => {
      const command = find(verb);
      assert.ok(command, `${verb} is not there`);
      assert.deepEqual(
        flags.filter((flag) => !takes(command, flag)),
        [],
      );
    });
  else
    void test(`${verb} ${flags.join(' ')} is not here`, () => {
      const command = find(verb);
      if (flags.length === 0) assert.equal(command, undefined);
      else
        assert.deepEqual(
          flags.filter((flag) => command && takes(command, flag)),
          [],
        );
    });
}

interface Row {
  readonly verb: string;
  readonly flags: readonly string[];
  readonly says: string;
}

function rows(): Row[] {
  const found: Row[] = [];
  let last = '';
  for (const line of PAGE.split('\n')) {
    const [, verbs, flags, says] =
      /^\| ?(.*?) ?\| (.*?) ?\| (.+) \|$/.exec(line.replaceAll('\\|', '/')) ?? [];
    if (verbs === undefined || flags === undefined || says === undefined) continue;
    const names = [...verbs.matchAll(/`([a-z]+(?: [a-z-]+)+)`/g)].map((match) => match[1] as string);
    if (names.length === 0 && verbs !== '') continue;
    if (names.length === 1) last = names[0] as string;
    for (const verb of names.length === 0 ? [last] : names)
      found.push({
        verb,
        flags: flags.startsWith('as `') ? [] : (flags.match(/--?[A-Za-z][\w-]*/g) ?? []),
        says,
      });
  }
  assert.ok(found.length > 60, `only ${found.length} rows were read`);
  return found;
}

function find(verb: string): Command | undefined {
  let command: Command | undefined = program;
  for (const word of verb.split(' '))
    command = command?.commands.find((one) => one.name() === word || one.aliases().includes(word));
  return command;
}

function takes(command: Command, flag: string): boolean {
  return command.options.some((option) => option.long === flag || option.short === flag);
}
