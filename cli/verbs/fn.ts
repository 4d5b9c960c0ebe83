import { randomUUID } from 'node:crypto';
import { Option, type Command } from 'commander';
import { describe } from '../../platform/spec/kinds.ts';
import { toManifest } from '../../platform/spec/manifest.ts';
import { Failure } from '../../server/failure.ts';
import type { Destination, FunctionResource, Metadata, Resource } from '../../platform/spec/resources.ts';
import type { CliContext } from '../context.ts';
import {
  collectList,
  collectPairList,
  collectPairs,
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
import { registerDescribe } from './fn-describe.ts';
import { registerDlq } from './fn-dlq.ts';
import { registerLog } from './fn-log.ts';
import { registerRun } from './fn-run.ts';
import { registerTest } from './fn-test.ts';
import { newMetadata } from './new-metadata.ts';
import { hasContent, newPackage, type ContentFlags, type NewPackage } from './new-package.ts';
import { contentFlags, updatePackage } from './pkg.ts';
import { mustExist, mustGet, remove } from './remove.ts';
import { newRoute } from './route.ts';
import { registerPods } from './pods.ts';
import { saveOrCreate } from './save-or-create.ts';
import { registerWait } from './wait.ts';

export function register(program: Command, context: CliContext): void {
  const fn = program.command('function').alias('fn').description('functions');

  functionFlags(
    contentFlags(
      savable(
        namespaced(
          verb(
            fn,
            'create',
            'create a function',
            'spoor fn create --name hello --env nodejs --code hello.js\nspoor fn create --name hello --env nodejs --code hello.js --url /hello --method GET',
          ),
        ),
      ),
    ),
  )
    .requiredOption('--name <name>', 'name of the function')
    .option('--env <name>', 'its environment')
    .option('--url <path>', 'also create an HTTP trigger for this path')
    .option('--prefix <path>', 'also create an HTTP trigger for every path below this one')
    .option('--method <method>', 'of that HTTP trigger (default: GET); may be repeated', collectList)
    .action((flags: CreateFlags) => create(context, flags));

  functionFlags(
    contentFlags(
      namespaced(
        verb(
          fn,
          'update',
          'change a function; its instances are replaced',
          'spoor fn update --name hello --code hello.js',
        ),
      ),
    ),
  )
    .requiredOption('--name <name>', 'name of the function')
    .option('--env <name>', 'its environment')
    .action((flags: UpdateFlags) => update(context, flags));

  namespaced(verb(fn, 'get', "print a function's code", 'spoor fn get --name hello'))
    .requiredOption('--name <name>', 'name of the function')
    .action(async (flags: NameFlags) => {
      const { spec } = await mustGet(context, 'Function', flags);
      context.out.bytes(await (await context.client()).readArchive(spec.package.packageref, 'deployment'));
    });

  namespaced(verb(fn, 'getmeta', 'show a function without its code', 'spoor fn getmeta --name hello -o yaml'))
    .requiredOption('--name <name>', 'name of the function')
    .addOption(outputOption(['json', 'yaml', 'wide']))
    .action(async (flags: NameFlags & { output?: string }) => {
      const found = await mustGet(context, 'Function', flags);
      if (flags.output === 'json' || flags.output === 'yaml')
        context.out.object(toManifest(found), flags.output);
      else listFunctions(context, [found], flags.output);
    });

  namespaced(verb(fn, 'delete', 'delete a function', 'spoor fn delete --name hello'))
    .requiredOption('--name <name>', 'name of the function')
    .option('--ignorenotfound', 'it is not a failure when there is none')
    .action((flags: NameFlags & { ignorenotfound?: boolean }) =>
      remove(context, 'Function', flags, flags.ignorenotfound),
    );

  listed(verb(fn, 'list', 'list functions', 'spoor fn list -o wide')).action(async (flags: ListFlags) => {
    const found = await (
      await context.client()
    ).list('Function', flags.allNamespaces ? undefined : flags.namespace);
    listFunctions(context, found, flags.output);
  });

  registerDescribe(fn, context);
  registerTest(fn, context);
  registerLog(fn, context);
  registerRun(fn, context);
  registerDlq(fn, context);
  registerPods(fn, context);
  registerWait(fn, context, 'Function');
}

interface FunctionFlags extends ContentFlags {
  readonly pkg?: string;
  readonly entrypoint?: string;
  readonly executortype?: 'poolmgr' | 'newdeploy' | 'container';
  readonly fntimeout?: number;
  readonly idletimeout?: number;
  readonly concurrency?: number;
  readonly requestsperpod?: number;
  readonly onceonly?: boolean;
  readonly retainpods?: number;
  readonly specializationtimeout?: number;
  readonly minscale?: number;
  readonly maxscale?: number;
  readonly secret?: readonly string[];
  readonly configmap?: readonly string[];
  readonly envVar?: Readonly<Record<string, string>>;
  readonly streaming?: boolean;
  readonly streamingIdleTimeout?: number;
  readonly streamingMaxDuration?: number;
  readonly asyncRetryMaxAttempts?: number;
  readonly asyncMaxAge?: number;
  readonly asyncOnSuccess?: string;
  readonly asyncOnFailure?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotation?: Readonly<Record<string, string>>;
  readonly maxmemory?: number;
  readonly maxcpu?: number;
}

interface CreateFlags extends FunctionFlags, NameFlags, SaveFlags {
  readonly env?: string;
  readonly url?: string;
  readonly prefix?: string;
  readonly method?: readonly string[];
}

type UpdateFlags = FunctionFlags & NameFlags & { readonly env?: string };

function functionFlags(command: Command): Command {
  return command
    .option('--pkg <name>', 'a package that is there already')
    .option('--entrypoint <name>', 'where the function is: file, or file.function')
    .addOption(
      new Option('--executortype <type>', 'all of them run from the pool here (default: poolmgr)').choices([
        'poolmgr',
        'newdeploy',
        'container',
      ]),
    )
    .option('--fntimeout <seconds>', 'longest time of one request (default: 60)', wholeNumber)
    .option('--idletimeout <seconds>', 'how long an instance may idle (default: 120)', wholeNumber)
    .option('--concurrency <n>', 'most instances at a time (default: 500)', wholeNumber)
    .option('--requestsperpod <n>', 'requests of an instance at a time (default: 1)', wholeNumber)
    .option('--onceonly', 'one request per instance, then a new one')
    .option('--retainpods <n>', 'instances that are kept when idle (default: 0)', wholeNumber)
    .option(
      '--specializationtimeout <seconds>',
      'longest time to load the function (default: 120)',
      wholeNumber,
    )
    .option('--minscale <n>', 'least instances, newdeploy', wholeNumber)
    .option('--maxscale <n>', 'most instances, newdeploy', wholeNumber)
    .option('--secret <name>', 'secret the function may read; may be repeated', collectList)
    .option('--configmap <name>', 'configmap the function may read; may be repeated', collectList)
    .option('-e, --env-var <key=value>', 'environment variable; may be repeated', collectPairs)
    .option('--labels <key=value,...>', 'labels of the function', collectPairList)
    .option('--annotation <key=value>', 'annotation of the function; may be repeated', collectPairs)
    .option('--streaming', 'pass the answer on as it comes, with no limit on the whole')
    .option('--streaming-idle-timeout <seconds>', 'longest silence of a stream (default: 60)', wholeNumber)
    .option('--streaming-max-duration <seconds>', 'longest time of a stream (default: no limit)', wholeNumber)
    .option('--async-retry-max-attempts <n>', 'deliveries of an asynchronous call (default: 3)', wholeNumber)
    .option('--async-max-age <duration>', 'how old an asynchronous call may grow (default: 6h)', durationMs)
    .option('--async-on-success <name>', "function to tell of an asynchronous call's success; '' for none")
    .option('--async-on-failure <name>', "function to tell of its failure; '' for none")
    .option('--maxmemory <MiB>', 'memory limit of an instance', wholeNumber)
    .option('--maxcpu <millicores>', 'CPU limit of an instance', wholeNumber);
}

async function create(context: CliContext, flags: CreateFlags): Promise<void> {
  const { name, namespace } = flags;
  const saving = flags.spec === true || flags.dry === true;
  if (flags.pkg === undefined && !hasContent(flags))
    throw wrongUsage(`cannot create function '${name}' without code: give --code, --deploy, --src or --pkg`);
  if (flags.pkg !== undefined && hasContent(flags))
    throw wrongUsage('cannot take both --pkg and code: a package has its own');
  const made: Resource[] = [];
  const packageref = { name: flags.pkg ?? `${name}-${randomUUID()}`, namespace };
  let environment = { name: flags.env ?? '', namespace };
  if (flags.pkg !== undefined && !saving)
    environment = (await mustGet(context, 'Package', packageref)).spec.environment;
  else {
    if (flags.env === undefined)
      throw wrongUsage(`cannot create function '${name}' without an environment: give --env`);
    if (!saving) await mustExist(context, 'Environment', [environment]);
  }
  let documents: NewPackage['documents'] = [];
  if (flags.pkg === undefined) {
    const created = await newPackage(context, packageref, environment, flags);
    made.push(created.pkg);
    documents = created.documents;
  }
  made.push({
    kind: 'Function',
    metadata: withLabels(newMetadata(flags), flags),
    spec: changed({ ...DEFAULTS, environment, package: { packageref, functionName: '' } }, flags, namespace),
  });
  if (flags.url !== undefined || flags.prefix !== undefined)
    made.push(newRoute({ ...flags, name: undefined, functions: [name], weights: [] }));
  if (!saving && (await (await context.client()).get('Function', flags)))
    throw new Failure(
      'cli',
      'conflict',
      `cannot create ${describe('Function', flags)}: it is there already; change it with \`spoor fn update\``,
    );
  await saveOrCreate(context, made, flags, documents);
}

async function update(context: CliContext, flags: UpdateFlags): Promise<void> {
  const client = await context.client();
  const found = await mustGet(context, 'Function', flags);
  const environment =
    flags.env === undefined ? found.spec.environment : { name: flags.env, namespace: flags.namespace };
  if (flags.env !== undefined) await mustExist(context, 'Environment', [environment]);
  let { packageref } = found.spec.package;
  if (flags.pkg !== undefined) {
    packageref = { name: flags.pkg, namespace: flags.namespace };
    await mustExist(context, 'Package', [packageref]);
  } else if (hasContent(flags) || flags.buildcmd !== undefined) {
    const isShared = (await client.list('Function', flags.namespace)).some(
      ({ metadata, spec }) =>
        metadata.name !== flags.name && spec.package.packageref.name === packageref.name,
    );
    if (isShared) {
      packageref = { name: `${flags.name}-${randomUUID()}`, namespace: flags.namespace };
      await client.create((await newPackage(context, packageref, environment, flags)).pkg);
    } else await updatePackage(context, await mustGet(context, 'Package', packageref), flags);
  }
  const spec = changed(
    { ...found.spec, environment, package: { ...found.spec.package, packageref } },
    flags,
    flags.namespace,
  );
  await client.put({ ...found, metadata: withLabels(found.metadata, flags), spec });
  context.out.print(`function '${flags.name}' updated`);
}

type FunctionSpec = FunctionResource['spec'];

const DEFAULTS: Omit<FunctionSpec, 'environment' | 'package'> = {
  secrets: [],
  configmaps: [],
  env: [],
  functionTimeout: 60,
  idletimeout: 120,
  concurrency: 500,
  requestsPerPod: 1,
  onceOnly: false,
  retainPods: 0,
  specializationTimeout: 120,
  executorType: 'poolmgr',
  minScale: 0,
  maxScale: 0,
  resources: {},
};

function changed(spec: FunctionSpec, flags: FunctionFlags, namespace: string): FunctionSpec {
  const references = (names: readonly string[] | undefined, otherwise: FunctionSpec['secrets']) =>
    names?.map((name) => ({ name, namespace })) ?? otherwise;
  return {
    ...spec,
    package: { ...spec.package, functionName: flags.entrypoint ?? spec.package.functionName },
    secrets: references(flags.secret, spec.secrets),
    configmaps: references(flags.configmap, spec.configmaps),
    env: flags.envVar ? Object.entries(flags.envVar).map(([name, value]) => ({ name, value })) : spec.env,
    functionTimeout: flags.fntimeout ?? spec.functionTimeout,
    idletimeout: flags.idletimeout ?? spec.idletimeout,
    concurrency: flags.concurrency ?? spec.concurrency,
    requestsPerPod: flags.requestsperpod ?? spec.requestsPerPod,
    onceOnly: flags.onceonly ?? spec.onceOnly,
    retainPods: flags.retainpods ?? spec.retainPods,
    specializationTimeout: flags.specializationtimeout ?? spec.specializationTimeout,
    executorType: flags.executortype ?? spec.executorType,
    minScale: flags.minscale ?? spec.minScale,
    maxScale: flags.maxscale ?? spec.maxScale,
    ...streamingOf(spec, flags),
    ...invocationOf(spec, flags),
    resources: {
      ...spec.resources,
      ...(flags.maxmemory === undefined ? {} : { memoryLimitBytes: flags.maxmemory * 2 ** 20 }),
      ...(flags.maxcpu === undefined ? {} : { cpuLimit: flags.maxcpu / 1000 }),
    },
  };
}

function streamingOf(spec: FunctionSpec, flags: FunctionFlags): Pick<FunctionSpec, 'streaming'> {
  const { streaming, streamingIdleTimeout, streamingMaxDuration } = flags;
  if (streaming !== true && streamingIdleTimeout === undefined && streamingMaxDuration === undefined)
    return {};
  const maxDuration = streamingMaxDuration ?? spec.streaming?.maxDuration ?? 0;
  return {
    streaming: {
      idleTimeout: streamingIdleTimeout ?? spec.streaming?.idleTimeout ?? 60,
      ...(maxDuration > 0 ? { maxDuration } : {}),
    },
  };
}

/** What is not said stays as it is; an empty name clears a destination, as in Fission. */
function invocationOf(spec: FunctionSpec, flags: FunctionFlags): Pick<FunctionSpec, 'invocation'> {
  const { asyncRetryMaxAttempts, asyncMaxAge, asyncOnSuccess, asyncOnFailure } = flags;
  const said = [asyncRetryMaxAttempts, asyncMaxAge, asyncOnSuccess, asyncOnFailure];
  if (said.every((flag) => flag === undefined)) return {};
  const { onSuccess, onFailure, ...rest } = spec.invocation ?? {};
  const destination = (name: string | undefined, otherwise: Destination | undefined) =>
    name === undefined ? otherwise : name === '' ? undefined : ({ type: 'function', name } as const);
  const success = destination(asyncOnSuccess, onSuccess);
  const failure = destination(asyncOnFailure, onFailure);
  return {
    invocation: {
      ...rest,
      ...(asyncRetryMaxAttempts === undefined ? {} : { maxAttempts: asyncRetryMaxAttempts }),
      ...(asyncMaxAge === undefined ? {} : { maxAgeMs: asyncMaxAge }),
      ...(success ? { onSuccess: success } : {}),
      ...(failure ? { onFailure: failure } : {}),
    },
  };
}

function withLabels(metadata: Metadata, flags: FunctionFlags): Metadata {
  return {
    ...metadata,
    labels: { ...metadata.labels, ...flags.labels },
    annotations: { ...metadata.annotations, ...flags.annotation },
  };
}

function listFunctions(
  context: CliContext,
  found: readonly FunctionResource[],
  format: string | undefined,
): void {
  context.out.list(
    found.map(({ metadata, spec }) => ({
      name: metadata.name,
      env: spec.environment.name,
      executor: spec.executorType,
      pkg: spec.package.packageref.name,
      entrypoint: spec.package.functionName,
      timeout: spec.functionTimeout,
      concurrency: spec.concurrency,
      requests: spec.requestsPerPod,
      secrets: spec.secrets.map(({ name }) => name).join(','),
      configmaps: spec.configmaps.map(({ name }) => name).join(','),
      generation: metadata.generation,
      namespace: metadata.namespace,
    })),
    [
      { title: 'NAME', key: 'name' },
      { title: 'ENV', key: 'env' },
      { title: 'EXECUTORTYPE', key: 'executor', narrow: 'drop' },
      { title: 'ENTRYPOINT', key: 'entrypoint' },
      { title: 'TIMEOUT', key: 'timeout', align: 'right' },
      { title: 'CONCURRENCY', key: 'concurrency', align: 'right', wide: true },
      { title: 'REQUESTSPERPOD', key: 'requests', align: 'right', wide: true },
      { title: 'GENERATION', key: 'generation', align: 'right', wide: true },
      { title: 'SECRETS', key: 'secrets', narrow: 'drop' },
      { title: 'CONFIGMAPS', key: 'configmaps', narrow: 'drop' },
      { title: 'PACKAGE', key: 'pkg', wide: true },
      { title: 'NAMESPACE', key: 'namespace', narrow: 'drop' },
    ],
    format,
    found.map(toManifest),
  );
}
