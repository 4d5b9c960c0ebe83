import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { glob } from 'tinyglobby';
import { Failure } from '../../server/failure.ts';
import { gatherFiles } from './gather-files.ts';
import { parseSpec, type ArchiveUploadSpec, type Located, type ParsedSpec } from './parse.ts';
import type { Problem } from './problem.ts';
import { zip } from './zip.ts';

/** A folder of specs, read: what its YAML declares, and the archives it tells to gather, not yet gathered. */
export interface SpecFolder extends ParsedSpec {
  readonly directory: string;
  readonly deployment: { readonly name: string; readonly uid: string } | undefined;
}

export const DEPLOYMENT_CONFIG_FILE = 'fission-deployment-config.yaml';

/**
 * Reads every .yaml and .yml below a folder, but what `.specignore` (gitignore's patterns) names. Faults in the YAML are
 * `problems`; only a folder that is not there throws.
 */
export async function readSpecFolder(directory: string): Promise<SpecFolder> {
  const root = resolve(directory);
  const found = await stat(root).catch(() => undefined);
  if (!found?.isDirectory())
    throw new Failure(
      'spec',
      'not_found',
      `cannot read specs in ${directory}: there is no such folder. Make one with \`spoor spec init\`, or name another with --specdir`,
    );
  const names = await glob(['**/*.yaml', '**/*.yml'], { cwd: root, ignore: await readIgnore(root) });
  const parts: ParsedSpec[] = [];
  for (const name of names.sort()) parts.push(await readSpecFile(join(root, name), join(directory, name)));
  const deployments = parts.flatMap((part) => part.deployments);
  const problems: Problem[] = parts.flatMap((part) => part.problems);
  const [first, second] = deployments;
  if (second)
    problems.push({
      file: second.file,
      line: second.line,
      field: 'kind',
      message: `DeploymentConfig is declared twice, first in ${first?.file}`,
    });
  return {
    directory: root,
    resources: parts.flatMap((part) => part.resources),
    archives: parts.flatMap((part) => part.archives),
    deployments,
    deployment: first?.value,
    problems,
    warnings: parts.flatMap((part) => part.warnings),
  };
}

/**
 * The bytes of one declared archive: the file itself when the globs match one, else a zip (gather-files.ts).
 * Patterns are relative to `rootdir`, as in Fission; `exclude` is applied, which Fission's own `spec apply` does not.
 */
export async function gatherArchive(
  archive: Located<ArchiveUploadSpec>,
  specDirectory: string,
): Promise<Uint8Array> {
  const { name, include, exclude, rootdir } = archive.value;
  const root = resolve(dirname(specDirectory), rootdir);
  const place = [archive.file, archive.line].filter((part) => part !== undefined).join(':');
  const cannot = (why: string) =>
    new Failure('spec', 'bad_request', `cannot gather archive "${name}" (${place}): ${why}`);
  const files = await gatherFiles(include, { cwd: root, exclude });
  if (files.length === 0) throw cannot(`nothing in ${root} matches ${JSON.stringify(include)}`);
  const [only] = files;
  return only && files.length === 1 ? only.content : zip(files);
}

async function readSpecFile(path: string, shown: string): Promise<ParsedSpec> {
  const bytes = await readFile(path);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const problem = { file: shown, line: undefined, field: '', message: 'is not UTF-8' };
    return { resources: [], archives: [], deployments: [], problems: [problem], warnings: [] };
  }
  return parseSpec(text, shown);
}

async function readIgnore(root: string): Promise<string[]> {
  const text = await readFile(join(root, '.specignore'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) => {
      const pattern = line.replace(/^\//, '').replace(/\/$/, '');
      const anywhere = line.startsWith('/') || pattern.includes('/') ? pattern : `**/${pattern}`;
      return [anywhere, `${anywhere}/**`];
    });
}
