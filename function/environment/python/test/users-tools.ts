import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { pythonProgram } from '../program.ts';

const cache = resolve(import.meta.dirname, '../../../../node_modules/.cache/spoor');
const requirements = join(import.meta.dirname, 'users-tools.txt');
const INSTALL_TIMEOUT_MS = 300_000;

/** The folder of what functions bring along (`users-tools.txt`), fetched on first use: tens of megabytes. */
export async function usersTools(): Promise<string> {
  const { command } = await pythonProgram();
  const digest = createHash('sha256')
    .update(`${command}\0${readFileSync(requirements, 'utf8')}`)
    .digest('hex');
  const folder = join(cache, `python-tools-${digest.slice(0, 16)}`);
  if (statSync(folder, { throwIfNoEntry: false })) return folder;
  mkdirSync(cache, { recursive: true });
  const unfinished = `${folder}.${process.pid}`;
  try {
    await promisify(execFile)(
      command,
      ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps'].concat(
        ['--target', unfinished],
        ['-r', requirements],
      ),
      { timeout: INSTALL_TIMEOUT_MS },
    );
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Another process was quicker.
    if (!statSync(folder, { throwIfNoEntry: false })) throw error;
  }
  return folder;
}
