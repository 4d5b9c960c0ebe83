import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * In a checkout the UI's sources may be newer than what was built: building goes on beside the start of everything else.
 * An installed Spoor has the built files only.
 */
export interface UiBuild {
  readonly dir: string | undefined;
  readonly built: Promise<void>;
  cancel(): Promise<void>;
}

const UI = join(import.meta.dirname, '../ui');

/** Where the built screens are, if they were built. */
export function builtUi(): string | undefined {
  const dist = join(UI, 'dist');
  return existsSync(dist) ? dist : undefined;
}

const BUILD_SCRIPT = '../scripts/build-ui.ts';

export function startUiBuild(say: (line: string) => void): UiBuild {
  const dist = join(UI, 'dist');
  const canBuild =
    existsSync(join(UI, 'vite.config.ts')) && existsSync(join(import.meta.dirname, '../node_modules/vite'));
  if (!canBuild) return { dir: builtUi(), built: Promise.resolve(), cancel: async () => {} };
  const built = (async () => {
    const { buildUi } = (await import(BUILD_SCRIPT)) as { buildUi: () => Promise<string> };
    await buildUi();
  })().catch((error: unknown) => say(`cannot build the UI: ${(error as Error).message}`));
  return { dir: dist, built, cancel: () => built };
}
