import { randomUUID } from 'node:crypto';
import { Cron } from 'croner';
import type { Command } from 'commander';
import { toManifest } from '../../platform/spec/manifest.ts';
import type { TimeTrigger } from '../../platform/spec/resources.ts';
import { parseDuration } from '../../platform/spec/units.ts';
import { functionNames } from '../../platform/spec/validate.ts';
import type { CliContext } from '../context.ts';
import { listed, namespaced, outputOption, savable, verb, wholeNumber, wrongUsage } from './flags.ts';
import type { ListFlags, NameFlags, SaveFlags } from './flags.ts';
import { newMetadata } from './new-metadata.ts';
import { mustExist, mustGet, remove } from './remove.ts';
import { saveOrCreate } from './save-or-create.ts';
import { registerWait } from './wait.ts';

export function register(program: Command, context: CliContext): void {
  const tt = program
    .command('timetrigger')
    .aliases(['tt', 'timer'])
    .description('time triggers: when which function is called');

  savable(
    namespaced(
      verb(
        tt,
        'create',
        'create a time trigger',
        'spoor tt create --name nightly --function report --cron "0 3 * * *"\nspoor tt create --function tick --cron "@every 30s"',
      ),
    ),
  )
    .option('--name <name>', 'name of the trigger (default: made up)')
    .requiredOption('--function <name>', 'function to call')
    .requiredOption('--cron <expression>', 'five fields, six with seconds, or @every 1m')
    .option('--method <method>', 'HTTP method of the call', 'POST')
    .option('--subpath <path>', 'path below the function', '')
    .action(async (flags: CreateFlags & SaveFlags) => {
      const { namespace } = flags;
      const trigger: TimeTrigger = {
        kind: 'TimeTrigger',
        metadata: newMetadata({ name: flags.name ?? randomUUID(), namespace }),
        spec: {
          cron: flags.cron,
          functionref: { type: 'name', name: flags.function },
          method: flags.method,
          subpath: flags.subpath,
        },
      };
      const [next] = nextTimes(flags.cron, 1);
      if (flags.spec !== true && flags.dry !== true)
        await mustExist(context, 'Function', [{ name: flags.function, namespace }]);
      await saveOrCreate(context, [trigger], flags);
      if (next && flags.dry !== true) context.out.remark(`next at ${next.toISOString()}`);
    });

  namespaced(verb(tt, 'get', 'show a time trigger', 'spoor tt get --name nightly'))
    .requiredOption('--name <name>', 'name of the trigger')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (flags: NameFlags & { output?: string }) => {
      context.out.object(toManifest(await mustGet(context, 'TimeTrigger', flags)), flags.output);
    });

  namespaced(verb(tt, 'update', 'change a time trigger', 'spoor tt update --name nightly --cron "0 4 * * *"'))
    .requiredOption('--name <name>', 'name of the trigger')
    .option('--function <name>', 'function to call')
    .option('--cron <expression>', 'five fields, six with seconds, or @every 1m')
    .option('--method <method>', 'HTTP method of the call')
    .option('--subpath <path>', 'path below the function')
    .action(async (flags: NameFlags & Partial<CreateFlags>) => {
      const found = await mustGet(context, 'TimeTrigger', flags);
      if (flags.cron !== undefined) nextTimes(flags.cron, 1);
      if (flags.function !== undefined)
        await mustExist(context, 'Function', [{ name: flags.function, namespace: flags.namespace }]);
      await (
        await context.client()
      ).put({
        ...found,
        spec: {
          cron: flags.cron ?? found.spec.cron,
          functionref:
            flags.function === undefined ? found.spec.functionref : { type: 'name', name: flags.function },
          method: flags.method ?? found.spec.method,
          subpath: flags.subpath ?? found.spec.subpath,
        },
      });
      context.out.print(`time trigger '${flags.name}' updated`);
    });

  namespaced(verb(tt, 'delete', 'delete a time trigger', 'spoor tt delete --name nightly'))
    .requiredOption('--name <name>', 'name of the trigger')
    .option('--ignorenotfound', 'it is not a failure when there is none')
    .action((flags: NameFlags & { ignorenotfound?: boolean }) =>
      remove(context, 'TimeTrigger', flags, flags.ignorenotfound),
    );

  registerWait(tt, context, 'TimeTrigger');

  listed(verb(tt, 'list', 'list time triggers', 'spoor tt list')).action(async (flags: ListFlags) => {
    const found = await (
      await context.client()
    ).list('TimeTrigger', flags.allNamespaces ? undefined : flags.namespace);
    context.out.list(
      found.map(({ metadata, spec }) => ({
        name: metadata.name,
        cron: spec.cron,
        function: functionNames(spec.functionref).join(','),
        method: spec.method,
        subpath: spec.subpath,
        namespace: metadata.namespace,
      })),
      [
        { title: 'NAME', key: 'name' },
        { title: 'CRON', key: 'cron' },
        { title: 'FUNCTION_NAME', key: 'function' },
        { title: 'METHOD', key: 'method' },
        { title: 'SUBPATH', key: 'subpath' },
        { title: 'NAMESPACE', key: 'namespace', narrow: 'drop' },
      ],
      flags.output,
      found.map(toManifest),
    );
  });

  verb(
    tt,
    'showschedule',
    'show when a cron expression fires',
    'spoor tt showschedule --cron "*/5 * * * *" --round 3',
  )
    .alias('show')
    .requiredOption('--cron <expression>', 'five fields, six with seconds, or @every 1m')
    .option('--round <n>', 'how many times', wholeNumber, 1)
    .addOption(outputOption(['json', 'yaml']))
    .action((flags: { cron: string; round: number; output?: string }) => {
      const now = new Date();
      const times = nextTimes(flags.cron, Math.min(flags.round, MAX_ROUNDS), now).map((time) =>
        time.toISOString(),
      );
      if (flags.output !== undefined) {
        context.out.object({ now: now.toISOString(), times }, flags.output);
        return;
      }
      context.out.print(`Current server time: ${now.toISOString()}`);
      for (const [index, time] of times.entries()) context.out.print(`${index + 1}. ${time}`);
    });
}

interface CreateFlags {
  readonly name?: string;
  readonly namespace: string;
  readonly function: string;
  readonly cron: string;
  readonly method: string;
  readonly subpath: string;
}

const MAX_ROUNDS = 1000;

/** The next `count` times; times are UTC unless the expression begins with `CRON_TZ=`. */
export function nextTimes(expression: string, count: number, from = new Date()): Date[] {
  const [, timezone, rest] = /^(?:(?:CRON_)?TZ=(\S+)\s+)?(.*)$/.exec(expression.trim()) as unknown as [
    string,
    string?,
    string?,
  ];
  const every = /^@every\s+(\S+)$/.exec(rest ?? '');
  if (every) {
    const ms = parseDuration(every[1] as string);
    if (ms === undefined || ms < 1)
      throw wrongUsage(`cannot read ${JSON.stringify(expression)}: @every wants a duration such as 30s`);
    return Array.from({ length: count }, (_, index) => new Date(from.getTime() + ms * (index + 1)));
  }
  try {
    return new Cron(rest as string, { timezone: timezone ?? 'UTC', paused: true }).nextRuns(count, from);
  } catch (error) {
    throw wrongUsage(
      `cannot read the cron expression ${JSON.stringify(expression)}: ${(error as Error).message.replace(/^CronPattern: /, '')}`,
    );
  }
}
