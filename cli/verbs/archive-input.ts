import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Failure } from '../../server/failure.ts';
import { gatherFiles } from '../../platform/spec/gather-files.ts';
import { LITERAL_LIMIT } from '../../platform/spec/parse-resource.ts';
import type { Archive } from '../../platform/spec/resources.ts';
import { zip, type FileToZip } from '../../platform/spec/zip.ts';
import type { CliContext } from '../context.ts';
import { wrongUsage } from './flags.ts';

/**
 * `--code`, `--src` and `--deploy`: one file as it is, more files or a folder as a zip, a URL as a URL. Small ones go into the
 * package itself, larger ones are uploaded first (Fission's rule, 256 KiB).
 */
export async function archiveOf(
  context: CliContext,
  inputs: readonly string[],
  sha256?: string,
): Promise<Archive> {
  const [only] = inputs;
  if (only !== undefined && inputs.length === 1 && /^https?:\/\//.test(only))
    return await archiveAt(only, sha256);
  const content = await gather(inputs);
  if (content.length <= LITERAL_LIMIT) return { type: 'literal', literal: content };
  return { type: 'kept', ...(await (await context.client()).keepArchive(content)) };
}

/** The sum, when it is not given, is taken now, so that what runs later is what was seen. */
async function archiveAt(url: string, wanted: string | undefined): Promise<Archive> {
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(60_000) });
  } catch (error) {
    throw new Failure('cli', 'unavailable', `cannot fetch ${url}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (!response.ok)
    throw new Failure('cli', 'unavailable', `cannot fetch ${url}: it answered ${response.status}`);
  const sha256 = createHash('sha256')
    .update(Buffer.from(await response.arrayBuffer()))
    .digest('hex');
  if (wanted !== undefined && wanted.toLowerCase() !== sha256)
    throw new Failure(
      'cli',
      'conflict',
      `cannot take ${url}: its sha256 is ${sha256} and should be ${wanted}`,
    );
  return { type: 'url', url, sha256 };
}

async function gather(inputs: readonly string[]): Promise<Uint8Array> {
  const files: FileToZip[] = [];
  for (const input of inputs) {
    const found = await stat(input).catch(() => undefined);
    // A path is taken as it is, wherever it lies; a pattern is of this folder.
    if (found?.isFile()) {
      const content = new Uint8Array(await readFile(input));
      files.push({ path: basename(input), content, executable: (found.mode & 0o111) !== 0 });
    } else if (found?.isDirectory()) files.push(...(await gatherFiles(['**'], { cwd: input })));
    else files.push(...(await gatherFiles([input], { cwd: '.' })));
  }
  const [only] = files;
  if (!only) throw wrongUsage(`cannot find a file that matches ${inputs.join(', ')}`);
  return files.length === 1 ? only.content : zip(files);
}
