import { spawn } from 'node:child_process';
import { Failure } from '../../server/failure.ts';

export interface ProgramOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Both its outputs, as they come. */
  readonly onOutput: (chunk: Buffer) => void;
}

/** How long a program that was told to end may take to do so. */
const GRACE_MS = 2_000;

/**
 * Runs a program to its end, in a process group of its own so that nothing it started outlives it. Throws a Failure that says
 * how it failed; its output went to `onOutput`.
 */
export async function runProgram(
  argv: readonly [string, ...string[]],
  { cwd, env, timeoutMs, signal, onOutput }: ProgramOptions,
): Promise<void> {
  const [program, ...args] = argv;
  const cannot = (why: string, cause?: unknown) =>
    new Failure('spec', 'unavailable', `cannot run ${argv.join(' ')}: ${why}`, { cause });
  signal.throwIfAborted();
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = (how: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, how);
    } catch {
      // The whole group is gone already.
    }
  };
  let stopped: string | undefined;
  const stop = (why: string) => {
    stopped ??= why;
    kill('SIGTERM');
    setTimeout(() => kill('SIGKILL'), GRACE_MS).unref();
  };
  const late = setTimeout(() => stop(`it took longer than ${timeoutMs / 1000} s`), timeoutMs);
  const onAbort = () => stop('it was not wanted any more');
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    child.stdout.on('data', onOutput);
    child.stderr.on('data', onOutput);
    const [exitCode, killedBy] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      child.once('error', reject);
      // `exit`, not `close`: a daemon it left behind holds the pipes open for ever.
      child.once('exit', (code, by) => setTimeout(() => resolve([code, by]), 10));
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw cannot('there is no such program', error);
      if (error.code === 'EACCES')
        throw cannot('it may not be executed; `chmod +x` it before it is archived', error);
      throw cannot(error.message, error);
    });
    if (stopped !== undefined) throw cannot(stopped);
    if (killedBy !== null) throw cannot(`it was killed by ${killedBy}`);
    if (exitCode !== 0) throw cannot(`it exited with code ${exitCode}`);
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', onAbort);
    kill('SIGKILL');
    child.stdout.destroy();
    child.stderr.destroy();
  }
}
