import { isDeepStrictEqual } from 'node:util';
import { Failure } from '../../server/failure.ts';
import { ALL_KINDS, describe } from './kinds.ts';
import { fromManifest, toManifest } from './manifest.ts';
import { isSameSource } from './package-source.ts';
import type { Kind, Package, Reference, Resource } from './resources.ts';
import type { Edit, Registry } from './registry.ts';

/** A folder's whole content, and whose it is. */
export interface ApplyRequest {
  /** Manifests. */
  readonly resources: readonly unknown[];
  readonly deployment: { readonly name: string; readonly uid: string };
  /** Also delete what this deployment applied before and no longer declares. */
  readonly delete?: boolean;
  /** Say what would change, change nothing. */
  readonly dryRun?: boolean;
  /** Take over resources that another deployment, or nobody, owns. Without it they are a conflict. */
  readonly allowConflicts?: boolean;
}

export interface ApplyResult {
  readonly created: readonly ResourceName[];
  readonly updated: readonly ResourceName[];
  readonly deleted: readonly ResourceName[];
  readonly unchanged: readonly ResourceName[];
}

export interface ResourceName extends Reference {
  readonly kind: Kind;
}

/** Fission's own names for the owner's marks (pkg/fission-cli/cmd/spec). */
export const OWNER_NAME = 'fission-name';
export const OWNER_UID = 'fission-uid';

/**
 * Makes what is kept equal to what a deployment declares, in one transaction. Throws a Failure `conflict` when a resource
 * belongs to another, and `bad_request` for a set that cannot be read; then nothing has changed.
 */
export async function applySet(registry: Registry, request: ApplyRequest): Promise<ApplyResult> {
  const { uid, name } = ownerOf(request);
  if (!Array.isArray(request.resources))
    throw new Failure('spec', 'bad_request', 'cannot apply: resources must be a list');
  const wanted = request.resources.map((manifest) => marked(fromManifest(manifest), { uid, name }));
  // A dry run uploads nothing, so it may speak of archives that are not kept yet.
  if (request.dryRun !== true) for (const resource of wanted) await checkArchives(registry, resource);
  const result = { created: [], updated: [], deleted: [], unchanged: [] } as Record<
    keyof ApplyResult,
    ResourceName[]
  >;
  const edits: Edit[] = [];
  const declared = new Set<string>();
  for (const declaredResource of wanted) {
    const reference = nameOf(declaredResource);
    declared.add(keyOfName(reference));
    const current = registry.get(declaredResource.kind, declaredResource.metadata);
    const resource = withBuild(declaredResource, current);
    if (current && current.metadata.annotations[OWNER_UID] !== uid && request.allowConflicts !== true)
      throw new Failure(
        'spec',
        'conflict',
        `cannot apply ${describe(resource.kind, resource.metadata)}: it is there already and ${ownership(current)}; delete it, or take it over with --allowconflicts`,
      );
    if (current && isSame(current, resource)) {
      result.unchanged.push(reference);
      continue;
    }
    result[current ? 'updated' : 'created'].push(reference);
    edits.push({ type: 'put', resource });
  }
  if (request.delete === true) {
    // What refers goes before what it refers to.
    for (const kind of ALL_KINDS.toReversed()) {
      for (const resource of registry.list(kind)) {
        const reference = nameOf(resource);
        if (resource.metadata.annotations[OWNER_UID] !== uid || declared.has(keyOfName(reference))) continue;
        result.deleted.push(reference);
        edits.push({ type: 'delete', kind, reference });
      }
    }
  }
  if (request.dryRun !== true) await registry.commit(edits);
  return result;
}

/** A package that names an archive nobody uploaded would fail at its first request; say so now. */
export async function checkArchives(registry: Registry, resource: Resource): Promise<void> {
  if (resource.kind !== 'Package') return;
  for (const archive of [resource.spec.source, resource.spec.deployment]) {
    if (archive?.type === 'kept' && !(await registry.hasArchive(archive.sha256)))
      throw new Failure(
        'spec',
        'bad_request',
        `cannot keep ${describe('Package', resource.metadata)}: its archive ${archive.sha256} was not uploaded`,
      );
  }
}

function ownerOf(request: ApplyRequest): { uid: string; name: string } {
  const { deployment } = request;
  if (typeof deployment?.uid !== 'string' || deployment.uid === '' || typeof deployment.name !== 'string')
    throw new Failure('spec', 'bad_request', 'cannot apply: deployment must have a name and a uid');
  return deployment;
}

function marked(resource: Resource, owner: { uid: string; name: string }): Resource {
  const annotations = { ...resource.metadata.annotations, [OWNER_NAME]: owner.name, [OWNER_UID]: owner.uid };
  return { ...resource, metadata: { ...resource.metadata, annotations } };
}

/** What was built from a source stays with it as long as the source does; a build that failed is tried again. */
function withBuild(wanted: Resource, current: Resource | undefined): Resource {
  if (wanted.kind !== 'Package' || current?.kind !== 'Package') return wanted;
  if (!wanted.spec.source || wanted.spec.deployment || !isSameSource(current, wanted)) return wanted;
  const { deployment } = current.spec;
  if (deployment) return { ...wanted, spec: { ...wanted.spec, deployment }, status: current.status };
  return current.status.buildstatus === 'failed' ? wanted : { ...wanted, status: current.status };
}

function isSame(current: Resource, wanted: Resource): boolean {
  return (
    !(wanted.kind === 'Package' && current.kind === 'Package' && isToBeBuiltAgain(current, wanted)) &&
    isDeepStrictEqual(toManifest(current).spec, toManifest(wanted).spec) &&
    isDeepStrictEqual(current.metadata.labels, wanted.metadata.labels) &&
    isDeepStrictEqual(current.metadata.annotations, wanted.metadata.annotations)
  );
}

function isToBeBuiltAgain(current: Package, wanted: Package): boolean {
  return current.status.buildstatus === 'failed' && wanted.status.buildstatus === 'pending';
}

function ownership(resource: Resource): string {
  const owner = resource.metadata.annotations[OWNER_NAME];
  return owner === undefined ? 'was not made by a spec' : `belongs to the deployment "${owner}"`;
}

function nameOf(resource: Resource): ResourceName {
  return { kind: resource.kind, name: resource.metadata.name, namespace: resource.metadata.namespace };
}

function keyOfName({ kind, namespace, name }: ResourceName): string {
  return `${kind}/${namespace}/${name}`;
}
