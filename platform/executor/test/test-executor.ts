import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SpanData } from '../../../function/span/span-data.ts';
import { readJournal } from '../../../function/span/read-journal.ts';
import { startTracing } from '../../../function/span/tracing.ts';
import { silentLog } from '../../../server/log.ts';
import { startExecutor, type ExecutorOptions } from '../executor.ts';
import { MemoryCatalog } from './memory-catalog.ts';

/** A real executor over real processes of the tiny environment, in a folder of its own. */
export async function startTestExecutor(options: Partial<ExecutorOptions> = {}) {
  await using starting = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'spoor-x-'));
  starting.defer(() => rmSync(folder, { recursive: true, force: true }));
  const catalog = new MemoryCatalog(folder);
  const tracing = starting.use(openJournal(folder, 'executor'));
  const journalDir = join(folder, 'journals');
  const runDir = join(folder, 'run');
  const executor = starting.use(
    await startExecutor({
      catalog,
      tracing: tracing.tracing,
      journalDir,
      runDir,
      instanceEnv: () => ({ SPOOR_INTERNAL_URL: 'http://127.0.0.1:1' }),
      programs: { node: async () => tinyProgram },
      log: silentLog(),
      ...options,
    }),
  );
  const stack = starting.move();
  return {
    folder,
    catalog,
    executor,
    journalDir,
    runDir,
    spans: tracing.spans,
    endOf: (id: string) => readEnd(journalDir, id),
    async warm(count = 1) {
      await until(() => executor.instances().filter(({ state }) => state === 'warm').length >= count);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export const tinyProgram = {
  command: process.execPath,
  args: [join(import.meta.dirname, 'tiny-environment.mjs')],
};

/** A journal of a part of the platform, and the spans that ended in it. */
export function openJournal(folder: string, service: string) {
  const journal = join(folder, `${service}.journal`);
  const tracing = startTracing({ journal, resource: { 'service.name': service } });
  return {
    tracing,
    spans: (): readonly SpanData[] => readJournal(journal).spans,
    [Symbol.dispose]: () => tracing[Symbol.dispose](),
  };
}

export function readEnd(journalDir: string, id: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(journalDir, `${id}.end`), 'utf8')) as Record<string, unknown>;
}

/** Waits for something another process brings about; fails after 20 s. */
export async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`cannot wait longer for ${isSo.toString()}`);
    await sleep(10);
  }
}
