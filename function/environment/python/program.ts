import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const root = resolve(import.meta.dirname, '../../..');
const requirements = join(import.meta.dirname, 'requirements.txt');
const start = join(import.meta.dirname, 'start.py');

const INSTALL_TIMEOUT_MS = 10 * 60_000;
const OLDEST = [3, 11] as const;

export interface PythonProgram {
  readonly command: string;
  readonly args: readonly string[];
}

let making: Promise<PythonProgram> | undefined;

/**
 * How to start the Python environment: in a virtual environment with the packages of `requirements.txt`, made on first use
 * below `node_modules/.cache/spoor`. Two processes may make it at once. `SPOOR_PYTHON` names the interpreter, `python3` unless
 * told. Rejects with an Error that says what to install.
 */
export function pythonProgram(): Promise<PythonProgram> {
  making ??= make().catch((error: unknown) => {
    making = undefined; // it may be mended meanwhile
    throw error;
  });
  return making;
}

async function make(): Promise<PythonProgram> {
  const interpreter = process.env['SPOOR_PYTHON'] || 'python3';
  const version = await versionOf(interpreter);
  const cache = join(root, 'node_modules/.cache/spoor');
  const directory = join(cache, `python-${digestOf(interpreter, version)}`);
  const program = { command: join(directory, 'bin/python'), args: [start] };
  if (statSync(directory, { throwIfNoEntry: false })) return program;

  process.stderr.write(
    `making the Python environment (Flask, OpenTelemetry API) in ${directory}, once: a few seconds\n`,
  );
  mkdirSync(cache, { recursive: true });
  // A virtual environment is called by absolute paths only where scripts are: the interpreter and its packages may be moved.
  const unfinished = `${directory}.${process.pid}.${Date.now()}`;
  try {
    await attempt(
      run(interpreter, ['-m', 'venv', unfinished], { timeout: INSTALL_TIMEOUT_MS }),
      `cannot make a virtual environment with [${interpreter}]: install its venv module (Debian: apt-get install python3-venv)`,
    );
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
    await attempt(
      run(join(unfinished, 'bin/python'), [...pip, '--no-deps', '-r', requirements], {
        timeout: INSTALL_TIMEOUT_MS,
      }),
      `cannot install the packages of [${requirements}]: is there a way to the Python package index? pip's own settings (PIP_INDEX_URL, PIP_FIND_LINKS) hold`,
    );
    renameSync(unfinished, directory);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Another process was quicker.
    if (statSync(directory, { throwIfNoEntry: false })) return program;
    throw error;
  }
  removeOld(cache, directory);
  return program;
}

/** `3.13` of the interpreter that would be used. Rejects with an Error that says what to install. */
export async function pythonVersion(): Promise<string> {
  const [major, minor] = (await versionOf(process.env['SPOOR_PYTHON'] || 'python3')).split(' ');
  return `${major}.${minor}`;
}

async function versionOf(interpreter: string): Promise<string> {
  const script = 'import sys; print(sys.version_info[0], sys.version_info[1], sys.executable)';
  const missing = `cannot run Python functions: there is no [${interpreter}]. Install Python ${OLDEST.join('.')} or later (Debian: apt-get install python3 python3-venv), or name one in SPOOR_PYTHON`;
  const { stdout } = await attempt(run(interpreter, ['-c', script]), missing);
  const [major = 0, minor = 0] = stdout.split(' ').map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    throw new Error(
      `cannot run Python functions with [${interpreter}], which is Python ${major}.${minor}: ${OLDEST.join('.')} or later is needed; SPOOR_PYTHON names another`,
    );
  return stdout;
}

async function attempt<Result>(work: Promise<Result>, message: string): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    const { stderr } = cause as { stderr?: string };
    throw new Error(stderr ? `${message}: ${stderr.trim().slice(-1_000)}` : message, { cause });
  }
}

function digestOf(interpreter: string, version: string): string {
  const parts = [interpreter, version, readFileSync(requirements, 'utf8')];
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16);
}

const OLD_MS = 7 * 24 * 3600 * 1000;

/** Another checkout or a running platform may still use one that is young. */
function removeOld(cache: string, current: string): void {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    if (path === current || !name.startsWith('python-')) continue;
    if (Date.now() - statSync(path).mtimeMs > OLD_MS) rmSync(path, { recursive: true, force: true });
  }
}
