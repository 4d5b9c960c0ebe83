import { randomUUID } from 'node:crypto';
import { Option, type Command } from 'commander';
import { toManifest } from '../../platform/spec/manifest.ts';
import { keyOf, type FunctionReference, type HTTPTrigger } from '../../platform/spec/resources.ts';
import { routeCondition, routeConditions } from '../../platform/spec/route-conflict.ts';
import { functionNames } from '../../platform/spec/validate.ts';
import type { CliContext } from '../context.ts';
import {
  collectList,
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
import { mustExist, mustGet, remove } from './remove.ts';
import { saveOrCreate } from './save-or-create.ts';
import { registerWait } from './wait.ts';

export function register(program: Command, context: CliContext): void {
  const route = program
    .command('httptrigger')
    .aliases(['route', 'ht'])
    .description('HTTP triggers: which path calls which function');

  routeFlags(
    savable(
      namespaced(
        verb(
          route,
          'create',
          'create an HTTP trigger',
          'spoor route create --name hello --function hello --url /hello --method GET\nspoor route create --function new --function old --weight 10 --weight 90 --url /hello',
        ),
      ),
    ),
  )
    .option('--name <name>', 'name of the trigger (default: made up)')
    .action(async (flags: RouteFlags & SaveFlags) => {
      if (!flags.function) throw wrongUsage('cannot create an HTTP trigger of nothing: give --function');
      const trigger = newRoute({ ...flags, functions: flags.function, weights: flags.weight ?? [] });
      if (flags.spec !== true && flags.dry !== true)
        await mustExist(
          context,
          'Function',
          flags.function.map((name) => ({ name, namespace: flags.namespace })),
        );
      await saveOrCreate(context, [trigger], flags);
    });

  namespaced(verb(route, 'get', 'show an HTTP trigger', 'spoor route get --name hello'))
    .requiredOption('--name <name>', 'name of the trigger')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (flags: NameFlags & { output?: string }) => {
      const found = await mustGet(context, 'HTTPTrigger', flags);
      const all = await (await context.client()).list('HTTPTrigger');
      const status = { conditions: [routeCondition(found, all)] };
      context.out.object({ ...toManifest(found), status }, flags.output);
    });

  routeFlags(
    namespaced(
      verb(route, 'update', 'change an HTTP trigger', 'spoor route update --name hello --function hello2'),
    ),
  )
    .requiredOption('--name <name>', 'name of the trigger')
    .action(async (flags: RouteFlags & NameFlags) => {
      const found = await mustGet(context, 'HTTPTrigger', flags);
      if (flags.function)
        await mustExist(
          context,
          'Function',
          flags.function.map((name) => ({ name, namespace: flags.namespace })),
        );
      await (
        await context.client()
      ).put({
        ...found,
        spec: {
          ...found.spec,
          relativeurl:
            flags.prefix === undefined
              ? flags.url === undefined
                ? found.spec.relativeurl
                : absolute(flags.url)
              : '',
          prefix:
            flags.prefix === undefined
              ? flags.url === undefined
                ? found.spec.prefix
                : ''
              : absolute(flags.prefix),
          keepPrefix: flags.keepprefix ?? found.spec.keepPrefix,
          methods: flags.method ?? found.spec.methods,
          host: flags.host ?? found.spec.host,
          functionref: flags.function
            ? functionReference(flags.function, flags.weight ?? [])
            : found.spec.functionref,
          invocationMode: flags.invocationMode ?? found.spec.invocationMode,
        },
      });
      context.out.print(`trigger '${flags.name}' updated`);
    });

  namespaced(
    verb(
      route,
      'delete',
      'delete an HTTP trigger',
      'spoor route delete --name hello\nspoor route delete --function hello',
    ),
  )
    .option('--name <name>', 'name of the trigger')
    .option('--function <name>', 'all triggers of this function')
    .option('--ignorenotfound', 'it is not a failure when there is none')
    .action(
      async (flags: { name?: string; function?: string; namespace: string; ignorenotfound?: boolean }) => {
        if (flags.name !== undefined) {
          await remove(
            context,
            'HTTPTrigger',
            { name: flags.name, namespace: flags.namespace },
            flags.ignorenotfound,
          );
          return;
        }
        const fn = flags.function;
        if (fn === undefined) throw wrongUsage('cannot delete an HTTP trigger: give --name or --function');
        for (const { metadata, spec } of await (await context.client()).list('HTTPTrigger', flags.namespace))
          if (functionNames(spec.functionref).includes(fn)) await remove(context, 'HTTPTrigger', metadata);
      },
    );

  registerWait(route, context, 'HTTPTrigger');

  listed(verb(route, 'list', 'list HTTP triggers', 'spoor route list'))
    .option('--function <name>', 'only those of this function')
    .action(async (flags: ListFlags & { function?: string }) => {
      // Of every namespace: they share one router, so that one can stand in another's way.
      const all = await (await context.client()).list('HTTPTrigger');
      const conditions = routeConditions(all);
      const found = all.filter(
        ({ metadata, spec }) =>
          (flags.allNamespaces === true || metadata.namespace === flags.namespace) &&
          (flags.function === undefined || functionNames(spec.functionref).includes(flags.function)),
      );
      const conditionOf = ({ metadata }: HTTPTrigger) => conditions.get(keyOf(metadata));
      const statusOf = (trigger: HTTPTrigger) => {
        const condition = conditionOf(trigger);
        return condition?.reason === 'RouteConflict' ? `RouteConflict: ${condition.message}` : '';
      };
      context.out.list(
        found.map(({ metadata, spec }, index) => ({
          name: metadata.name,
          status: statusOf(found[index] as HTTPTrigger),
          method: spec.methods.join(','),
          url: spec.prefix || spec.relativeurl,
          functions: describeReference(spec.functionref),
          host: spec.host || '*',
          prefix: spec.prefix === '' ? '' : spec.keepPrefix ? 'kept' : 'stripped',
          mode: spec.invocationMode,
          namespace: metadata.namespace,
        })),
        [
          { title: 'NAME', key: 'name' },
          { title: 'METHOD', key: 'method' },
          { title: 'URL', key: 'url' },
          { title: 'FUNCTION(s)', key: 'functions', narrow: 'cut' },
          { title: 'HOST', key: 'host', narrow: 'drop' },
          { title: 'PREFIX', key: 'prefix', wide: true },
          { title: 'MODE', key: 'mode', wide: true },
          { title: 'NAMESPACE', key: 'namespace', narrow: 'drop' },
          { title: 'STATUS', key: 'status', narrow: 'cut' },
        ],
        flags.output,
        found.map((trigger) => ({
          ...toManifest(trigger),
          status: { conditions: [conditionOf(trigger)] },
        })),
      );
    });
}

interface RouteFlags {
  readonly name?: string;
  readonly namespace: string;
  readonly function?: readonly string[];
  readonly weight?: readonly number[];
  readonly url?: string;
  readonly prefix?: string;
  readonly keepprefix?: boolean;
  readonly method?: readonly string[];
  readonly host?: string;
  readonly invocationMode?: 'sync' | 'async';
}

export interface NewRoute {
  readonly name?: string;
  readonly namespace: string;
  readonly functions: readonly string[];
  readonly weights: readonly number[];
  readonly url?: string;
  readonly prefix?: string;
  readonly keepprefix?: boolean;
  readonly method?: readonly string[];
  readonly host?: string;
  readonly invocationMode?: 'sync' | 'async';
}

export function newRoute(wish: NewRoute): HTTPTrigger {
  if (wish.url === undefined && wish.prefix === undefined)
    throw wrongUsage('cannot create an HTTP trigger without a path: give --url or --prefix');
  return {
    kind: 'HTTPTrigger',
    metadata: newMetadata({ name: wish.name ?? randomUUID(), namespace: wish.namespace }),
    spec: {
      relativeurl: wish.prefix === undefined ? absolute(wish.url as string) : '',
      prefix: wish.prefix === undefined ? '' : absolute(wish.prefix),
      keepPrefix: wish.keepprefix === true,
      methods: wish.method ?? ['GET'],
      host: wish.host ?? '',
      functionref: functionReference(wish.functions, wish.weights),
      invocationMode: wish.invocationMode ?? 'sync',
    },
  };
}

function routeFlags(command: Command): Command {
  return command
    .option('--function <name>', 'function to call; twice to share the calls by weight', collectList)
    .option(
      '--weight <percent>',
      'weight of each function, in their order',
      (text: string, previous: readonly number[] | undefined) => [
        ...(previous ?? []),
        ...text.split(',').map(wholeNumber),
      ],
    )
    .option('--url <path>', 'path, such as /users/{id} or /users/{id:[0-9]+}')
    .option('--prefix <path>', 'every path below this one')
    .option('--keepprefix', 'do not strip the prefix from what the function sees')
    .option('--method <method>', 'HTTP method (default: GET); may be repeated', collectList)
    .option('--host <name>', 'only for this host name')
    .addOption(
      new Option('--invocation-mode <mode>', 'sync, or async to answer 202 at once').choices([
        'sync',
        'async',
      ]),
    );
}

function functionReference(functions: readonly string[], weights: readonly number[]): FunctionReference {
  const [only] = functions;
  if (only !== undefined && functions.length === 1) return { type: 'name', name: only };
  if (functions.length > 2)
    throw wrongUsage(`cannot share one trigger among ${functions.length} functions: two at most`);
  if (weights.length !== functions.length)
    throw wrongUsage(`cannot share calls among ${functions.join(' and ')}: give --weight for each`);
  if (weights.reduce((sum, weight) => sum + weight, 0) !== 100)
    throw wrongUsage(`cannot share calls by weights ${weights.join(' and ')}: they must sum to 100`);
  return {
    type: 'function-weights',
    functionweights: Object.fromEntries(functions.map((name, index) => [name, weights[index] as number])),
  };
}

function describeReference(reference: FunctionReference): string {
  if (reference.type === 'name') return reference.name;
  return Object.entries(reference.functionweights)
    .map(([name, weight]) => `${name}:${weight}`)
    .join(',');
}

function absolute(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}
