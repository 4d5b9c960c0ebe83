import type { Command } from 'commander';
import { Failure } from '../../server/failure.ts';
import { toManifest } from '../../platform/spec/manifest.ts';
import { keyOf, type Environment, type ResourceLimits } from '../../platform/spec/resources.ts';
import { runtimeOf } from '../../platform/spec/runtime.ts';
import type { CliContext } from '../context.ts';
import { collectPairs, listed, namespaced, outputOption, savable, verb, wholeNumber } from './flags.ts';
import type { ListFlags, NameFlags, SaveFlags } from './flags.ts';
import { newMetadata } from './new-metadata.ts';
import * as environmentPart from '../parts/environment.ts';
import { registerPods } from './pods.ts';
import { mustGet, remove } from './remove.ts';
import { saveOrCreate } from './save-or-create.ts';
import { registerWait } from './wait.ts';

export function register(program: Command, context: CliContext): void {
  const env = program.command('environment').alias('env').description('environments: what functions run in');

  savable(
    environmentFlags(
      namespaced(
        verb(
          env,
          'create',
          'create an environment',
          'spoor env create --name nodejs --image ghcr.io/fission/node-env',
        ),
      ),
    ),
  )
    .requiredOption('--name <name>', 'name of the environment')
    .requiredOption('--image <image>', 'node-env or python-env image, or plain node or python')
    .action(async (flags: CreateFlags) => {
      const environment: Environment = {
        kind: 'Environment',
        metadata: newMetadata(flags),
        spec: {
          version: (flags.version ?? 3) as 1 | 2 | 3,
          runtime: { image: flags.image, env: pairs(flags.runtimeEnv) },
          ...(flags.builder === undefined
            ? {}
            : {
                builder: {
                  image: flags.builder,
                  command: flags.buildcmd ?? 'build',
                  env: pairs(flags.builderEnv),
                },
              }),
          poolsize: flags.poolsize ?? 3,
          keeparchive: flags.keeparchive === true,
          allowedFunctionsPerContainer: 'single',
          terminationGracePeriod: flags.graceperiod ?? 90,
          resources: limitsOf(flags),
        },
      };
      runtimeOf(environment);
      await saveOrCreate(context, [environment], flags);
    });

  namespaced(verb(env, 'get', 'show an environment', 'spoor env get --name nodejs'))
    .requiredOption('--name <name>', 'name of the environment')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (flags: NameFlags & { output?: string }) => {
      context.out.object(toManifest(await mustGet(context, 'Environment', flags)), flags.output);
    });

  environmentFlags(
    namespaced(
      verb(
        env,
        'update',
        'change an environment; its instances are replaced',
        'spoor env update --name nodejs --poolsize 5',
      ),
    ),
  )
    .requiredOption('--name <name>', 'name of the environment')
    .option('--image <image>', 'node-env or python-env image')
    .action(async (flags: Partial<CreateFlags> & NameFlags) => {
      const { kind, metadata, spec } = await mustGet(context, 'Environment', flags);
      const changed: Environment = {
        kind,
        metadata,
        spec: {
          ...spec,
          version: (flags.version ?? spec.version) as 1 | 2 | 3,
          runtime: {
            image: flags.image ?? spec.runtime.image,
            env: flags.runtimeEnv ? pairs(flags.runtimeEnv) : spec.runtime.env,
          },
          ...(flags.builder === undefined && flags.buildcmd === undefined
            ? {}
            : {
                builder: {
                  image: flags.builder ?? spec.builder?.image ?? '',
                  command: flags.buildcmd ?? spec.builder?.command ?? 'build',
                  env: flags.builderEnv ? pairs(flags.builderEnv) : (spec.builder?.env ?? []),
                },
              }),
          poolsize: flags.poolsize ?? spec.poolsize,
          keeparchive: flags.keeparchive ?? spec.keeparchive,
          terminationGracePeriod: flags.graceperiod ?? spec.terminationGracePeriod,
          resources: { ...spec.resources, ...limitsOf(flags) },
        },
      };
      runtimeOf(changed);
      await (await context.client()).put(changed);
      context.out.print(`environment '${flags.name}' updated`);
    });

  namespaced(verb(env, 'delete', 'delete an environment', 'spoor env delete --name nodejs'))
    .requiredOption('--name <name>', 'name of the environment')
    .option('--ignorenotfound', 'it is not a failure when there is none')
    .option('-f, --force', 'delete it although functions use it')
    .action(async (flags: NameFlags & { ignorenotfound?: boolean; force?: boolean }) => {
      const users = (await (await context.client()).list('Function'))
        .filter(({ spec }) => keyOf(spec.environment) === keyOf(flags))
        .map(({ metadata }) => metadata.name);
      if (users.length > 0 && flags.force !== true)
        throw new Failure(
          'cli',
          'conflict',
          `cannot delete environment '${flags.name}': functions run in it (${users.join(', ')}). Delete them first, or give --force`,
        );
      await remove(context, 'Environment', flags, flags.ignorenotfound);
      if (users.length > 0)
        context.out.warn(`functions that use it cannot run any more: ${users.join(', ')}`);
    });

  registerPods(env, context);
  environmentPart.register(env);
  registerWait(env, context, 'Environment', 'PoolReady');

  listed(verb(env, 'list', 'list environments', 'spoor env list')).action(async (flags: ListFlags) => {
    const found = await (
      await context.client()
    ).list('Environment', flags.allNamespaces ? undefined : flags.namespace);
    context.out.list(
      found.map(({ metadata, spec }) => ({
        name: metadata.name,
        namespace: metadata.namespace,
        image: spec.runtime.image,
        builder: spec.builder?.image ?? '',
        poolsize: spec.poolsize,
        version: spec.version,
        keeparchive: spec.keeparchive,
        graceperiod: spec.terminationGracePeriod,
      })),
      [
        { title: 'NAME', key: 'name' },
        { title: 'IMAGE', key: 'image', narrow: 'cut' },
        { title: 'BUILDER_IMAGE', key: 'builder', narrow: 'cut' },
        { title: 'POOLSIZE', key: 'poolsize', align: 'right' },
        { title: 'VERSION', key: 'version', align: 'right' },
        { title: 'KEEPARCHIVE', key: 'keeparchive', wide: true },
        { title: 'GRACETIME', key: 'graceperiod', align: 'right', wide: true },
        { title: 'NAMESPACE', key: 'namespace', narrow: 'drop' },
      ],
      flags.output,
      found.map(toManifest),
    );
  });
}

interface CreateFlags extends NameFlags, SaveFlags {
  readonly image: string;
  readonly builder?: string;
  readonly buildcmd?: string;
  readonly version?: number;
  readonly poolsize?: number;
  readonly keeparchive?: boolean;
  readonly graceperiod?: number;
  readonly runtimeEnv?: Readonly<Record<string, string>>;
  readonly builderEnv?: Readonly<Record<string, string>>;
  readonly maxmemory?: number;
  readonly maxcpu?: number;
}

function environmentFlags(command: Command): Command {
  return command
    .option('--builder <image>', 'builder image')
    .option('--buildcmd <command>', 'command that builds a source package')
    .option('--version <n>', 'version of the environment interface (default: 3)', wholeNumber)
    .option('--poolsize <n>', 'warm generic instances (default: 3)', wholeNumber)
    .option('--keeparchive', 'give functions the archive as it is, not unpacked')
    .option(
      '--graceperiod <seconds>',
      'seconds for requests in flight when an instance stops (default: 90)',
      wholeNumber,
    )
    .option(
      '--runtime-env <key=value>',
      'environment variable of the functions; may be repeated',
      collectPairs,
    )
    .option('--builder-env <key=value>', 'environment variable of the builder; may be repeated', collectPairs)
    .option('--maxmemory <MiB>', 'memory limit of an instance', wholeNumber)
    .option('--maxcpu <millicores>', 'CPU limit of an instance', wholeNumber);
}

function pairs(values: Readonly<Record<string, string>> | undefined): { name: string; value: string }[] {
  return Object.entries(values ?? {}).map(([name, value]) => ({ name, value }));
}

function limitsOf(flags: { maxmemory?: number; maxcpu?: number }): ResourceLimits {
  return {
    ...(flags.maxmemory === undefined ? {} : { memoryLimitBytes: flags.maxmemory * 2 ** 20 }),
    ...(flags.maxcpu === undefined ? {} : { cpuLimit: flags.maxcpu / 1000 }),
  };
}
