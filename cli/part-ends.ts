import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceEnd } from '../platform/executor/client.ts';
import { writeEndFile } from '../platform/executor/end.ts';
import type { Places } from './settings.ts';
import type { PartDeath } from './supervisor.ts';

/** A part cannot say how it died; its supervisor saw it. The agent closes what it left open with these words (docs/journal.md, "End file"). */
export async function writeEnds(places: Places, death: PartDeath): Promise<void> {
  const end: InstanceEnd = {
    reason: death.signal === null ? 'exit' : 'signal',
    signal: death.signal,
    exitCode: death.exitCode,
    timeUnixNano: BigInt(Date.now()) * 1_000_000n,
    message: `${death.name} process ${howItDied(death)}`,
    lastLines: [],
  };
  const own = (await readdir(places.journals)).filter(
    (name) => name.startsWith(`${death.name}-${death.pid}-`) && name.endsWith('.journal'),
  );
  for (const name of own) writeEndFile(join(places.journals, name.replace(/\.journal$/, '.end')), end);
}

export function howItDied(death: PartDeath): string {
  return death.signal === null ? `exited with code ${death.exitCode}` : `was killed by ${death.signal}`;
}
