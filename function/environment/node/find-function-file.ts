import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LoadFailure } from './load-failure.ts';

/**
 * The file that holds the function, by the rules of Fission's Node environment.
 *
 *     file,      anything     the file itself
 *     directory, ''           its only script; or package.json's main; or index.js, index.mjs, index.cjs, main.js; or the first
 *     directory, 'lib/hello'  lib/hello, with .js, .mjs or .cjs added when it has no extension; a directory as above
 */
export function findFunctionFile(path: string, entryFile: string, preferEsm: boolean): string {
  const kind = kindOf(path);
  if (kind === 'file') return path;
  const wanted = entryFile === '' ? path : join(path, entryFile);
  const extensions = preferEsm ? ['', '.js', '.mjs', '.cjs'] : ['', '.js', '.cjs', '.mjs'];
  for (const extension of extensions) {
    const candidate = wanted + extension;
    const candidateKind = kindOf(candidate);
    if (candidateKind === 'file') return candidate;
    if (candidateKind === 'directory') {
      const inside = scriptOfDirectory(candidate);
      if (inside) return inside;
      if (entryFile === '')
        throw new LoadFailure(`cannot load [${path}]: the directory holds no .js, .mjs or .cjs file`);
    }
  }
  if (kind === undefined) throw new LoadFailure(`cannot load [${path}]: there is no such file`);
  throw new LoadFailure(
    `cannot load [${entryFile}] of [${path}]: there is no such file, with or without .js, .mjs or .cjs; the directory holds ${listOf(readdirSync(path))}`,
  );
}

const FIRST_CHOICES = ['index.js', 'index.mjs', 'index.cjs', 'main.js'];

function scriptOfDirectory(directory: string): string | undefined {
  const scripts = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && /\.[mc]?js$/.test(entry.name))
    .map((entry) => entry.name)
    .sort();
  if (scripts.length === 1) return join(directory, scripts[0] as string);
  const main = mainOfPackage(directory);
  if (main && kindOf(join(directory, main)) === 'file') return join(directory, main);
  const chosen = FIRST_CHOICES.find((name) => scripts.includes(name)) ?? scripts[0];
  return chosen && join(directory, chosen);
}

function mainOfPackage(directory: string): string | undefined {
  const path = join(directory, 'package.json');
  if (kindOf(path) !== 'file') return undefined;
  try {
    const { main } = JSON.parse(readFileSync(path, 'utf8')) as { main?: unknown };
    return typeof main === 'string' ? main : undefined;
  } catch (error) {
    throw new LoadFailure(`cannot load [${directory}]: its package.json is not JSON`, { cause: error });
  }
}

function kindOf(path: string): 'file' | 'directory' | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  return stat.isDirectory() ? 'directory' : 'file';
}

const MAX_NAMES = 20;

export function listOf(names: readonly string[]): string {
  if (names.length === 0) return 'nothing';
  const shown = names.slice(0, MAX_NAMES).join(', ');
  return names.length > MAX_NAMES ? `${shown}, …` : shown;
}
