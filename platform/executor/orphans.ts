import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../server/log.ts';
import { removeCgroup } from './cgroup.ts';
import { writeEndFile } from './end.ts';

/** What stands in an instance's folder, so that a later platform can end what a killed one left behind. */
export interface InstanceRecord {
  readonly id: string;
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: tells a process from a later one with its pid. '' when unknown. */
  readonly startTicks: string;
  readonly journalDir: string;
  /** The folder of its cgroup, if it has one. */
  readonly cgroup?: string | undefined;
}

/** An orphan finishes its requests and exits by itself, for its control pipe has closed; past this it is killed. */
const ORPHAN_GRACE_MS = 30_000;
const POLL_MS = 200;

/**
 * Instances of a previous platform, found by the records it left in `runDir`. Their sockets and secrets are removed, those that
 * still run after the grace are killed. Returns at once with a Disposable that stops the watch.
 */
export function endOrphans(runDir: string, log: Logger, graceMs = ORPHAN_GRACE_MS): Disposable {
  const orphans = findOrphans(runDir);
  const deadline = Date.now() + graceMs;
  if (orphans.length > 0) log.warn({ orphans: orphans.length }, 'instances of a previous platform found');
  const poll = setInterval(look, POLL_MS).unref();
  look();
  return { [Symbol.dispose]: () => clearInterval(poll) };

  function look(): void {
    for (let i = orphans.length - 1; i >= 0; i--) {
      const orphan = orphans[i] as Orphan;
      if (isRunning(orphan)) {
        if (Date.now() < deadline) continue;
        killOrphan(orphan);
      }
      rmSync(orphan.folder, { recursive: true, force: true });
      if (orphan.cgroup !== undefined) removeCgroup(orphan.cgroup);
      orphans.splice(i, 1);
    }
    if (orphans.length === 0) clearInterval(poll);
  }
}

type Orphan = InstanceRecord & { readonly folder: string };

function findOrphans(runDir: string): Orphan[] {
  const found: Orphan[] = [];
  for (const name of readdirSync(runDir)) {
    const folder = join(runDir, name);
    try {
      const record = JSON.parse(readFileSync(join(folder, 'record.json'), 'utf8')) as InstanceRecord;
      if (Number.isInteger(record.pid) && record.pid > 1) found.push({ ...record, folder });
    } catch {
      // Not an instance's folder.
    }
  }
  return found;
}

function isRunning(orphan: InstanceRecord): boolean {
  const ticks = startTicksOf(orphan.pid);
  return ticks !== undefined && (orphan.startTicks === '' || ticks === orphan.startTicks);
}

function killOrphan(orphan: InstanceRecord): void {
  try {
    process.kill(-orphan.pid, 'SIGKILL');
  } catch {
    return;
  }
  try {
    writeEndFile(join(orphan.journalDir, `${orphan.id}.end`), {
      reason: 'shutdown',
      signal: 'SIGKILL',
      exitCode: null,
      timeUnixNano: BigInt(Date.now()) * 1_000_000n,
      message: 'killed: its platform was gone and it did not end by itself',
      lastLines: [],
    });
  } catch {
    // Its journal is gone too: nobody is left to tell.
  }
}

/** undefined when there is no such process, or it is a zombie. */
export function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name stands in parentheses and may hold anything; fields are counted after the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
