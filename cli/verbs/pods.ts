import type { Command } from 'commander';
import type { InstanceView } from '../../platform/spec/control.ts';
import type { CliContext } from '../context.ts';
import { namespaced, outputOption, verb, type NameFlags } from './flags.ts';
import { mustGet } from './remove.ts';

/** `fn pods` and `env pods`: what Fission runs as pods are processes here. */
export function registerPods(group: Command, context: CliContext): void {
  const kind = group.name() === 'environment' ? 'Environment' : 'Function';
  namespaced(
    verb(
      group,
      'pods',
      `list the instances (processes) of ${kind === 'Function' ? 'a function' : 'an environment'}`,
      `spoor ${group.alias()} pods --name hello`,
    ),
  )
    .aliases(['pod', 'po'])
    .requiredOption('--name <name>', `name of the ${kind.toLowerCase()}`)
    .addOption(outputOption(['json', 'yaml', 'wide']))
    .action(async (flags: NameFlags & { output?: string }) => {
      await mustGet(context, kind, flags);
      const found = (await (await context.client()).instances()).filter((instance) => {
        const of = kind === 'Function' ? instance.fn : instance.environment;
        return of?.name === flags.name && of.namespace === flags.namespace;
      });
      context.out.list(
        found.map((instance) => ({
          id: instance.id,
          state: instance.state,
          function: instance.fn?.name ?? '',
          env: instance.environment.name,
          pid: instance.pid === undefined ? '' : String(instance.pid),
          active: instance.active,
          age: ageOf(instance),
        })),
        [
          { title: 'NAME', key: 'id' },
          { title: 'STATE', key: 'state' },
          { title: 'FUNCTION', key: 'function' },
          { title: 'ENV', key: 'env', wide: true },
          { title: 'PID', key: 'pid', align: 'right' },
          { title: 'REQUESTS', key: 'active', align: 'right' },
          { title: 'AGE', key: 'age', align: 'right' },
        ],
        flags.output,
        found,
      );
    });
}

function ageOf({ startedAtMs }: InstanceView): string {
  const seconds = Math.max(0, Math.round((Date.now() - startedAtMs) / 1_000));
  if (seconds < 120) return `${seconds}s`;
  return seconds < 7_200 ? `${Math.floor(seconds / 60)}m` : `${Math.floor(seconds / 3_600)}h`;
}
