import { createHash } from 'node:crypto';
import { accessSync, constants, mkdirSync, statfsSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
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

export function placesOf(data: string): Places {
  const root = resolve(data);
  const id = `spoor-${userInfo().uid}-${createHash('sha256').update(root).digest('hex').slice(0, 10)}`;
  const places = {
    data: root,
    journals: hasSharedMemory() ? join('/dev/shm', id) : join(root, 'journals'),
    run: join(tmpdir(), id),
    spool: join(root, 'spool'),
    store: join(root, 'store'),
    platform: join(root, 'platform'),
    logs: join(root, 'logs'),
    endpoints: join(root, 'endpoints.json'),
  };
  for (const dir of [
    root,
    places.journals,
    places.run,
    places.spool,
    places.store,
    places.platform,
    places.logs,
  ]) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }
  return places;
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
