import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import type { PackAnswer } from './pack.ts';
import { zip, type FileToZip } from './zip.ts';

/** One fewer than a zip without zip64 extensions can count. */
const MAX_FILES = 65_534;
const MAX_BYTES = 1024 * 1024 * 1024;

/** The thread of pack.ts: a path in, an archive's bytes out. */
const root = workerData as string;
const port = parentPort as MessagePort;
const files: FileToZip[] = [];
let total = 0;

try {
  const bytes = (await stat(root)).isFile() ? new Uint8Array(await readFile(root)) : await zipOf(root);
  port.postMessage({ bytes } satisfies PackAnswer, [bytes.buffer as ArrayBuffer]);
} catch (error) {
  port.postMessage({ problem: (error as Error).message } satisfies PackAnswer, []);
}

async function zipOf(folder: string): Promise<Uint8Array> {
  const real = await realpath(folder);
  await gather(real, real, '', new Set([real]));
  return zip(files);
}

/** Links are followed as far as they stay within the folder; an archive holds none. */
async function gather(rootPath: string, folder: string, prefix: string, above: Set<string>): Promise<void> {
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = join(folder, entry.name);
    const place = `${prefix}${entry.name}`;
    let target = path;
    if (entry.isSymbolicLink()) {
      target = await realpath(path).catch(() => '');
      if (!target.startsWith(`${rootPath}/`) || above.has(target)) continue;
    }
    const status = await stat(target);
    if (status.isDirectory()) {
      above.add(target);
      await gather(rootPath, target, `${place}/`, above);
      above.delete(target);
    } else if (status.isFile()) {
      total += status.size;
      if (files.length >= MAX_FILES)
        throw new Error(`cannot pack ${files.length + 1} files or more: the limit is ${MAX_FILES}`);
      if (total > MAX_BYTES) throw new Error(`cannot pack ${total} bytes or more: the limit is ${MAX_BYTES}`);
      const content = new Uint8Array(await readFile(target));
      files.push({ path: place, content, executable: (status.mode & 0o111) !== 0 });
    }
  }
}
