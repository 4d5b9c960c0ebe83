import { quoted, spellingsOf } from './bash.ts';
import type { Flag, Place } from './command-table.ts';

/** One `complete` a verb and a flag; `__spoor_place` says where on the command line it is. */
export function fishCompletion(places: readonly Place[]): string {
  return `# Completion of spoor for fish: spoor completion fish | source, or as ~/.config/fish/completions/spoor.fish
function __spoor_place
    set -l place ''
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch "$place/$word"
${places.flatMap(stepCases).join('\n')}
${places.flatMap(valuedCases).join('\n')}
        end
    end
    test "$place" = "$argv[1]"
end

complete -c spoor -f
${places.flatMap(completes).join('\n')}`;
}

function stepCases({ path, verbs }: Place): string[] {
  return verbs.map(
    ({ name, aliases }) =>
      `            case ${[name, ...aliases].map((each) => quoted(`${path}/${each}`)).join(' ')}
                set place ${quoted(path === '' ? name : `${path} ${name}`)}`,
  );
}

/** The word after such a flag is its value, and no verb. */
function valuedCases({ path, flags }: Place): string[] {
  const valued = flags.filter(({ value }) => value !== 'none').flatMap(spellingsOf);
  if (valued.length === 0) return [];
  return [
    `            case ${valued.map((flag) => quoted(`${path}/${flag}`)).join(' ')}
                set skip 1`,
  ];
}

function completes({ path, verbs, flags, words = [] }: Place): string[] {
  const at = `complete -c spoor -n ${quoted(`__spoor_place ${quoted(path)}`)}`;
  return [
    ...verbs.flatMap(({ name, aliases, description }) =>
      [name, ...aliases.slice(0, 1)].map((each) => `${at} -a ${each} -d ${quoted(description)}`),
    ),
    ...words.map((word) => `${at} -a ${word}`),
    // Where no verb can follow an argument may be a file.
    ...(verbs.length === 0 && words.length === 0 ? [`${at} -F`] : []),
    ...flags.filter(({ isHidden }) => !isHidden).map((flag) => `${at} ${flagWords(flag)}`),
  ];
}

/** Required, and files or none. */
const FISH_VALUE = { none: [], text: ['-x'], file: ['-r', '-F'] } as const;

function flagWords({ long, short, description, value, choices }: Flag): string {
  return [
    ...(long === undefined ? [] : [`-l ${long.slice(2)}`]),
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    ...FISH_VALUE[value],
    ...(choices.length === 0 ? [] : [`-a ${quoted(choices.join(' '))}`]),
    `-d ${quoted(description)}`,
  ].join(' ');
}
