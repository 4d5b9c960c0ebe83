import { mkdirSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ResourceLimits } from '../spec/resources.ts';

const MOUNT = '/sys/fs/cgroup';
const CONTROLLERS = ['cpu', 'memory'];
/** A cgroup that hands controllers down may have no process of its own; ours go into this one below it. */
const OWN_LEAF = 'spoor';
/** `cpu.max` is a share of this. */
const PERIOD_US = 100_000;
/** What was killed has been reaped by then. */
const REAPED_MS = 1_000;

/**
 * Limits of processes by cgroups v2 (Linux, Documentation/admin-guide/cgroup-v2.rst): one cgroup for each instance that has any,
 * beside one for the platform. Only where the platform may: it runs as a container's or a unit's own processes, which the cgroup
 * was handed over to.
 */
export class Cgroups {
  readonly #root: string;

  /** undefined where there are none to be had. `root` is for tests. */
  static open(root = ownCgroup()): Cgroups | undefined {
    if (root === undefined) return undefined;
    try {
      const has = (file: string) => {
        const words = readFileSync(join(root, file), 'utf8').split(/\s+/);
        return CONTROLLERS.every((name) => words.includes(name));
      };
      if (!has('cgroup.controllers')) return undefined;
      if (!has('cgroup.subtree_control') && !takeOver(root)) return undefined;
      return new Cgroups(root);
    } catch {
      return undefined;
    }
  }

  private constructor(root: string) {
    this.#root = root;
  }

  /** The new cgroup's folder: a process enters it by writing its pid to `cgroup.procs` there. */
  make(name: string, limits: ResourceLimits): string {
    const folder = join(this.#root, name);
    mkdirSync(folder, { recursive: true });
    const { memoryLimitBytes, cpuLimit } = limits;
    if (memoryLimitBytes !== undefined) {
      writeFileSync(join(folder, 'memory.max'), String(memoryLimitBytes));
      // What dies of memory dies whole, with what it has forked.
      writeFileSync(join(folder, 'memory.oom.group'), '1');
    }
    if (cpuLimit !== undefined)
      writeFileSync(
        join(folder, 'cpu.max'),
        `${Math.max(1_000, Math.round(cpuLimit * PERIOD_US))} ${PERIOD_US}`,
      );
    return folder;
  }
}

/** Ends what is left in it, and takes it away. */
export function removeCgroup(folder: string): void {
  try {
    writeFileSync(join(folder, 'cgroup.kill'), '1');
  } catch {
    // Before Linux 5.14, or it is gone.
  }
  if (!removed(folder)) setTimeout(() => removed(folder), REAPED_MS).unref();
}

/** False while a process of it has not been reaped. */
function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

/** `oom_kill` of a cgroup: how many of its processes the kernel killed for memory. 0 where there is none to read. */
export function oomKillCount(folder = ownCgroup()): number {
  if (folder === undefined) return 0;
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(folder, 'memory.events'), 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function ownCgroup(): string | undefined {
  try {
    const path = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
    return path === undefined ? undefined : join(MOUNT, path);
  } catch {
    return undefined;
  }
}

/** Moves our processes into a leaf, so that the cgroup may hand its controllers down. Nobody else's process is moved: false then. */
function takeOver(root: string): boolean {
  const pids = readFileSync(join(root, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  const ours = ourProcesses(pids);
  if (ours.length < pids.length) return false;
  const leaf = join(root, OWN_LEAF);
  mkdirSync(leaf, { recursive: true });
  try {
    for (const pid of ours) writeFileSync(join(leaf, 'cgroup.procs'), String(pid));
    writeFileSync(join(root, 'cgroup.subtree_control'), CONTROLLERS.map((name) => `+${name}`).join(' '));
    return true;
  } catch {
    for (const pid of ours) writeFileSync(join(root, 'cgroup.procs'), String(pid));
    return false;
  }
}

/** This process, the one that keeps it running (`spoor up`, which runs the same program), and what descends from them. */
function ourProcesses(pids: readonly number[]): number[] {
  const keeper = isSameProgram(process.ppid) ? process.ppid : process.pid;
  return pids.filter((pid) => {
    for (let each = pid; each > 0; each = parentOf(each))
      if (each === keeper || each === process.pid) return true;
    return false;
  });
}

function isSameProgram(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) === process.execPath;
  } catch {
    return false;
  }
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0;
  }
}
