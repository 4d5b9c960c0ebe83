import { InvalidArgumentError, Option, type Command } from 'commander';
import { Failure } from '../../server/failure.ts';
import { formatDuration, parseDuration } from '../../platform/spec/units.ts';

/** Flags that many verbs share. Names and short forms are Fission's. */

/** Makes a verb of a group: its flags, and the flags of the whole program, which may stand after the verb as well. */
export function verb(group: Command, name: string, description: string, example: string): Command {
  const command = group
    .command(name)
    .description(description)
    .addOption(new Option('--server <url>', 'internal address of the platform').hideHelp())
    .addOption(new Option('--data <dir>', 'data directory').hideHelp())
    .addHelpText('after', `\nExample:\n  ${example.replaceAll('\n', '\n  ')}`);
  EXAMPLES.set(command, example);
  // Positional options keep `--server` for the program only before the verb; after it, it is handed up.
  command.hook('preAction', (_this, action) => {
    const root = rootOf(action);
    for (const flag of ['server', 'data'] as const) {
      const value = action.opts<Record<string, string | undefined>>()[flag];
      if (value !== undefined) root.setOptionValue(flag, value);
    }
  });
  return command;
}

const EXAMPLES = new WeakMap<Command, string>();

/** What `verb` was given as an example, one command a line. */
export function exampleOf(command: Command): string | undefined {
  return EXAMPLES.get(command);
}

export function namespaced(command: Command): Command {
  return command.option('-n, --namespace <namespace>', 'namespace', 'default');
}

export function listed(command: Command): Command {
  return namespaced(command)
    .option('-A, --all-namespaces', 'of all namespaces')
    .addOption(outputOption(['json', 'yaml', 'wide']));
}

export function outputOption(choices: readonly string[]): Option {
  return new Option('-o, --output <format>', 'output format').choices(choices);
}

/** `--spec` and `--dry` of Fission's create commands. */
export function savable(command: Command): Command {
  return command
    .option('--spec', 'save to the spec folder instead of creating')
    .option('--dry', 'print the spec instead of creating')
    .option('--specdir <dir>', 'spec folder', './specs');
}

export interface SaveFlags {
  readonly spec?: boolean;
  readonly dry?: boolean;
  readonly specdir: string;
}

export interface NameFlags {
  readonly name: string;
  readonly namespace: string;
}

export interface ListFlags {
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly output?: 'json' | 'yaml' | 'wide';
}

export function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

/** As `collect`, and several in one, parted by commas, as Fission takes them: `--method GET,POST`. */
export function collectList(value: string, previous: readonly string[] = []): readonly string[] {
  const items = value.split(',').map((item) => item.trim());
  return [...previous, ...items.filter((item) => item !== '')];
}

/** As `collectPairs`, and several in one, parted by commas: `--labels a=b,c=d`. */
export function collectPairList(
  value: string,
  previous: Readonly<Record<string, string>> = {},
): Record<string, string> {
  let pairs = { ...previous };
  for (const pair of value.split(',')) if (pair.trim() !== '') pairs = collectPairs(pair.trim(), pairs);
  return pairs;
}

/** `key=value`, repeatable. */
export function collectPairs(
  value: string,
  previous: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const at = value.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('It must be key=value.');
  return { ...previous, [value.slice(0, at)]: value.slice(at + 1) };
}

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** Go's durations, days, and a bare number as seconds. In milliseconds. */
export function durationMs(text: string): number {
  const [, days] = /^(\d+(?:\.\d+)?)d$/.exec(text) ?? [];
  const ms =
    days !== undefined
      ? Number(days) * 86_400_000
      : /^\d+$/.test(text)
        ? Number(text) * 1_000
        : parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('It must be a duration such as 30s, 2m or 1d.');
  return ms;
}

/** The default is said as people write it. */
export function durationOption(flags: string, description: string, ms: number): Option {
  return new Option(flags, description).argParser(durationMs).default(ms, formatDuration(ms));
}

/** In milliseconds; an hour unless told. */
export function sinceOption(): Option {
  return durationOption('--since <duration>', 'how far back: 30s, 10m, 2h or 1d', 3_600_000);
}

/** Exit code 2. */
export function wrongUsage(message: string): Failure {
  return new Failure('cli', 'bad_request', message);
}

function rootOf(command: Command): Command {
  let root = command;
  while (root.parent) root = root.parent;
  return root;
}
