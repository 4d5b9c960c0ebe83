import type { Archive, Package, Reference } from '../../platform/spec/resources.ts';
import type { CliContext } from '../context.ts';
import { archiveOf } from './archive-input.ts';
import { wrongUsage } from './flags.ts';
import { newMetadata } from './new-metadata.ts';

/** The flags that say what a package holds. */
export interface ContentFlags {
  readonly code?: string;
  readonly src?: readonly string[];
  readonly deploy?: readonly string[];
  readonly srcchecksum?: string;
  readonly deploychecksum?: string;
  readonly buildcmd?: string;
}

export function hasContent(flags: ContentFlags): boolean {
  return flags.code !== undefined || flags.src !== undefined || flags.deploy !== undefined;
}

export async function newPackage(
  context: CliContext,
  reference: Reference,
  environment: Reference,
  flags: ContentFlags,
): Promise<Package> {
  const archives = await archivesOf(context, flags);
  return {
    kind: 'Package',
    metadata: newMetadata(reference),
    spec: { environment, ...archives, buildcmd: flags.buildcmd ?? '' },
    status: { buildstatus: archives.deployment ? 'succeeded' : 'pending', buildlog: '' },
  };
}

export async function archivesOf(
  context: CliContext,
  flags: ContentFlags,
): Promise<{ source?: Archive; deployment?: Archive }> {
  if (flags.code !== undefined && flags.deploy !== undefined)
    throw wrongUsage('cannot take both --code and --deploy: --code is one file, --deploy a built archive');
  const deploy = flags.code === undefined ? flags.deploy : [flags.code];
  const source = flags.src ? await archiveOf(context, flags.src, flags.srcchecksum) : undefined;
  const deployment = deploy ? await archiveOf(context, deploy, flags.deploychecksum) : undefined;
  return { ...(source ? { source } : {}), ...(deployment ? { deployment } : {}) };
}
