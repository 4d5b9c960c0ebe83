import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_PORTS, placesOf } from './settings.ts';

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
    advice: major >= 24 ? '' : 'use Node 24 or newer: `npm run spoor` brings its own',
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
  const { bavail, bsize } = statfsSync(places.data);
  const freeGiB = (bavail * bsize) / 2 ** 30;
  findings.push({
    what: 'disk',
    state: freeGiB > 1 ? 'ok' : 'warning',
    detail: `${freeGiB.toFixed(1)} GiB free for ${places.data}`,
    advice: freeGiB > 1 ? '' : 'free some space, or choose another directory with --data',
  });
  findings.push({
    what: 'journals',
    state: places.journals.startsWith('/dev/shm') ? 'ok' : 'warning',
    detail: places.journals,
    advice: places.journals.startsWith('/dev/shm')
      ? ''
      : '/dev/shm is small or missing: journals go to the data directory, which costs a little more per span',
  });
  for (const [name, port] of Object.entries(DEFAULT_PORTS)) {
    const free = await isFree(port);
    findings.push({
      what: `port ${port} (${name})`,
      state: free ? 'ok' : 'warning',
      detail: free ? 'free' : existsSync(places.endpoints) ? 'taken, by this Spoor it seems' : 'taken',
      advice:
        free || existsSync(places.endpoints)
          ? ''
          : `choose another with --${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}-port (0 picks a free one)`,
    });
  }
  return findings;
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

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)));
  });
}
