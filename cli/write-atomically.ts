import { renameSync, writeFileSync } from 'node:fs';

/** For one owner of `file`. Whoever reads it finds what was there before, or all of `text`. */
export function writeAtomically(file: string, text: string): void {
  writeFileSync(`${file}.tmp`, text, { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}
