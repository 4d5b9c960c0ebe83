/**
 * What tracing adds to a cold start: spawn to "listening" of the Node environment as the executor starts it, with and without a
 * journal, in pairs, the order within a pair by turns.
 *
 *     node bench/coldstart.ts [pairs]        default 100
 *
 * Beside it: the same to the first answer of a function (specialized with an empty one), an empty Node for scale, and the bytes of
 * ours that the process loads.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { environmentProgram } from '../function/environment/node/bundle.ts';
import { CODE_CPU, conditions, cpuNsOf, median, pinned, spread, table } from './side-by-side.ts';

interface Start {
  readonly listeningMs: number;
  readonly answeredMs: number;
  /** The process's own until then: what a machine with nothing else to do would take, less waiting. */
  readonly listeningCpuMs: number;
  readonly answeredCpuMs: number;
}

const pairs = Number(process.argv[2] ?? 100);
const WARM_UP_PAIRS = 3;
const program = await environmentProgram();
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'spoor-bench-'));
writeFileSync(join(folder, 'index.cjs'), `module.exports = async () => ({ status: 200, body: 'hello' });`);
let started = 0;

try {
  const on: Start[] = [];
  const off: Start[] = [];
  const empty: number[] = [];
  for (let pair = -WARM_UP_PAIRS; pair < pairs; pair++) {
    const isOnFirst = pair % 2 === 0;
    const first = await startOnce(isOnFirst);
    const second = await startOnce(!isOnFirst);
    const node = await emptyNode();
    if (pair < 0) continue;
    on.push(isOnFirst ? first : second);
    off.push(isOnFirst ? second : first);
    empty.push(node);
  }
  const columns = ['listeningMs', 'listeningCpuMs', 'answeredMs', 'answeredCpuMs'] as const;
  const against = (of: (values: number[]) => number) =>
    columns.map((what) =>
      (of(on.map((start) => start[what])) - of(off.map((start) => start[what]))).toFixed(1),
    );
  const spreads = (starts: readonly Start[]) =>
    columns.map((what) =>
      spread(
        starts.map((start) => start[what]),
        1,
      ),
    );
  console.log(`ms from spawn, median [min..max] of ${pairs} pairs; ${conditions()}`);
  console.log(
    table([
      ['', 'listening', 'CPU until then', 'first answer', 'CPU until then'],
      ['node -e 0, to its exit', spread(empty, 1), '', '', ''],
      ['tracing off', ...spreads(off)],
      ['tracing on', ...spreads(on)],
      ['difference of the medians', ...against(median)],
      ['difference of the minima', ...against((values) => Math.min(...values))],
    ]),
  );
  // Wall time follows whoever else is running; the pairs' own CPU does not, much.
  for (const [what, column] of [
    ['listening', 'listeningCpuMs'],
    ['the first answer', 'answeredCpuMs'],
  ] as const) {
    const added = median(on.map((start, pair) => start[column] - (off[pair] as Start)[column]));
    console.log(
      `CPU that tracing adds until ${what}, median of the pairs: ${added.toFixed(1)} ms, at most 3: ${added <= 3 ? 'reached' : 'MISSED'}`,
    );
  }
  console.log(
    `bytes of ours in the process: ${statSync(program).size} (${program.endsWith('.cjs') ? 'one file' : 'sources, not bundled'})`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function startOnce(isTraced: boolean): Promise<Start> {
  const id = `i-${started++}`;
  const socketPath = join(folder, `${id}.sock`);
  const journal = join(folder, `${id}.journal`);
  const from = performance.now();
  const child = spawn(...pinned(CODE_CPU, process.execPath, [program]), {
    env: {
      PATH: process.env['PATH'],
      SPOOR_SOCKET: socketPath,
      SPOOR_INSTANCE_ID: id,
      SPOOR_CONTROL_FD: '3',
      ...(isTraced && { SPOOR_JOURNAL: journal }),
    },
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  const exited = once(child, 'exit');
  try {
    const control = child.stdio[3] as Readable;
    await Promise.race([
      once(control, 'data'),
      exited.then(() => Promise.reject(new Error('cannot start the environment'))),
    ]);
    const listeningMs = performance.now() - from;
    const listeningCpuMs = cpuNsOf(child.pid as number) / 1e6;
    await ask(socketPath, '/v2/specialize', {
      filepath: join(folder, 'index.cjs'),
      functionName: '',
      FunctionMetadata: { name: 'hello', resourceVersion: '1' },
    });
    await ask(socketPath, '/');
    const answeredMs = performance.now() - from;
    return { listeningMs, listeningCpuMs, answeredMs, answeredCpuMs: cpuNsOf(child.pid as number) / 1e6 };
  } finally {
    child.kill('SIGKILL');
    await exited;
    rmSync(journal, { force: true });
    rmSync(socketPath, { force: true });
  }
}

async function emptyNode(): Promise<number> {
  const from = performance.now();
  await once(spawn(...pinned(CODE_CPU, process.execPath, ['-e', '0']), { stdio: 'ignore' }), 'exit');
  return performance.now() - from;
}

function ask(socketPath: string, path: string, body?: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { socketPath, path, method: body ? 'POST' : 'GET', headers: { 'content-type': 'application/json' } },
      (response) => {
        response.resume();
        response.once('end', () => {
          if ((response.statusCode ?? 500) < 300) resolve();
          else reject(new Error(`cannot ask ${path}: ${response.statusCode}`));
        });
      },
    );
    request.once('error', reject);
    request.end(body && JSON.stringify(body));
  });
}
