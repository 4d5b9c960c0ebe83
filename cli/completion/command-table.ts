import type { Argument, Command, Option } from 'commander';

/** One place on the command line, as `function create`: what may stand there next. */
export interface Place {
  /** Names of the commands so far, parted by spaces; '' for the program itself. */
  readonly path: string;
  readonly verbs: readonly Verb[];
  readonly flags: readonly Flag[];
  /** What an argument may be, when it is one of a few words; undefined: anything. */
  readonly words: readonly string[] | undefined;
}

export interface Verb {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly description: string;
}

export interface Flag {
  readonly long: string | undefined;
  readonly short: string | undefined;
  readonly description: string;
  readonly value: 'none' | 'text' | 'file';
  readonly choices: readonly string[];
  /** Taken, but not offered. */
  readonly isHidden: boolean;
}

/** Every place of the command line, from the same commands that parse it and print the help. */
export function commandTable(program: Command): Place[] {
  const places: Place[] = [];
  const visit = (command: Command, path: string): void => {
    const verbs = command.commands.map((verb) => ({
      name: verb.name(),
      aliases: verb.aliases(),
      description: verb.description(),
    }));
    places.push({
      path,
      verbs,
      flags: [...command.options.map(flagOf), HELP],
      words: command.registeredArguments.map(wordsOf)[0],
    });
    for (const verb of command.commands) visit(verb, path === '' ? verb.name() : `${path} ${verb.name()}`);
  };
  visit(program, '');
  return places;
}

const HELP: Flag = {
  long: '--help',
  short: '-h',
  description: 'flags and an example',
  value: 'none',
  choices: [],
  isHidden: false,
};

function flagOf(option: Option): Flag {
  return {
    long: option.long ?? undefined,
    short: option.short ?? undefined,
    description: option.description,
    value: option.required || option.optional ? valueOf(option.flags) : 'none',
    choices: option.argChoices ?? [],
    isHidden: option.hidden,
  };
}

/** `--specdir <dir>`: what the value is called says whether files are offered. */
function valueOf(flags: string): 'text' | 'file' {
  return /[<[](?:file|dir|folder|path|archive)\b/.test(flags) && !/--(?:url|prefix|subpath)\b/.test(flags)
    ? 'file'
    : 'text';
}

function wordsOf(argument: Argument): readonly string[] | undefined {
  return argument.argChoices;
}
