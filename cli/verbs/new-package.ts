import type { Archive, Package, Reference } from '../../platform/spec/resources.ts';
import type { CliContext } from '../context.ts';
import { archiveOf } from './archive-input.ts';
import { archiveInSpec, type ArchiveDocument } from './archive-spec.ts';
import { wrongUsage, type SaveFlags } from './flags.ts';
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

/** A package, and the documents that belong to it when it is saved to a spec folder. */
export interface NewPackage {
  readonly pkg: Package;
  readonly documents: readonly ArchiveDocument[];
}

export async function newPackage(
  context: CliContext,
  reference: Reference,
  environment: Reference,
  flags: ContentFlags & Partial<SaveFlags>,
): Promise<NewPackage> {
  const isSaved = flags.spec === true || flags.dry === true;
  const { documents, ...archives } = isSaved
    ? await archivesInSpec(reference.name, flags, flags.specdir ?? './specs')
    : { documents: [], ...(await archivesOf(context, flags)) };
  const pkg: Package = {
    kind: 'Package',
    metadata: newMetadata(reference),
    spec: { environment, ...archives, buildcmd: flags.buildcmd ?? '' },
    status: { buildstatus: archives.deployment ? 'succeeded' : 'pending', buildlog: '' },
  };
  return { pkg, documents };
}

async function archivesInSpec(
  name: string,
  flags: ContentFlags,
  specdir: string,
): Promise<{ documents: ArchiveDocument[]; source?: Archive; deployment?: Archive }> {
  const { source: sources, deployment: deployments } = inputsOf(flags);
  const source = sources && (await archiveInSpec(`${name}-src`, sources, specdir));
  const deployment = deployments && (await archiveInSpec(`${name}-deploy`, deployments, specdir));
  return {
    documents: [source?.document, deployment?.document].filter((document) => document !== undefined),
    ...(source ? { source: source.archive } : {}),
    ...(deployment ? { deployment: deployment.archive } : {}),
  };
}

export async function archivesOf(
  context: CliContext,
  flags: ContentFlags,
): Promise<{ source?: Archive; deployment?: Archive }> {
  const { source: sources, deployment: deployments } = inputsOf(flags);
  const source = sources ? await archiveOf(context, sources, flags.srcchecksum) : undefined;
  const deployment = deployments ? await archiveOf(context, deployments, flags.deploychecksum) : undefined;
  return { ...(source ? { source } : {}), ...(deployment ? { deployment } : {}) };
}

function inputsOf(flags: ContentFlags): {
  source: readonly string[] | undefined;
  deployment: readonly string[] | undefined;
} {
  if (flags.code !== undefined && flags.deploy !== undefined)
    throw wrongUsage('cannot take both --code and --deploy: --code is one file, --deploy a built archive');
  return { source: flags.src, deployment: flags.code === undefined ? flags.deploy : [flags.code] };
}
