import type { Flag, Place, Verb } from './command-table.ts';

/**
 * For bash 3.2 and newer, with or without the bash-completion package. `__spoor_place` is the command table; `_spoor` walks the words
 * that are typed to the place they name and offers what may stand there.
 */
export function bashCompletion(places: readonly Place[]): string {
  return `# Completion of spoor for bash: eval "$(spoor completion bash)", or this in ~/.bashrc
__spoor_place() {
  case $1 in
${places.map(placeCase).join('\n')}
  esac
}

__spoor_choices() {
  case "$1 $2" in
${places.flatMap(choiceCases).join('\n')}
  *) return 1 ;;
  esac
}

_spoor() {
  local cur=\${COMP_WORDS[COMP_CWORD]} flag='' place='' verbs flags valued files words word i
  COMPREPLY=()
  __spoor_place ''
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == -* ]]; then
      # "--flag=value" comes as three words.
      if [[ \${COMP_WORDS[i + 1]} == '=' ]]; then
        flag=$word
        i=$((i + 2))
      elif [[ " $valued " == *" $word "* ]]; then
        flag=$word
        i=$((i + 1))
      fi
      [[ $i -lt $COMP_CWORD ]] && flag=''
    else
      case "$place/$word" in
${places.flatMap(stepCases).join('\n')}
      esac
      __spoor_place "$place"
    fi
  done
  [[ $cur == '=' ]] && cur=''
  if [[ -n $flag ]]; then
    if words=$(__spoor_choices "$place" "$flag"); then
      COMPREPLY=($(compgen -W "$words" -- "$cur"))
    elif [[ " $files " == *" $flag "* ]]; then
      __spoor_files
    fi
  elif [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ -n $verbs ]]; then
    COMPREPLY=($(compgen -W "$verbs" -- "$cur"))
  else
    __spoor_files
  fi
}

__spoor_files() {
  compopt -o filenames 2>/dev/null
  local IFS=$'\\n'
  COMPREPLY=($(compgen -f -- "$cur"))
}

complete -F _spoor spoor`;
}

function placeCase({ path, verbs, flags, words }: Place): string {
  const valued = flags.filter(({ value }) => value !== 'none');
  const files = valued.filter(({ value }) => value === 'file');
  return `  ${quoted(path)})
    verbs=${quoted([...verbs.flatMap(namesOf), ...(words ?? [])].join(' '))}
    flags=${quoted(
      flags
        .filter(({ isHidden }) => !isHidden)
        .map(({ long, short }) => long ?? short)
        .join(' '),
    )}
    valued=${quoted(valued.flatMap(spellingsOf).join(' '))}
    files=${quoted(files.flatMap(spellingsOf).join(' '))}
    ;;`;
}

function choiceCases({ path, flags }: Place): string[] {
  return flags
    .filter(({ choices }) => choices.length > 0)
    .map(
      (flag) =>
        `  ${spellingsOf(flag)
          .map((spelling) => quoted(`${path} ${spelling}`))
          .join(' | ')}) echo ${quoted(flag.choices.join(' '))} ;;`,
    );
}

function stepCases({ path, verbs }: Place): string[] {
  return verbs.map(
    (verb) =>
      `      ${[verb.name, ...verb.aliases].map((name) => quoted(`${path}/${name}`)).join(' | ')}) place=${quoted(
        path === '' ? verb.name : `${path} ${verb.name}`,
      )} ;;`,
  );
}

/** A group's short name is what people type; a verb has one name that is enough. */
function namesOf({ name, aliases }: Verb): string[] {
  return [name, ...aliases.slice(0, 1)];
}

export function spellingsOf({ long, short }: Flag): string[] {
  return [long, short].filter((spelling) => spelling !== undefined);
}

export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
