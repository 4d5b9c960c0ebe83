import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { describe } from '../../platform/spec/kinds.ts';
import { fromManifest, toManifest } from '../../platform/spec/manifest.ts';
import type { Resource } from '../../platform/spec/resources.ts';
import { Failure } from '../../server/failure.ts';
import type { CliContext } from '../context.ts';
import { wrongUsage, type SaveFlags } from './flags.ts';
import { VERBS_OF } from './remove.ts';

/**
 * Creates what a verb made, in order, and says so as Fission does; with `--spec` writes it to the spec folder, with `--dry`
 * prints it. `documents` are further YAML documents that belong to the spec (ArchiveUploadSpec).
 */
export async function saveOrCreate(
  context: CliContext,
  resources: readonly Resource[],
  flags: SaveFlags,
  documents: readonly object[] = [],
): Promise<void> {
  // Backwards: a fault in the name that was given is told of what has it, not of the package that is named after it.
  const checked = resources
    .toReversed()
    .map((resource) => fromManifest(toManifest(resource)))
    .toReversed();
  if (flags.dry === true || flags.spec === true) {
    const text = [...documents, ...checked.map(toManifest)]
      .map((document) => stringify(document))
      .join('---\n');
    if (flags.dry === true) {
      context.out.print(text.trimEnd());
      return;
    }
    const main = checked.at(-1) as Resource;
    const path = join(flags.specdir, `${main.kind.toLowerCase()}-${main.metadata.name}.yaml`);
    await mkdir(flags.specdir, { recursive: true });
    await writeFile(path, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') throw wrongUsage(`cannot save ${path}: it is there already`);
      throw error;
    });
    context.out.print(`Saved ${describe(main.kind, main.metadata)} to ${path}`);
    return;
  }
  const client = await context.client();
  for (const resource of checked) {
    const made = await client.create(resource).catch((error: unknown) => {
      if (!(error instanceof Failure && error.reason === 'conflict')) throw error;
      const change = `change it with \`spoor ${VERBS_OF[resource.kind]} update\``;
      throw new Failure(error.component, 'conflict', `${error.message}; ${change}`, { cause: error });
    });
    context.out.print(`${describe(made.kind, made.metadata)} created`);
    if (made.kind === 'Package' && made.status.buildstatus === 'pending')
      context.out.remark(`it is being built; \`spoor pkg info --name ${made.metadata.name}\` shows the log`);
  }
}
