import { createHash } from 'node:crypto';
import { Failure } from '../../server/failure.ts';
import type { ApplyRequest, ApplyResult } from './apply-set.ts';
import type { Kept } from './package-store.ts';
import { problemsFailure } from './problem.ts';
import type { Archive, Kind, Package, Reference, Resource } from './resources.ts';
import { DEPLOYMENT_CONFIG_FILE, gatherArchive, readSpecFolder, type SpecFolder } from './spec-folder.ts';
import { archiveName, validateSpec, type Verdict } from './validate.ts';

/** What a folder is applied to: the control API's client is one. */
export interface ApplyTarget {
  get(kind: Kind, reference: Reference): Promise<Resource | undefined>;
  hasArchive(sha256: string): Promise<boolean>;
  keepArchive(content: Uint8Array): Promise<Kept>;
  apply(request: ApplyRequest & { readonly resources: readonly Resource[] }): Promise<ApplyResult>;
}

export interface ApplyFolderOptions {
  readonly delete?: boolean;
  readonly dryRun?: boolean;
  readonly allowConflicts?: boolean;
  /** Added to each resource's labels: `spec apply --commitlabel`. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface FolderResult extends ApplyResult {
  /** Names of the archives that the platform did not have yet. */
  readonly uploaded: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Reads a folder of specs, checks it, uploads its archives and applies it. Throws a Failure that names every problem with
 * its file and line; then nothing was applied.
 */
export async function applyFolder(
  target: ApplyTarget,
  directory: string,
  options: ApplyFolderOptions = {},
): Promise<FolderResult> {
  const folder = await readSpecFolder(directory);
  const { deployment } = folder;
  if (!deployment)
    throw new Failure(
      'spec',
      'bad_request',
      `cannot apply ${directory}: it has no ${DEPLOYMENT_CONFIG_FILE}. Make it with \`spoor spec init --specdir ${directory}\``,
    );
  const { problems, warnings } = await checkFolder(folder, target);
  if (problems.length > 0) throw problemsFailure(`apply ${directory}`, problems);
  const { archives, uploaded } = await gatherAll(target, folder, options.dryRun === true);
  const resources = folder.resources.map(({ value }) =>
    labelled(withArchives(value, archives), options.labels),
  );
  const result = await target.apply({
    resources,
    deployment,
    delete: options.delete === true,
    dryRun: options.dryRun === true,
    allowConflicts: options.allowConflicts === true,
  });
  return { ...result, uploaded, warnings };
}

/** As `validateSpec`, with what the target keeps counted as being there. */
export async function checkFolder(
  folder: SpecFolder,
  target: Pick<ApplyTarget, 'get'> | undefined,
): Promise<Verdict> {
  const asked: { kind: Kind; reference: Reference }[] = [];
  const verdict = validateSpec(folder, (kind, reference) => {
    asked.push({ kind, reference });
    return false;
  });
  if (asked.length === 0 || !target) return verdict;
  const kept = new Set<string>();
  for (const { kind, reference } of asked)
    if (await target.get(kind, reference)) kept.add(`${kind}/${reference.namespace}/${reference.name}`);
  return validateSpec(folder, (kind, { namespace, name }) => kept.has(`${kind}/${namespace}/${name}`));
}

async function gatherAll(
  target: ApplyTarget,
  folder: SpecFolder,
  dryRun: boolean,
): Promise<{ archives: Map<string, Kept>; uploaded: string[] }> {
  const archives = new Map<string, Kept>();
  const uploaded: string[] = [];
  for (const archive of folder.archives) {
    const content = await gatherArchive(archive, folder.directory);
    const sha256 = createHash('sha256').update(content).digest('hex');
    if (!(await target.hasArchive(sha256))) {
      uploaded.push(archive.value.name);
      if (!dryRun) await target.keepArchive(content);
    }
    archives.set(archive.value.name, { sha256, sizeBytes: content.length });
  }
  return { archives, uploaded };
}

/** A copy of a package in which `archive://NAME` is the archive itself. */
function withArchives(resource: Resource, archives: ReadonlyMap<string, Kept>): Resource {
  if (resource.kind !== 'Package') return resource;
  const { source, deployment } = resource.spec;
  const spec: Package['spec'] = {
    ...resource.spec,
    ...(source ? { source: resolved(source, archives) } : {}),
    ...(deployment ? { deployment: resolved(deployment, archives) } : {}),
  };
  return { ...resource, spec };
}

function resolved(archive: Archive, archives: ReadonlyMap<string, Kept>): Archive {
  const name = archiveName(archive);
  const kept = name === undefined ? undefined : archives.get(name);
  return kept ? { type: 'kept', ...kept } : archive;
}

function labelled(resource: Resource, labels: Readonly<Record<string, string>> | undefined): Resource {
  if (!labels) return resource;
  return {
    ...resource,
    metadata: { ...resource.metadata, labels: { ...resource.metadata.labels, ...labels } },
  };
}
