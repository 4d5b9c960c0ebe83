/**
 * Builds the screens into ui/dist when their sources changed since the last time, and compresses what is served. Used by the command
 * when it starts from a checkout, and by the release. Run: `node scripts/build-ui.ts`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { glob } from 'tinyglobby';

const root = resolve(import.meta.dirname, '..');
const dist = join(root, 'ui/dist');
/** Holds the hash of the sources that dist was built from. */
const STAMP = '.sources';
const SOURCES = ['ui/**/*', 'backend/query/shapes.ts', 'package-lock.json', 'scripts/build-ui.ts'];
const NOT_SOURCES = ['ui/dist/**', 'ui/.cache/**', '**/*.test.ts', '**/node_modules/**'];
/** Smaller files gain nothing. */
const COMPRESS_FROM_BYTES = 1_024;

/** Resolves to the folder to serve. */
export async function buildUi(): Promise<string> {
  const wanted = await hashSources();
  const built = await readFile(join(dist, STAMP), 'utf8').catch(() => undefined);
  if (built === wanted) return dist;

  console.error('building the screens');
  // Built aside and moved in place, so that two who build at once never serve half of each other's.
  const aside = join(root, `ui/.cache/build-${process.pid}`);
  const { build } = await import('vite');
  await build({
    configFile: join(root, 'ui/vite.config.ts'),
    // One line above says what goes on; what vite would add are hints for whoever works on the screens.
    logLevel: 'error',
    build: { outDir: aside, emptyOutDir: true },
  });
  await compress(aside);
  await writeFile(join(aside, STAMP), wanted);
  await mkdir(join(root, 'ui'), { recursive: true });
  await rm(dist, { recursive: true, force: true });
  await rename(aside, dist).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    await rm(aside, { recursive: true, force: true });
  });
  return dist;
}

async function hashSources(): Promise<string> {
  const hash = createHash('sha256');
  const files = await glob(SOURCES, { cwd: root, ignore: NOT_SOURCES, dot: true });
  for (const file of files.sort()) hash.update(`${file}\0`).update(await readFile(join(root, file)));
  return hash.digest('hex');
}

async function compress(folder: string): Promise<void> {
  const brotli = promisify(brotliCompress);
  const zip = promisify(gzip);
  for (const file of await glob('**/*.{js,css,svg}', { cwd: folder })) {
    const path = join(folder, file);
    const bytes = await readFile(path);
    if (bytes.length < COMPRESS_FROM_BYTES) continue;
    await writeFile(`${path}.br`, await brotli(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
    await writeFile(`${path}.gz`, await zip(bytes, { level: 9 }));
  }
}

if (import.meta.main) console.log(await buildUi());
