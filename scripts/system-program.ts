import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program that tests need from outside npm. */
export interface SystemProgram {
  /** For people: "Chromium". */
  readonly title: string;
  /** Looked for on the PATH, in this order. */
  readonly names: readonly string[];
  /** What to install on Debian and its kin. */
  readonly aptPackages: readonly string[];
}

export const CHROMIUM: SystemProgram = {
  title: 'Chromium',
  names: ['chromium', 'chromium-browser', 'google-chrome'],
  aptPackages: ['chromium', 'fonts-dejavu-core'],
};
export const JAVA: SystemProgram = {
  title: 'Java 17 or newer',
  names: ['java'],
  aptPackages: ['default-jre-headless'],
};
export const MAVEN: SystemProgram = { title: 'Maven', names: ['mvn'], aptPackages: ['maven'] };
export const PYTHON: SystemProgram = {
  title: 'Python 3',
  names: ['python3'],
  aptPackages: ['python3', 'python3-venv', 'python3-pip'],
};

/** Another test file may be installing at the same time: one at a time, and the others find it done. */
const LOCK = join(tmpdir(), 'spoor-system-program.lock');
const LOCK_STALE_MS = 600_000;
const LOCK_POLL_MS = 500;

/**
 * The program's path. When it is missing it is installed with the machine's package manager, if that is apt and we may use it
 * (root, or sudo that asks nothing); else an error that says what to install.
 */
export async function ensureProgram(program: SystemProgram): Promise<string> {
  const present = find(program);
  if (present !== undefined) return present;
  await withLock(() => {
    if (find(program) === undefined) install(program);
  });
  const installed = find(program);
  if (installed === undefined)
    throw new Error(`cannot find ${program.title} on the PATH: install it (${adviceFor(program)})`);
  return installed;
}

function find({ names }: SystemProgram): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  for (const name of names)
    for (const folder of folders)
      if (folder !== '' && existsSync(join(folder, name))) return join(folder, name);
  return undefined;
}

function install(program: SystemProgram): void {
  const apt = aptCommand();
  if (apt === undefined)
    throw new Error(`cannot find ${program.title}, and cannot install it here: ${adviceFor(program)}`);
  console.error(`installing ${program.title} (${program.aptPackages.join(', ')}) …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...program.aptPackages],
  ]) {
    const run = spawnSync(apt[0] as string, [...apt.slice(1), ...args], {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (run.status !== 0)
      throw new Error(
        `cannot install ${program.title}: apt-get ${args[0]} said: ${(run.stderr || run.stdout).trim().split('\n').slice(-3).join(' ')}`,
      );
  }
}

function aptCommand(): readonly string[] | undefined {
  const has = (name: string) => find({ title: name, names: [name], aptPackages: [] }) !== undefined;
  if (!has('apt-get')) return undefined;
  if (process.getuid?.() === 0) return ['apt-get'];
  if (has('sudo') && spawnSync('sudo', ['-n', 'true']).status === 0) return ['sudo', '-n', 'apt-get'];
  return undefined;
}

function adviceFor({ aptPackages }: SystemProgram): string {
  return `on Debian or Ubuntu: apt-get install ${aptPackages.join(' ')}`;
}

async function withLock(action: () => void): Promise<void> {
  for (;;) {
    try {
      mkdirSync(LOCK);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const age = Date.now() - (statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > LOCK_STALE_MS) rmSync(LOCK, { recursive: true, force: true });
      await sleep(LOCK_POLL_MS);
    }
  }
  try {
    action();
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
}
