import { readFileSync } from 'node:fs';

/**
 * Whether the process that had this pid and started then (clock ticks, field 22 of /proc/PID/stat, see proc(5)) still lives.
 * A zombie is dead: it will write nothing more. `startTicks` of 0 is unknown and matches any.
 */
export function isAlive(pid: number, startTicks: bigint): boolean {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return false;
  }
  // The name in parentheses may itself hold spaces and parentheses, so count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  if (state === 'Z' || state === 'X' || state === undefined) return false;
  return startTicks === 0n || fields[19] === String(startTicks);
}

/** Start time of this process in clock ticks. */
export function ownStartTicks(): bigint {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  return BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 0);
}
