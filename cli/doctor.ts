import { createSocket } from 'node:dgram';
import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { pythonVersion } from '../function/environment/python/program.ts';
import type { CliContext } from './context.ts';
import { namedData } from './server-flags.ts';
import { DEFAULT_PORTS, nearestData, placesOf } from './settings.ts';
import { outputOption, verb } from './verbs/flags.ts';

/** `spoor doctor`. Exits with 1 when something is missing that nothing runs without. */
export function register(program: Command, context: CliContext): void {
  verb(
    program,
    'doctor',
    'what is installed, what is missing, which ports are taken, and how to mend it',
    'spoor doctor',
  )
    .addOption(outputOption(['json', 'yaml']))
    .action(async (flags: { output?: string }) => {
      const findings = await examine({ data: namedData(program) ?? nearestData('.') });
      context.out.list(
        findings,
        [
          { title: 'WHAT', key: 'what' },
          { title: 'STATE', key: 'state' },
          { title: 'DETAIL', key: 'detail', narrow: 'cut' },
        ],
        flags.output,
      );
      // Below the table, where there is room for a sentence.
      if (flags.output === undefined)
        for (const { what, advice } of findings) if (advice !== '') context.out.print(`\n${what}: ${advice}`);
      if (findings.some((finding) => finding.state === 'missing')) process.exitCode = 1;
    });
}

export interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'missing' | 'warning';
  readonly detail: string;
  /** What to do about it; '' when nothing needs doing. */
  readonly advice: string;
}

/** What is installed, what is missing, which ports are taken, and how to mend it. */
export async function examine(options: { readonly data: string }): Promise<Finding[]> {
  const require = createRequire(import.meta.url);
  const places = placesOf(options.data);
  const findings: Finding[] = [];

  const major = Number(process.versions.node.split('.')[0]);
  findings.push({
    what: 'Node',
    state: major >= 24 ? 'ok' : 'warning',
    detail: `v${process.versions.node}`,
    advice: major >= 24 ? '' : 'use Node 24 or newer: `cli/spoor` brings its own',
  });
  findings.push(
    found(
      'chDB (embedded store)',
      tryResolve(require, 'chdb'),
      'npm install chdb, or set CLICKHOUSE_URL to a ClickHouse server',
    ),
  );
  findings.push(
    found(
      'koffi (mapped journals)',
      tryResolve(require, 'koffi'),
      'npm install koffi; without it journals are written with positional writes, about 1 µs more per span',
      'warning',
    ),
  );
  findings.push(
    found(
      'UI',
      existsSync(join(import.meta.dirname, '../ui/dist/index.html')),
      'npm run build:ui; `spoor up` builds it by itself in a checkout',
      'warning',
    ),
  );
  findings.push(await pythonFinding(), diskFinding(places.data));
  findings.push({
    what: 'journals',
    state: places.journals.startsWith('/dev/shm') ? 'ok' : 'warning',
    detail: places.journals,
    advice: places.journals.startsWith('/dev/shm')
      ? ''
      : '/dev/shm is small or missing: journals go to the data directory, which costs a little more per span',
  });
  const isRunning = existsSync(places.endpoints);
  for (const [name, port] of Object.entries(DEFAULT_PORTS)) {
    const free = name === 'jaegerUdp' ? await isUdpFree(port) : await isFree(port);
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}-port`;
    const advice = `choose another with ${flag} (0 picks a free one)`;
    findings.push({
      what: `port ${port} (${name})`,
      state: free || isRunning ? 'ok' : 'warning',
      detail: free ? 'free' : isRunning ? 'taken, by this Spoor it seems' : 'taken',
      advice: free || isRunning ? '' : advice,
    });
  }
  return findings;
}

async function pythonFinding(): Promise<Finding> {
  const what = 'Python (functions in it)';
  try {
    return { what, state: 'ok', detail: await pythonVersion(), advice: '' };
  } catch (error) {
    return { what, state: 'warning', detail: 'not usable', advice: (error as Error).message };
  }
}

/** Of the folder that is there: the data directory's own may not be made yet. */
function diskFinding(data: string): Finding {
  let there = data;
  while (!existsSync(there)) there = dirname(there);
  try {
    accessSync(there, constants.W_OK);
  } catch (error) {
    return {
      what: 'disk',
      state: 'missing',
      detail: (error as Error).message,
      advice: 'choose another directory with --data',
    };
  }
  const { bavail, bsize } = statfsSync(there);
  const freeGiB = (bavail * bsize) / 2 ** 30;
  return {
    what: 'disk',
    state: freeGiB > 1 ? 'ok' : 'warning',
    detail: `${freeGiB.toFixed(1)} GiB free for ${data}`,
    advice: freeGiB > 1 ? '' : 'free some space, or choose another directory with --data',
  };
}

function found(
  what: string,
  present: boolean,
  advice: string,
  otherwise: Finding['state'] = 'missing',
): Finding {
  return {
    what,
    state: present ? 'ok' : otherwise,
    detail: present ? 'installed' : 'not installed',
    advice: present ? '' : advice,
  };
}

function tryResolve(require: NodeJS.Require, name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}

function isUdpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)));
  });
}
