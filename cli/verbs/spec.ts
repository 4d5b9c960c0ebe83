import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { Failure, toFailure } from '../../server/failure.ts';
import {
  applyFolder,
  checkFolder,
  type ApplyFolderOptions,
  type FolderResult,
} from '../../platform/spec/apply.ts';
import { OWNER_UID, type ResourceName } from '../../platform/spec/apply-set.ts';
import { ControlClient } from '../../platform/spec/client.ts';
import { ALL_KINDS, KINDS } from '../../platform/spec/kinds.ts';
import { problemsFailure } from '../../platform/spec/problem.ts';
import { DEPLOYMENT_CONFIG_FILE, readSpecFolder, type SpecFolder } from '../../platform/spec/spec-folder.ts';
import type { CliContext } from '../context.ts';
import { createCliContext } from '../context.ts';
import { plural } from '../terminal-text.ts';
import { outputOption, verb, wrongUsage } from './flags.ts';
import { untilBuilt } from './pkg.ts';
import { watchTree } from './watch-tree.ts';

const BUILD_TIMEOUT_MS = 300_000;
/** Editors write a file in several steps; one apply is enough for them. */
const WATCH_SETTLE_MS = 100;

export function register(program: Command, context: CliContext): void {
  const spec = program
    .command('spec')
    .alias('specs')
    .description('spec folders: everything an application needs, as YAML');

  inFolder(verb(spec, 'init', 'make a spec folder', 'spoor spec init --name my-app'))
    .option('--name <name>', 'name of the deployment (default: the folder beside it)')
    .option('--deployid <uuid>', 'uid of the deployment (default: made up)')
    .action((flags: FolderFlags & { name?: string; deployid?: string }) => init(context, flags));

  inFolder(verb(spec, 'validate', 'check a spec folder', 'spoor spec validate'))
    .option('--offline', 'do not ask a running platform what is there already')
    .action(async (flags: FolderFlags & { offline?: boolean }) => {
      const folder = await readSpecFolder(flags.specdir);
      deploymentOf(folder.deployment, `check ${flags.specdir}`, flags);
      const { problems, warnings } = await checkFolder(
        folder,
        flags.offline === true ? undefined : await reachable(context),
      );
      for (const warning of warnings) context.out.warn(warning);
      if (problems.length > 0) throw problemsFailure(`accept ${flags.specdir}`, problems);
      context.out.print(
        `Spec validation successful: ${plural(folder.resources.length, 'resource')}, ${plural(folder.archives.length, 'archive')}`,
      );
    });

  inFolder(
    verb(
      spec,
      'apply',
      'make the platform equal to a spec folder',
      'spoor spec apply --wait\nspoor spec apply --watch --delete',
    ),
  )
    .option('--delete', 'delete what this folder applied before and no longer declares')
    .option('--wait', 'wait until packages are built')
    .option('--watch', 'apply again whenever a file changes, until Ctrl-C')
    .option('--dry-run', 'say what would change, change nothing')
    .option('--allowconflicts', 'take over resources that belong to another deployment')
    .option(
      '--commitlabel [text]',
      'label every resource with this text (default: the commit of the spec folder)',
    )
    .addOption(outputOption(['json', 'yaml']))
    .action((flags: ApplyFlags) => apply(context, flags));

  inFolder(verb(spec, 'destroy', 'delete everything a spec folder applied', 'spoor spec destroy'))
    .option('--dry-run', 'say what would be deleted, delete nothing')
    .action(async (flags: FolderFlags & { dryRun?: boolean }) => {
      const deployment = deploymentOf(
        (await readSpecFolder(flags.specdir)).deployment,
        `tell what ${flags.specdir} applied`,
        flags,
      );
      const client = await context.client();
      const result = await client.apply({
        resources: [],
        deployment,
        delete: true,
        dryRun: flags.dryRun === true,
      });
      sayCounts(context, result.deleted, flags.dryRun === true ? 'would be deleted' : 'deleted');
      if (result.deleted.length === 0) context.out.print('Nothing to delete.');
    });

  inFolder(verb(spec, 'list', 'list what a spec folder applied', 'spoor spec list'))
    .option('--deployid <uuid>', 'of this deployment instead of the folder')
    .addOption(outputOption(['json', 'yaml', 'wide']))
    .action((flags: FolderFlags & { deployid?: string; output?: string }) => list(context, flags));
}

/** Applies a folder to the platform at `internalUrl`; what `spoor up --specdir` and the demo do. */
export async function applyDirectory(
  internalUrl: string,
  directory: string,
  options: ApplyFolderOptions & { readonly wait?: boolean } = {},
): Promise<FolderResult> {
  const { wait, ...rest } = options;
  const result = await applyFolder(new ControlClient(internalUrl), directory, rest);
  if (wait === true)
    await untilPackagesBuilt(
      createCliContext(() => ({ server: internalUrl, data: '' })),
      result,
    );
  return result;
}

interface FolderFlags {
  readonly specdir: string;
}

interface ApplyFlags extends FolderFlags {
  readonly delete?: boolean;
  readonly wait?: boolean;
  readonly watch?: boolean;
  readonly dryRun?: boolean;
  readonly allowconflicts?: boolean;
  readonly commitlabel?: string | true;
  readonly output?: string;
}

function inFolder(command: Command): Command {
  return command.option('--specdir <dir>', 'spec folder', './specs');
}

/** Who owns what the folder declares; wrong usage when it does not say. */
function deploymentOf(
  deployment: SpecFolder['deployment'],
  what: string,
  { specdir }: FolderFlags,
): NonNullable<SpecFolder['deployment']> {
  if (deployment) return deployment;
  throw wrongUsage(
    `cannot ${what}: it has no ${DEPLOYMENT_CONFIG_FILE}. Make it with \`spoor spec init --specdir ${specdir}\`, or name another folder with --specdir`,
  );
}

async function init(
  context: CliContext,
  flags: FolderFlags & { name?: string; deployid?: string },
): Promise<void> {
  const file = join(flags.specdir, DEPLOYMENT_CONFIG_FILE);
  if (existsSync(file)) throw wrongUsage(`cannot make ${file}: it is there already`);
  await mkdir(flags.specdir, { recursive: true });
  const name = flags.name ?? basename(dirname(resolve(flags.specdir)));
  const config = {
    apiVersion: 'fission.io/v1',
    kind: 'DeploymentConfig',
    name,
    uid: flags.deployid ?? randomUUID(),
  };
  await writeFile(
    file,
    `# Names this set of specs. \`spoor spec apply\` marks what it makes with the uid, so that \`--delete\` and \`destroy\` know\n# their own. Keep the uid as it is; give a copy of this folder a new one.\n${stringify(config)}`,
  );
  context.out.print(`Created ${file}`);
}

async function apply(context: CliContext, flags: ApplyFlags): Promise<void> {
  await applyOnce(context, flags);
  if (flags.watch !== true) return;
  const root = dirname(resolve(flags.specdir));
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  await watchTree(root, () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      running = running
        .then(() => applyOnce(context, flags))
        // What is half written now may be whole at the next save.
        .catch((error: unknown) => context.out.warn(toFailure(error, 'cli').message));
    }, WATCH_SETTLE_MS);
  });
  context.out.remark(`watching ${root}`);
  // Ends with the process: whoever wants it to stop presses Ctrl-C.
  await new Promise<never>(() => {});
}

async function applyOnce(context: CliContext, flags: ApplyFlags): Promise<void> {
  const result = await applyFolder(await context.client(), flags.specdir, {
    delete: flags.delete === true,
    dryRun: flags.dryRun === true,
    allowConflicts: flags.allowconflicts === true,
    ...(flags.commitlabel === undefined
      ? {}
      : {
          labels: { commit: flags.commitlabel === true ? await commitOf(flags.specdir) : flags.commitlabel },
        }),
  });
  for (const warning of result.warnings) context.out.warn(warning);
  if (flags.output !== undefined) context.out.object(result, flags.output);
  else say(context, result, flags.dryRun === true);
  if (flags.wait === true && flags.dryRun !== true) await untilPackagesBuilt(context, result);
}

async function commitOf(directory: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('git', ['rev-parse', 'HEAD'], { cwd: directory });
    return stdout.trim();
  } catch (error) {
    throw new Failure(
      'cli',
      'bad_request',
      `cannot tell the commit of ${directory}: ${(error as Error).message.split('\n')[0]}. Give it as --commitlabel=TEXT`,
      { cause: error },
    );
  }
}

async function untilPackagesBuilt(context: CliContext, { created, updated }: FolderResult): Promise<void> {
  for (const name of [...created, ...updated])
    if (name.kind === 'Package') await untilBuilt(context, name, BUILD_TIMEOUT_MS);
}

function say(context: CliContext, result: FolderResult, dryRun: boolean): void {
  const would = dryRun ? 'would be ' : '';
  if (result.uploaded.length > 0)
    context.out.print(
      `${plural(result.uploaded.length, 'archive')} ${would}uploaded: ${result.uploaded.join(', ')}`,
    );
  sayCounts(context, result.created, `${would}created`);
  sayCounts(context, result.updated, `${would}updated`);
  sayCounts(context, result.deleted, `${would}deleted`);
  if (result.created.length + result.updated.length + result.deleted.length === 0)
    context.out.print('Everything up to date.');
}

/** `2 functions created: greeter, validator` */
function sayCounts(context: CliContext, names: readonly ResourceName[], what: string): void {
  for (const kind of ALL_KINDS) {
    const ofKind = names.filter((name) => name.kind === kind);
    if (ofKind.length === 0) continue;
    context.out.print(
      `${plural(ofKind.length, KINDS[kind].title)} ${what}: ${ofKind.map(({ name }) => name).join(', ')}`,
    );
  }
}

async function list(
  context: CliContext,
  flags: FolderFlags & { deployid?: string; output?: string },
): Promise<void> {
  const uid =
    flags.deployid ??
    deploymentOf(
      (await readSpecFolder(flags.specdir)).deployment,
      `tell what ${flags.specdir} applied`,
      flags,
    ).uid;
  const client = await context.client();
  const rows: { kind: string; name: string; namespace: string; version: string }[] = [];
  for (const kind of ALL_KINDS)
    for (const { metadata } of await client.list(kind))
      if (metadata.annotations[OWNER_UID] === uid)
        rows.push({
          kind,
          name: metadata.name,
          namespace: metadata.namespace,
          version: metadata.resourceVersion,
        });
  context.out.list(
    rows,
    [
      { title: 'KIND', key: 'kind' },
      { title: 'NAME', key: 'name' },
      { title: 'VERSION', key: 'version', align: 'right', wide: true },
      { title: 'NAMESPACE', key: 'namespace', narrow: 'drop' },
    ],
    flags.output,
  );
}

/** A running platform to ask, when one is there; a folder can be checked without. */
async function reachable(context: CliContext): Promise<ControlClient | undefined> {
  try {
    const client = await context.client();
    await client.list('Environment');
    return client;
  } catch {
    return undefined;
  }
}
