import { quoted, spellingsOf } from './bash.ts';
import type { Place } from './command-table.ts';

/** Verbs and flags with what they do; values as in bash. */
export function zshCompletion(places: readonly Place[]): string {
  return `#compdef spoor
# Completion of spoor for zsh: source <(spoor completion zsh), or as _spoor in a folder of $fpath
__spoor_place() {
  case $1 in
${places.map(placeCase).join('\n')}
  esac
}

_spoor() {
  local place='' flag='' word
  local -a verbs flags valued files
  local -A choices steps
  integer i
  __spoor_place ''
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    if [[ $word == -* ]]; then
      if (( \${valued[(Ie)$word]} )); then
        flag=$word
        (( i++ ))
        (( i < CURRENT )) && flag=''
      fi
    elif [[ -n \${steps[$word]} ]]; then
      place=\${steps[$word]}
      __spoor_place $place
    fi
  done
  if [[ -n $flag ]]; then
    if [[ -n \${choices[$flag]} ]]; then
      compadd -- \${=choices[$flag]}
    elif (( \${files[(Ie)$flag]} )); then
      _files
    fi
  elif [[ $PREFIX == -* ]]; then
    _describe -o flag flags
  elif (( $#verbs )); then
    _describe verb verbs
  else
    _files
  fi
}

# Sourced: bound here. From $fpath: run as the function itself.
if [[ $funcstack[1] == _spoor ]]; then _spoor "$@"; else compdef _spoor spoor; fi`;
}

function placeCase({ path, verbs, flags, words = [] }: Place): string {
  const valued = flags.filter(({ value }) => value !== 'none');
  const offered = [
    ...verbs.flatMap(({ name, aliases, description }) =>
      [name, ...aliases.slice(0, 1)].map((each) => described(each, description)),
    ),
    ...words.map(quoted),
  ];
  const pairs = (entries: readonly (readonly [string, string])[]) =>
    entries.map(([key, value]) => `${quoted(key)} ${quoted(value)}`).join(' ');
  return `  ${quoted(path)})
    verbs=(${offered.join(' ')})
    flags=(${flags
      .filter(({ isHidden }) => !isHidden)
      .map(({ long, short, description }) => described(long ?? short ?? '', description))
      .join(' ')})
    valued=(${valued.flatMap(spellingsOf).map(quoted).join(' ')})
    files=(${valued
      .filter(({ value }) => value === 'file')
      .flatMap(spellingsOf)
      .map(quoted)
      .join(' ')})
    choices=(${pairs(flags.filter((flag) => flag.choices.length > 0).flatMap((flag) => spellingsOf(flag).map((spelling) => [spelling, flag.choices.join(' ')] as const)))})
    steps=(${pairs(
      verbs.flatMap(({ name, aliases }) =>
        [name, ...aliases].map((each) => [each, path === '' ? name : `${path} ${name}`] as const),
      ),
    )})
    ;;`;
}

/** `_describe` parts name and description at the first colon that is not escaped. */
function described(name: string, description: string): string {
  return quoted(`${name.replaceAll(':', '\\\\:')}:${description}`);
}
