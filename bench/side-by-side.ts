/**
 * Runs variants of a bench in turn: in each round every one of them, each in a process of its own, so that what the machine
 * does besides falls on all of them alike. Figures are the median of the rounds and their range.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';

/** Two clock reads bound every span from below, and follow the speed of a machine that others use too. */
export const YARDSTICK = 'two clock reads';

/** The reference machine's, ns: what targets in absolute numbers were set on (docs/performance.md). */
export const REFERENCE_YARDSTICK_NS = 75;

/** CPU ns of two clock reads, here and now. */
export function yardstickNs(): number {
  const pairs = 400_000;
  let sum = 0;
  for (let i = 0; i < pairs; i++) sum += performance.now() - performance.now();
  const from = process.cpuUsage();
  for (let i = 0; i < pairs; i++) sum += performance.now() - performance.now();
  const { user, system } = process.cpuUsage(from);
  if (Number.isNaN(sum)) throw new Error('cannot read the clock');
  return ((user + system) * 1e3) / pairs;
}

/** One process for one variant in one round: runs this file with the variant's name, and parses what it prints. */
export async function runVariant<T>(
  file: string,
  variant: string,
  env: Readonly<Record<string, string>> = {},
): Promise<T> {
  const { stdout } = await promisify(execFile)(
    ...pinned(CODE_CPU, process.execPath, [...process.execArgv, file]),
    {
      env: { ...process.env, ...env, SPOOR_BENCH_VARIANT: variant },
    },
  );
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as T;
}

/** The variant this process is to measure; undefined in the process that compares. */
export const variantHere = process.env['SPOOR_BENCH_VARIANT'];

/** Runs a helper (a sink, a load) beside the code under test, on another core where there is one. */
export function spawnBeside(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  return spawn(...pinned(OTHER_CPU, process.execPath, [file, ...args]), {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

/** The next message of a helper. */
export async function messageOf<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T];
  return message;
}

/** The last core is for the code under test, the first one for what stands beside it. */
export const CODE_CPU = availableParallelism() - 1;
export const OTHER_CPU = 0;

const hasTaskset = (() => {
  try {
    execFileSync('taskset', ['-c', '0', 'true'], { stdio: 'ignore' });
    return availableParallelism() > 1;
  } catch {
    return false;
  }
})();

/** The command pinned to a core, where `taskset` is there to do it. */
export function pinned(cpu: number, command: string, args: readonly string[]): [string, string[]] {
  return hasTaskset ? ['taskset', ['-c', String(cpu), command, ...args]] : [command, [...args]];
}

/** CPU ns a process has used so far, all its threads that still live: proc(5), /proc/PID/task/TID/schedstat. Linux. */
export function cpuNsOf(pid: number): number {
  let sum = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]);
    } catch {
      // a thread that ended while we looked
    }
  }
  return sum;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** `median [min..max]`. */
export function spread(values: readonly number[], digits = 0): string {
  const show = (value: number) => value.toFixed(digits);
  return `${show(median(values))} [${show(Math.min(...values))}..${show(Math.max(...values))}]`;
}

/** Rows as columns as wide as they need to be; the first is text, the others numbers. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function conditions(): string {
  return `Node ${process.version}, ${availableParallelism()} cores${hasTaskset ? `, code under test on core ${CODE_CPU}` : ', not pinned'}`;
}
