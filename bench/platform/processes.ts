import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Load, LoadResult } from './load.ts';

/** CPU time of a process and its threads so far, in ns. */
export function cpuNs(pid: number): number {
  return clocksOf(pid).cpuNs;
}

interface Clocks {
  readonly cpuNs: number;
  /** How long its main thread was ready to run and another had the core. */
  readonly waitNs: number;
}

/** `/proc/PID/task/TID/schedstat` (Linux): ns on a core, ns ready and waiting for one, turns. */
function clocksOf(pid: number): Clocks {
  let cpu = 0;
  let waitNs = 0;
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const [ran, waited] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
      cpu += Number(ran);
      if (Number(task) === pid) waitNs = Number(waited);
    }
  } catch {
    // It has ended.
  }
  return { cpuNs: cpu, waitNs };
}

export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    return [];
  }
}

/** A program, and the first line of its stdout that `isReady`. */
export async function startProgram(
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly isReady: (line: string) => boolean },
): Promise<{ readonly child: ChildProcess; readonly line: string }> {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4_000)));
  return new Promise((resolve, reject) => {
    let text = '';
    child.once('exit', (code) => reject(new Error(`${args[0]} exited with ${code}:\n${errors}`)));
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const line = text.split('\n').slice(0, -1).find(options.isReady);
      if (line === undefined) return;
      child.removeAllListeners('exit');
      child.stdout.removeAllListeners('data').resume();
      resolve({ child, line });
    });
  });
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await exited;
  clearTimeout(late);
}

/** For programs that cannot say which port they were given. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === 'object' && address ? address.port : 0;
}

export interface Measured extends LoadResult {
  /** µs of CPU for each answered request, by the name the pids were given; `load` is the generator's own. */
  readonly cpuUs: Readonly<Record<string, number>>;
  /** µs for each answered request that the process was ready to run and had no core. */
  readonly waitUs: Readonly<Record<string, number>>;
}

/** Runs the load generator; CPU is what was used between its words `measuring` and `measured`. */
export async function measure(
  load: Load,
  pids: () => Readonly<Record<string, readonly number[]>>,
): Promise<Measured> {
  const child = spawn(
    process.execPath,
    [new URL('load.ts', import.meta.url).pathname, JSON.stringify(load)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const clocks = (): Record<string, Clocks> =>
    Object.fromEntries(
      Object.entries({ ...pids(), load: [child.pid as number] }).map(([name, list]) => [
        name,
        sum(list.map(clocksOf)),
      ]),
    );
  let before: Record<string, Clocks> = {};
  let after: Record<string, Clocks> = {};
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    const text = chunk.toString();
    if (text.includes('measuring')) before = clocks();
    if (text.includes('measured')) after = clocks();
    errors += text;
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`the load generator exited with ${code}:\n${errors}`);
  const result = JSON.parse(text) as LoadResult;
  const perRequest = (clock: keyof Clocks) =>
    Object.fromEntries(
      Object.entries(after).map(([name, clocks]) => [
        name,
        (clocks[clock] - (before[name]?.[clock] ?? 0)) / 1_000 / result.requests,
      ]),
    );
  return { ...result, cpuUs: perRequest('cpuNs'), waitUs: perRequest('waitNs') };
}

function sum(list: readonly Clocks[]): Clocks {
  return {
    cpuNs: list.reduce((total, { cpuNs }) => total + cpuNs, 0),
    waitNs: list.reduce((total, { waitNs }) => total + waitNs, 0),
  };
}
