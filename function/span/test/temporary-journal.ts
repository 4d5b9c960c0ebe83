import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJournal, type JournalContents } from '../read-journal.ts';
import { startTracing, type Tracing, type TracingOptions } from '../tracing.ts';

/** A tracing with a journal in a folder of its own, and a way to read it. */
export interface TemporaryTracing extends Disposable {
  readonly tracing: Tracing;
  readonly journal: string;
  read(): JournalContents;
}

export function startTemporaryTracing(options: Partial<TracingOptions> = {}): TemporaryTracing {
  const folder = mkdtempSync(join(tmpdir(), 'spoor-span-'));
  const journal = join(folder, 'instance.journal');
  const tracing = startTracing({ journal, resource: { 'service.name': 'greeter' }, ...options });
  return {
    tracing,
    journal,
    read: () => readJournal(journal),
    [Symbol.dispose]() {
      tracing[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    },
  };
}
