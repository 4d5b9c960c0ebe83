import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PACKAGES = ['kafka-python==3.0.12', 'confluent-kafka==2.16.1'];
const INSTALL_TIMEOUT_MS = 5 * 60_000;

/** A folder for PYTHONPATH with the Kafka clients that Python functions bring along; made once. `python` is the interpreter. */
export async function pythonClients(python: string): Promise<string> {
  const cache = resolve(import.meta.dirname, '../../node_modules/.cache/spoor');
  const id = createHash('sha256')
    .update([python, ...PACKAGES].join('\0'))
    .digest('hex')
    .slice(0, 16);
  const folder = join(cache, `kafka-clients-${id}`);
  if (await stat(folder).catch(() => undefined)) return folder;
  await mkdir(cache, { recursive: true });
  const unfinished = `${folder}.${process.pid}`;
  try {
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps'];
    await run(python, [...pip, '--target', unfinished, ...PACKAGES], { timeout: INSTALL_TIMEOUT_MS });
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return folder;
}
