import { writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { Failure } from '../../server/failure.ts';
import { toManifest } from '../../platform/spec/manifest.ts';
import type { Package, Reference } from '../../platform/spec/resources.ts';
import type { CliContext } from '../context.ts';
import { collect, listed, namespaced, outputOption, savable, verb, wrongUsage } from './flags.ts';
import type { ListFlags, NameFlags, SaveFlags } from './flags.ts';
import { archivesOf, hasContent, newPackage, type ContentFlags } from './new-package.ts';
import { mustExist, mustGet, remove } from './remove.ts';
import { saveOrCreate } from './save-or-create.ts';
import { registerWait, untilCondition } from './wait.ts';

const BUILD_TIMEOUT_MS = 600_000;

export function register(program: Command, context: CliContext): void {
  const pkg = program.command('package').alias('pkg').description('packages: the code of functions');

  contentFlags(
    savable(
      namespaced(
        verb(
          pkg,
          'create',
          'create a package',
          'spoor pkg create --name hello --env nodejs --deploy "fn/*.js"',
        ),
      ),
    ),
  )
    .option('--name <name>', 'name of the package (default: made up)')
    .requiredOption('--env <name>', 'its environment')
    .action(
      async (flags: Partial<NameFlags> & { namespace: string; env: string } & ContentFlags & SaveFlags) => {
        if (!hasContent(flags))
          throw wrongUsage('cannot create a package of nothing: give --code, --deploy or --src');
        const reference = { name: flags.name ?? `pkg-${randomUUID()}`, namespace: flags.namespace };
        const environment = { name: flags.env, namespace: flags.namespace };
        if (flags.spec !== true && flags.dry !== true) await mustExist(context, 'Environment', [environment]);
        const { pkg, documents } = await newPackage(context, reference, environment, flags);
        await saveOrCreate(context, [pkg], flags, documents);
      },
    );

  contentFlags(
    namespaced(
      verb(
        pkg,
        'update',
        'change a package; functions of it are replaced',
        'spoor pkg update --name hello --deploy hello.zip',
      ),
    ),
  )
    .requiredOption('--name <name>', 'name of the package')
    .option('--env <name>', 'its environment')
    .action(async (flags: NameFlags & { env?: string } & ContentFlags) => {
      await updatePackage(context, await mustGet(context, 'Package', flags), flags);
      context.out.print(`package '${flags.name}' updated`);
    });

  namespaced(
    verb(pkg, 'delete', 'delete a package', 'spoor pkg delete --name hello\nspoor pkg delete --orphan'),
  )
    .option('--name <name>', 'name of the package')
    .option('--orphan', 'all packages that no function uses')
    .option('--ignorenotfound', 'it is not a failure when there is none')
    .option('-f, --force', 'delete it although functions use it')
    .action(
      async (flags: {
        name?: string;
        namespace: string;
        orphan?: boolean;
        ignorenotfound?: boolean;
        force?: boolean;
      }) => {
        const client = await context.client();
        const used = new Set(
          (await client.list('Function', flags.namespace)).map(({ spec }) => spec.package.packageref.name),
        );
        if (flags.orphan === true) {
          for (const { metadata } of await client.list('Package', flags.namespace))
            if (!used.has(metadata.name)) await remove(context, 'Package', metadata);
          return;
        }
        if (flags.name === undefined) throw wrongUsage('cannot delete a package: give --name or --orphan');
        if (used.has(flags.name) && flags.force !== true)
          throw new Failure(
            'cli',
            'conflict',
            `cannot delete package '${flags.name}': functions use it; --force deletes it all the same`,
          );
        await remove(
          context,
          'Package',
          { name: flags.name, namespace: flags.namespace },
          flags.ignorenotfound,
        );
      },
    );

  listed(verb(pkg, 'list', 'list packages', 'spoor pkg list'))
    .option('--orphan', 'only packages that no function uses')
    .option('--status <status>', 'only packages with this build status')
    .action(async (flags: ListFlags & { orphan?: boolean; status?: string }) => {
      const client = await context.client();
      const namespace = flags.allNamespaces ? undefined : flags.namespace;
      const used = new Set(
        (await client.list('Function', namespace)).map(({ spec }) => spec.package.packageref.name),
      );
      const found = (await client.list('Package', namespace)).filter(
        ({ metadata, status }) =>
          (flags.orphan !== true || !used.has(metadata.name)) &&
          (flags.status === undefined || status.buildstatus === flags.status),
      );
      context.out.list(
        found.map(({ metadata, spec, status }) => ({
          name: metadata.name,
          status: status.buildstatus,
          env: spec.environment.name,
          archive: spec.deployment?.type ?? spec.source?.type ?? '',
          updated: metadata.creationTimestamp,
          namespace: metadata.namespace,
        })),
        [
          { title: 'NAME', key: 'name' },
          { title: 'BUILD_STATUS', key: 'status' },
          { title: 'ENV', key: 'env' },
          { title: 'ARCHIVE', key: 'archive', wide: true },
          { title: 'CREATED', key: 'updated', narrow: 'drop' },
          { title: 'NAMESPACE', key: 'namespace', narrow: 'drop' },
        ],
        flags.output,
        found.map(toManifest),
      );
    });

  namespaced(verb(pkg, 'info', 'show a package and its build log', 'spoor pkg info --name hello'))
    .requiredOption('--name <name>', 'name of the package')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (flags: NameFlags & { output?: string }) => {
      const found = await mustGet(context, 'Package', flags);
      if (flags.output !== undefined) {
        context.out.object(toManifest(found), flags.output);
        return;
      }
      context.out.print(`Name:        ${found.metadata.name}`);
      context.out.print(`Environment: ${found.spec.environment.name}`);
      context.out.print(`Status:      ${found.status.buildstatus}`);
      context.out.print(`Build Logs:\n${found.status.buildlog}`);
    });

  namespaced(verb(pkg, 'rebuild', 'build a source package again', 'spoor pkg rebuild --name hello --wait'))
    .requiredOption('--name <name>', 'name of the package')
    .option('--wait', 'wait until it is built')
    .action(async (flags: NameFlags & { wait?: boolean }) => {
      const { spec, ...found } = await mustGet(context, 'Package', flags);
      const { deployment: _built, ...source } = spec;
      if (!source.source)
        throw new Failure(
          'cli',
          'conflict',
          `cannot build package '${flags.name}': it has no source archive`,
        );
      await (
        await context.client()
      ).put({ ...found, spec: source, status: { buildstatus: 'pending', buildlog: '' } });
      context.out.print(
        `package '${flags.name}' is built again; \`spoor pkg info --name ${flags.name}\` shows its log`,
      );
      if (flags.wait === true) await untilBuilt(context, flags, BUILD_TIMEOUT_MS);
    });

  for (const [name, which] of [
    ['getsrc', 'source'],
    ['getdeploy', 'deployment'],
  ] as const)
    namespaced(
      verb(
        pkg,
        name,
        `write a package's ${which} archive to stdout or a file`,
        `spoor pkg ${name} --name hello --output hello.zip`,
      ),
    )
      .requiredOption('--name <name>', 'name of the package')
      .option('-o, --output <file>', 'file to write')
      .action(async (flags: NameFlags & { output?: string }) => {
        const bytes = await (await context.client()).readArchive(flags, which);
        if (flags.output === undefined) context.out.bytes(bytes);
        else await writeFile(flags.output, bytes);
      });

  registerWait(pkg, context, 'Package');
}

/** Resolves when the package can run; a failed build or the end of `timeoutMs` is a Failure with the build log. */
export async function untilBuilt(
  context: CliContext,
  reference: Reference,
  timeoutMs: number,
): Promise<void> {
  await untilCondition(
    await context.client(),
    'Package',
    reference,
    { name: 'Ready', value: true },
    timeoutMs,
  );
}

export async function updatePackage(
  context: CliContext,
  found: Package,
  flags: ContentFlags & { readonly env?: string },
): Promise<void> {
  const { source, deployment } = await archivesOf(context, flags);
  const { source: oldSource, deployment: oldDeployment, ...rest } = found.spec;
  // A new source makes the old build stale; a new deployment stands without the old source.
  const isBuiltOtherwise = oldSource && (flags.buildcmd !== undefined || flags.env !== undefined);
  const archives =
    source || deployment
      ? { ...(source ? { source } : {}), ...(deployment ? { deployment } : {}) }
      : {
          ...(oldSource ? { source: oldSource } : {}),
          ...(oldDeployment && !isBuiltOtherwise ? { deployment: oldDeployment } : {}),
        };
  await (
    await context.client()
  ).put({
    ...found,
    spec: {
      ...rest,
      ...archives,
      environment: flags.env === undefined ? rest.environment : { ...rest.environment, name: flags.env },
      buildcmd: flags.buildcmd ?? rest.buildcmd,
    },
    status: archives.deployment
      ? { buildstatus: 'succeeded' as const, buildlog: '' }
      : { buildstatus: 'pending' as const, buildlog: '' },
  });
}

export function contentFlags(command: Command): Command {
  return command
    .option('--code <file>', 'one source file, or a URL')
    .option('--src <glob>', 'source files to build, a zip, a folder or a URL; may be repeated', collect)
    .option(
      '--deploy <glob>',
      'files that run as they are, a zip, a folder or a URL; may be repeated',
      collect,
    )
    .option('--srcchecksum <sha256>', 'what the source at a URL must have')
    .option('--deploychecksum <sha256>', 'what the archive at a URL must have')
    .option('--buildcmd <command>', 'command that builds the source');
}
