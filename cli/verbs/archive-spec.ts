import { stat } from 'node:fs/promises';
import { basename, dirname, relative, resolve } from 'node:path';
import type { Archive } from '../../platform/spec/resources.ts';
import { wrongUsage } from './flags.ts';

/** A document of a spec folder that names files, so that `spec apply` sends them as they are then. */
export interface ArchiveDocument {
  readonly kind: 'ArchiveUploadSpec';
  readonly name: string;
  readonly include: readonly string[];
  readonly rootdir?: string;
}

export interface ArchiveInSpec {
  readonly archive: Archive;
  /** undefined for a URL. */
  readonly document: ArchiveDocument | undefined;
}

/**
 * `--code`, `--src` and `--deploy` with `--spec`: not the files' content, but where they are, relative to the folder that the
 * spec folder lies in, as Fission's own `--spec` writes it.
 */
export async function archiveInSpec(
  name: string,
  inputs: readonly string[],
  specdir: string,
): Promise<ArchiveInSpec> {
  const [only] = inputs;
  if (only !== undefined && inputs.length === 1 && /^https?:\/\//.test(only))
    return { archive: { type: 'url', url: only }, document: undefined };
  const root = dirname(resolve(specdir));
  const include: string[] = [];
  let rootdir = '';
  for (const input of inputs) {
    const found = await stat(input).catch(() => undefined);
    if (!found && !/[*?[{]/.test(input)) throw wrongUsage(`cannot find a file that matches ${input}`);
    const path = relative(root, resolve(input));
    const isOutside = path === '..' || path.startsWith('../');
    if (isOutside && inputs.length > 1)
      throw wrongUsage(`cannot save ${input} to ${specdir} with others: it lies outside of ${root}`);
    if (isOutside) rootdir = dirname(path);
    // A folder is its content.
    include.push(`${isOutside ? basename(path) : path}${found?.isDirectory() ? '/' : ''}`);
  }
  return {
    archive: { type: 'url', url: `archive://${name}` },
    document: { kind: 'ArchiveUploadSpec', name, include, ...(rootdir === '' ? {} : { rootdir }) },
  };
}
