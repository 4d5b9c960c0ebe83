import { crc32 } from 'node:zlib';
import type { Catalog } from '../spec/catalog.ts';
import type { Archive, FunctionResource } from '../spec/resources.ts';

/**
 * What an instance was made of: the function's and environment's generations and the content of the package. When it changes,
 * the instances are recycled (fission.md, section 4, "Update semantics"); labels and statuses are not part of it.
 */
export function versionOf(fn: FunctionResource, catalog: Catalog): string {
  const pkg = catalog.get('Package', fn.spec.package.packageref);
  const environment = catalog.get('Environment', fn.spec.environment);
  return [
    fn.metadata.uid,
    fn.metadata.generation,
    environment?.metadata.uid,
    environment?.metadata.generation,
    pkg?.metadata.uid,
    pkg?.metadata.generation,
    contentOf(pkg?.spec.deployment),
  ].join('/');
}

function contentOf(archive: Archive | undefined): string {
  if (!archive) return '';
  if (archive.type === 'literal') return `${archive.literal.length}:${crc32(archive.literal)}`;
  return archive.type === 'kept' ? archive.sha256 : `${archive.url}#${archive.sha256 ?? ''}`;
}
