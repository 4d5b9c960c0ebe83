import type { Command } from 'commander';
import { toManifest } from '../../platform/spec/manifest.ts';
import type { CanaryConfig } from '../../platform/spec/resources.ts';
import { formatDuration } from '../../platform/spec/units.ts';
import type { CliContext } from '../context.ts';
import {
  durationMs,
  listed,
  namespaced,
  outputOption,
  savable,
  verb,
  wholeNumber,
  wrongUsage,
} from './flags.ts';
import type { ListFlags, NameFlags, SaveFlags } from './flags.ts';
import { newMetadata } from './new-metadata.ts';
import { mustGet, remove } from './remove.ts';
import { saveOrCreate } from './save-or-create.ts';
import { registerWait } from './wait.ts';

export function register(program: Command, context: CliContext): void {
  const canary = program
    .command('canary')
    .alias('canary-config')
    .description('canary configs: move the calls of a route to a new function step by step');

  steps(
    savable(
      namespaced(
        verb(
          canary,
          'create',
          'create a canary config; its route must share calls by weight',
          'spoor route create --name hello --function new --weight 0 --function old --weight 100 --url /hello\nspoor canary create --name hello --httptrigger hello --newfunction new --oldfunction old',
        ),
      ),
    ),
  )
    .requiredOption('--name <name>', 'name of the canary config')
    .requiredOption('--httptrigger <name>', 'route whose weights are moved')
    .requiredOption('--newfunction <name>', 'function that gets more calls')
    .requiredOption('--oldfunction <name>', 'function that gets fewer')
    .action(async (flags: CreateFlags & SaveFlags) => {
      const config: CanaryConfig = {
        kind: 'CanaryConfig',
        metadata: newMetadata(flags),
        spec: {
          trigger: flags.httptrigger,
          newfunction: flags.newfunction,
          oldfunction: flags.oldfunction,
          weightincrement: flags.incrementStep ?? 20,
          weightincrementduration: flags.incrementInterval ?? 120_000,
          failurethreshold: flags.failureThreshold ?? 10,
          failureType: 'status-code',
        },
        status: { status: 'pending' },
      };
      if (flags.spec !== true && flags.dry !== true) await checkRoute(context, config);
      await saveOrCreate(context, [config], flags);
    });

  namespaced(verb(canary, 'get', 'show a canary config', 'spoor canary get --name hello'))
    .requiredOption('--name <name>', 'name of the canary config')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (flags: NameFlags & { output?: string }) => {
      context.out.object(toManifest(await mustGet(context, 'CanaryConfig', flags)), flags.output);
    });

  steps(
    namespaced(
      verb(
        canary,
        'update',
        'change a canary config and start it again',
        'spoor canary update --name hello --increment-step 10',
      ),
    ),
  )
    .requiredOption('--name <name>', 'name of the canary config')
    .action(async (flags: NameFlags & StepFlags) => {
      const found = await mustGet(context, 'CanaryConfig', flags);
      const { spec } = found;
      await (
        await context.client()
      ).put({
        ...found,
        spec: {
          ...spec,
          weightincrement: flags.incrementStep ?? spec.weightincrement,
          weightincrementduration: flags.incrementInterval ?? spec.weightincrementduration,
          failurethreshold: flags.failureThreshold ?? spec.failurethreshold,
        },
        status: { status: 'pending' },
      });
      context.out.print(`canary config '${flags.name}' updated`);
    });

  namespaced(
    verb(
      canary,
      'delete',
      'delete a canary config; the weights stay as they are',
      'spoor canary delete --name hello',
    ),
  )
    .requiredOption('--name <name>', 'name of the canary config')
    .option('--ignorenotfound', 'it is not a failure when there is none')
    .action((flags: NameFlags & { ignorenotfound?: boolean }) =>
      remove(context, 'CanaryConfig', flags, flags.ignorenotfound),
    );

  listed(verb(canary, 'list', 'list canary configs', 'spoor canary list')).action(
    async (flags: ListFlags) => {
      const client = await context.client();
      const namespace = flags.allNamespaces ? undefined : flags.namespace;
      const found = await client.list('CanaryConfig', namespace);
      const routes = await client.list('HTTPTrigger', namespace);
      const weightOf = ({ metadata, spec }: CanaryConfig) => {
        const reference = routes.find(
          (route) => route.metadata.name === spec.trigger && route.metadata.namespace === metadata.namespace,
        )?.spec.functionref;
        return reference?.type === 'function-weights'
          ? String(reference.functionweights[spec.newfunction] ?? 0)
          : '';
      };
      context.out.list(
        found.map((config) => ({
          name: config.metadata.name,
          trigger: config.spec.trigger,
          newfunction: config.spec.newfunction,
          oldfunction: config.spec.oldfunction,
          weight: weightOf(config),
          step: config.spec.weightincrement,
          interval: formatDuration(config.spec.weightincrementduration),
          threshold: config.spec.failurethreshold,
          status: config.status.status,
          namespace: config.metadata.namespace,
        })),
        [
          { title: 'NAME', key: 'name' },
          { title: 'TRIGGER', key: 'trigger' },
          { title: 'FUNCTION-N', key: 'newfunction' },
          { title: 'FUNCTION-N-1', key: 'oldfunction' },
          { title: 'WEIGHT-NOW', key: 'weight', align: 'right' },
          { title: 'WEIGHT-INCREMENT', key: 'step', align: 'right' },
          { title: 'INTERVAL', key: 'interval' },
          { title: 'FAILURE-THRESHOLD', key: 'threshold', align: 'right' },
          { title: 'STATUS', key: 'status' },
          { title: 'NAMESPACE', key: 'namespace', wide: true },
        ],
        flags.output,
        found.map(toManifest),
      );
    },
  );

  registerWait(canary, context, 'CanaryConfig', 'Succeeded');
}

interface StepFlags {
  readonly incrementStep?: number;
  /** Milliseconds. */
  readonly incrementInterval?: number;
  readonly failureThreshold?: number;
}

interface CreateFlags extends NameFlags, StepFlags {
  readonly httptrigger: string;
  readonly newfunction: string;
  readonly oldfunction: string;
}

function steps(command: Command): Command {
  return command
    .option('--increment-step <percent>', 'weight added at each step (default: 20)', wholeNumber)
    .option('--increment-interval <duration>', 'time between two steps (default: 2m)', durationMs)
    .option(
      '--failure-threshold <percent>',
      'more failures than this and everything goes back to the old function (default: 10)',
      wholeNumber,
    );
}

/** A canary of a route that knows one function would move nothing. */
async function checkRoute(context: CliContext, { metadata, spec }: CanaryConfig): Promise<void> {
  const route = await mustGet(context, 'HTTPTrigger', { name: spec.trigger, namespace: metadata.namespace });
  const reference = route.spec.functionref;
  const names = reference.type === 'function-weights' ? Object.keys(reference.functionweights) : [];
  const absent = [spec.newfunction, spec.oldfunction].find((name) => !names.includes(name));
  if (absent === undefined) return;
  throw wrongUsage(
    `cannot create canary config '${metadata.name}': route '${spec.trigger}' does not share its calls with '${absent}'. Give it both functions: \`spoor route update --name ${spec.trigger} --function ${spec.newfunction} --weight 0 --function ${spec.oldfunction} --weight 100\``,
  );
}
