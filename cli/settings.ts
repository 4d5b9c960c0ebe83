import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, statfsSync, statSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Failure } from '../server/failure.ts';
import type { TailSampling } from '../backend/collector/sampling/policies.ts';

/** What `spoor up` and the parts are told by flags; the only place where flags and environment become plain options. */
export interface Settings {
  /** Absolute. */
  readonly data: string;
  readonly host: string;
  readonly routerPort: number;
  readonly internalPort: number;
  readonly queryPort: number;
  readonly otlpHttpPort: number;
  /** Here and below: undefined is the default port if no other program has it. */
  readonly otlpGrpcPort: number | undefined;
  readonly jaegerHttpPort: number | undefined;
  readonly jaegerUdpPort: number | undefined;
  readonly zipkinPort: number | undefined;
  readonly samplingPort: number | undefined;
  readonly kafka: readonly string[];
  readonly clickhouseUrl: string | undefined;
  /** Whole days of traces kept, and the bytes they may take on disk; undefined: without end. */
  readonly keepDays: number | undefined;
  readonly maxDiskBytes: number | undefined;
  /** Undefined: everything is kept. */
  readonly tailSampling: TailSampling | undefined;
  readonly token: string | undefined;
}

export const DEFAULT_PORTS = {
  router: 8888,
  internal: 8889,
  query: 16686,
  otlpHttp: 4318,
  otlpGrpc: 4317,
  jaegerHttp: 14268,
  jaegerUdp: 6831,
  zipkin: 9411,
  sampling: 5778,
} as const;

/** A tmpfs smaller than this is left alone: a container's /dev/shm is often 64 MB and shared. */
const LEAST_SHM_BYTES = 256 * 1024 * 1024;

/**
 * Where everything of one data directory lives. Journals go to shared memory when there is enough of it: they must outlive a
 * process, not the machine, and a write there never waits for a disk.
 */
export interface Places {
  readonly data: string;
  readonly journals: string;
  /** Unix sockets: their paths may be 107 bytes at most, so they cannot lie in a deep data directory. */
  readonly run: string;
  readonly spool: string;
  readonly store: string;
  readonly platform: string;
  readonly logs: string;
  /** `{router, internal, query, otlpHttp, otlpGrpc, pid}`: how other commands find what runs. */
  readonly endpoints: string;
}

/** Names only: nothing is made. */
export function placesOf(data: string): Places {
  const root = resolve(data);
  const id = `spoor-${userInfo().uid}-${createHash('sha256').update(root).digest('hex').slice(0, 10)}`;
  return {
    data: root,
    journals: hasSharedMemory() ? join('/dev/shm', id) : join(root, 'journals'),
    run: join(tmpdir(), id),
    spool: join(root, 'spool'),
    store: join(root, 'store'),
    platform: join(root, 'platform'),
    logs: join(root, 'logs'),
    endpoints: join(root, 'endpoints.json'),
  };
}

/** Makes what is not there yet of a data directory. A Failure that names the folder it could not make. */
export function makePlaces(data: string): Places {
  const places = placesOf(data);
  const { journals, run, spool, store, platform, logs } = places;
  for (const dir of [places.data, journals, run, spool, store, platform, logs]) {
    try {
      makeFolder(dir);
      accessSync(dir, constants.W_OK);
    } catch (error) {
      throw new Failure(
        'cli',
        'forbidden',
        `cannot write to ${dir}: ${(error as Error).message}. Choose another data directory with --data`,
        { cause: error },
      );
    }
  }
  return places;
}

/** Not `recursive`: Node's loops for ever where a folder is there and nothing can be made in it, such as /proc. */
function makeFolder(dir: string): void {
  if (existsSync(dir)) {
    if (statSync(dir).isDirectory()) return;
    throw new Error('it is no folder');
  }
  if (dirname(dir) !== dir) makeFolder(dirname(dir));
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    // Another part that starts at the same time was quicker.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

export const DEFAULT_DATA = './.spoor';

/** The data directory of what runs: `.spoor` in this folder or one above it, as git looks for its own. */
export function nearestData(from: string): string {
  for (let dir = resolve(from); ; dir = dirname(dir)) {
    const { endpoints, data } = placesOf(join(dir, DEFAULT_DATA));
    if (existsSync(endpoints)) return data;
    if (dir === dirname(dir)) return DEFAULT_DATA;
  }
}

function hasSharedMemory(): boolean {
  try {
    accessSync('/dev/shm', constants.W_OK);
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize >= LEAST_SHM_BYTES;
  } catch {
    return false;
  }
}
