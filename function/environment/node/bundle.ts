import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { BuildOptions } from 'esbuild';
import { threadProgram } from './thread-data.ts';

const root = resolve(import.meta.dirname, '../../..');
const entry = join(import.meta.dirname, 'main.ts');
/** Beside the program lies what its threads load (thread-data.ts, `threadProgram`). */
const threadEntry = join(import.meta.dirname, 'thread.ts');
const sources = [import.meta.dirname, join(root, 'function/span')];

/**
 * Path of the program to start the Node environment with: one file made by esbuild, which starts in half the time of the many
 * it is made of. Made on first use and kept below `node_modules/.cache/spoor`; two processes may make it at once. Without
 * esbuild (a development dependency), or where nothing can be written, it is `main.ts` itself.
 */
export async function environmentProgram(): Promise<string> {
  const directory = join(root, 'node_modules/.cache/spoor');
  const program = join(directory, `environment-node-${digestOfSources()}.cjs`);
  if (statSync(program, { throwIfNoEntry: false })) return program;
  const unfinished = `${program}.${process.pid}.${Date.now()}`;
  try {
    const { build } = await import('esbuild');
    mkdirSync(directory, { recursive: true });
    const options: BuildOptions = {
      bundle: true,
      // CommonJS starts 5 ms sooner than ESM does.
      format: 'cjs',
      // For createRequire, which takes a path as well.
      define: { 'import.meta.url': '__filename', 'import.meta.filename': '__filename' },
      platform: 'node',
      target: 'node24',
      // Native code, and what is loaded only when it is asked for.
      external: ['koffi', 'ws'],
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: 'none',
      logLevel: 'silent',
    };
    const ofThreads = threadProgram(program);
    await build({ ...options, entryPoints: [threadEntry], outfile: unfinished });
    renameSync(unfinished, ofThreads);
    await build({ ...options, entryPoints: [entry], outfile: unfinished });
    renameSync(unfinished, program);
    removeOld(directory, [program, ofThreads]);
    return program;
  } catch {
    rmSync(unfinished, { force: true });
    return entry;
  }
}

/** By content: a checkout moved or touched keeps its bundle, an edit gets a new one. */
function digestOfSources(): string {
  const hash = createHash('sha256');
  for (const directory of sources) {
    for (const name of readdirSync(directory).sort()) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
      hash
        .update(name)
        .update('\0')
        .update(readFileSync(join(directory, name)))
        .update('\0');
    }
  }
  hash.update(readFileSync(join(root, 'node_modules/@opentelemetry/api/package.json')));
  return hash.digest('hex').slice(0, 16);
}

const OLD_MS = 24 * 3600 * 1000;

/** Another checkout or a running platform may still start one that is young. */
function removeOld(directory: string, current: readonly string[]): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (current.includes(path) || !name.startsWith('environment-node-')) continue;
    if (Date.now() - statSync(path).mtimeMs > OLD_MS) rmSync(path, { force: true });
  }
}
