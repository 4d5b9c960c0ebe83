import { renameSync, writeFileSync } from 'node:fs';
import type { InstanceEnd } from './client.ts';

/** Why the platform itself ended an instance. */
export interface Intent {
  readonly reason: 'timeout' | 'shutdown';
  readonly message: string;
}

export interface Death {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly intent: Intent | undefined;
  /** What the process said of its end, if it could. */
  readonly said: string | undefined;
  /** The kernel killed something of this cgroup for memory while the instance lived. */
  readonly oomKilled: boolean;
  readonly lastLines: readonly string[];
  readonly timeUnixNano: bigint;
}

/** V8 prints this and aborts. */
const HEAP_FULL = 'heap out of memory';

/** What a death was, in the words of docs/journal.md. The platform's own intent wins over the signal it was carried out with. */
export function classifyEnd(death: Death): InstanceEnd {
  const { exitCode, signal, timeUnixNano, lastLines } = death;
  const facts = { signal, exitCode, timeUnixNano, lastLines };
  if (death.intent) return { ...facts, reason: death.intent.reason, message: death.intent.message };
  const aborted = signal === 'SIGABRT' || exitCode === 134;
  if (aborted && lastLines.some((line) => line.includes(HEAP_FULL)))
    return { ...facts, reason: 'oom', message: 'JavaScript heap out of memory' };
  if (signal === 'SIGKILL' && death.oomKilled)
    return { ...facts, reason: 'oom', message: 'killed by the kernel: out of memory' };
  if (signal !== null) return { ...facts, reason: 'signal', message: `killed by ${signal}` };
  if (exitCode === null) return { ...facts, reason: 'lost', message: death.said ?? 'its process is gone' };
  const code = `exited with code ${exitCode}`;
  return { ...facts, reason: 'exit', message: death.said ? `${code}: ${death.said}` : code };
}

/** `<instance id>.end` of docs/journal.md. Renamed into place, so that the agent never reads half of it. */
export function writeEndFile(path: string, end: InstanceEnd): void {
  writeFileSync(`${path}.tmp`, JSON.stringify({ ...end, timeUnixNano: end.timeUnixNano.toString() }));
  renameSync(`${path}.tmp`, path);
}
