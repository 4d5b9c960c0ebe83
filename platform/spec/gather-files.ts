import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { glob } from 'tinyglobby';
import { Failure } from '../../server/failure.ts';
import type { FileToZip } from './zip.ts';

/** Sum of the files of one archive, in bytes. */
const MAX_GATHERED_BYTES = 1024 * 1024 * 1024;

export interface GatherOptions {
  /** What the patterns are relative to. */
  readonly cwd: string;
  readonly exclude?: readonly string[];
}

/**
 * The files that patterns name, with the places they take in an archive. Fission's rule: whatever a pattern matches lies at the
 * archive's root under its own name, and a folder brings its tree.
 *
 *     fn/*            fn/user.py → user.py, fn/lib/a.py → lib/a.py
 *     fn              fn/user.py → fn/user.py
 *     fn/             fn/user.py → user.py
 *     fn/**           fn/a/b.js  → a/b.js      (Fission knows no `**`; here it keeps what it spans)
 */
export async function gatherFiles(patterns: readonly string[], options: GatherOptions): Promise<FileToZip[]> {
  const ignore = (options.exclude ?? []).map(withinFolder).flatMap((pattern) => [pattern, `${pattern}/**`]);
  const paths = new Map<string, string>();
  for (const pattern of patterns) {
    for (const [path, absolute] of await matchesOf(pattern, options.cwd, ignore)) {
      const other = paths.get(path);
      if (other !== undefined && other !== absolute)
        throw new Failure(
          'spec',
          'bad_request',
          `cannot archive ${absolute}: ${other} would have the same place [${path}]`,
        );
      paths.set(path, absolute);
    }
  }
  const files: FileToZip[] = [];
  let total = 0;
  for (const [path, absolute] of [...paths].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const { size, mode } = await stat(absolute);
    total += size;
    if (total > MAX_GATHERED_BYTES)
      throw new Failure(
        'spec',
        'body_too_large',
        `cannot archive ${patterns.join(', ')}: the files are larger than ${MAX_GATHERED_BYTES} bytes together`,
      );
    files.push({ path, content: new Uint8Array(await readFile(absolute)), executable: (mode & 0o111) !== 0 });
  }
  return files;
}

/** Each file with its place in the archive. */
async function matchesOf(
  pattern: string,
  cwd: string,
  ignore: readonly string[],
): Promise<[path: string, absolute: string][]> {
  const search = (patterns: string[], base: string, more: object = {}) =>
    glob(patterns, {
      cwd: base,
      dot: true,
      followSymbolicLinks: false,
      expandDirectories: false,
      ...more,
    });
  const clean = withinFolder(pattern);
  const spanning = clean.indexOf('**');
  if (spanning >= 0 || clean === '') {
    const base = clean.slice(0, Math.max(spanning, 0)).replace(/[^/]*$/, '');
    const found = await search([clean || '**'], cwd, { ignore });
    return found.map((path) => [path.slice(base.length), resolve(cwd, path)]);
  }
  const isContent = pattern.endsWith('/');
  const found = await search([clean.replace(/\/$/, '')], cwd, { ignore, onlyFiles: false });
  const matches: [string, string][] = [];
  for (const match of found) {
    const path = match.replace(/\/$/, '');
    const absolute = resolve(cwd, path);
    if ((await stat(absolute)).isFile()) {
      matches.push([basename(path), absolute]);
      continue;
    }
    // The excludes are relative to `cwd`, so the tree is walked from there as well.
    const tree = await search([`${path}/**`], cwd, { ignore });
    const root = isContent ? '' : `${basename(path)}/`;
    for (const file of tree) matches.push([`${root}${file.slice(path.length + 1)}`, resolve(cwd, file)]);
  }
  return matches;
}

/** `./fn/*.js` and `/fn/*.js` are both of the folder. */
function withinFolder(pattern: string): string {
  return pattern.replace(/^(\.?\/)+/, '').replace(/^\.$/, '');
}
