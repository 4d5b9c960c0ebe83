import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, ownStartTicks } from '../function/agent/process-state.ts';
import { Failure } from '../server/failure.ts';

/**
 * One `spoor up` per data directory: pid and start time in a file. A file whose process is gone is nobody's, also when its pid is
 * another's by now. Gives the way to let go; a Failure `conflict` names who has it.
 */
export function lockData(data: string): () => void {
  const file = join(data, 'spoor.pid');
  for (;;) {
    try {
      writeFileSync(file, `${process.pid} ${ownStartTicks()}`, { flag: 'wx', mode: 0o600 });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = holderOf(file);
    if (holder !== undefined)
      throw new Failure(
        'cli',
        'conflict',
        `cannot use ${data}: a running Spoor (pid ${holder}) has it. Stop that one, or choose another directory with --data`,
      );
    rmSync(file, { force: true });
  }
}

function holderOf(file: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const [, pid, startTicks] = /^(\d+) (\d+)$/.exec(text) ?? [];
  return pid !== undefined && isAlive(Number(pid), BigInt(startTicks ?? 0)) ? Number(pid) : undefined;
}
