import type { Command } from 'commander';
import { exampleOf } from './verbs/flags.ts';

/** How many examples a group's help shows: of its first verbs. */
const MOST_EXAMPLES = 3;

/** Verbs by what a person wants, in this order; and an example below the help of every group. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'Start here:': ['demo', 'up', 'doctor', 'check', 'version', 'completion'],
  'Functions and what calls them (as in Fission):': [
    'environment',
    'function',
    'package',
    'httptrigger',
    'mqtrigger',
    'timetrigger',
    'canary',
    'spec',
    'secret',
    'configmap',
    'topic',
  ],
  'Traces:': ['trace', 'why', 'flow', 'mcp'],
  'One part alone:': ['platform', 'backend', 'collector', 'agent', 'connector'],
};

export function groupHelp(program: Command): void {
  for (const [heading, names] of Object.entries(GROUPS))
    for (const command of program.commands) if (names.includes(command.name())) command.helpGroup(heading);
  // And `help` itself.
  program.commandsGroup('Start here:').helpCommand(true);
  program.addHelpText(
    'after',
    '\nExamples:\n  spoor demo                                    run everything, send a greeting, draw its trace\n  spoor fn run hello.js                         call one file, again at each save, and draw each call\n  spoor trace list --error                      what failed in the last hour\n  spoor why 4bf92f3577b34da6a3ce929d0e0e4736    why it failed, and where the time went',
  );
  for (const group of program.commands.flatMap(withGroups)) {
    const examples = group.commands
      .map((command) => exampleOf(command)?.split('\n')[0])
      .filter((example) => example !== undefined)
      .slice(0, MOST_EXAMPLES);
    if (examples.length > 0)
      group.addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`);
  }
}

/** A command, if it is a group, and the groups below it. */
function withGroups(command: Command): Command[] {
  return command.commands.length === 0 ? [] : [command, ...command.commands.flatMap(withGroups)];
}
