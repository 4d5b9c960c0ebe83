import { Argument, type Command } from 'commander';
import { bashCompletion } from './bash.ts';
import { commandTable } from './command-table.ts';
import { fishCompletion } from './fish.ts';
import { zshCompletion } from './zsh.ts';

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** `spoor completion bash|zsh|fish`: a script for that shell, on stdout. */
export function register(program: Command): void {
  program
    .command('completion')
    .description('a script that completes verbs, flags and their values in your shell')
    .addArgument(new Argument('<shell>', 'the shell it is for').choices(Object.keys(SHELLS)))
    .addHelpText(
      'after',
      '\nExamples:\n  eval "$(spoor completion bash)"      # in ~/.bashrc\n  source <(spoor completion zsh)       # in ~/.zshrc, after compinit\n  spoor completion fish | source       # in ~/.config/fish/config.fish',
    )
    .action((shell: keyof typeof SHELLS) => console.log(SHELLS[shell](commandTable(program))));
}
