import { zipSync, type Zippable } from 'fflate';

export interface FileToZip {
  /** With `/`, relative to the archive's root. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

/** A zip whose bytes depend on names, modes and contents alone, so that the same files always have the same sha256. */
export function zip(files: readonly FileToZip[]): Uint8Array {
  const entries: Zippable = {};
  for (const { path, content, executable } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1)))
    entries[path] = [
      content,
      { mtime: new Date(1980, 0, 1), os: UNIX, attrs: (REGULAR_FILE | (executable ? 0o755 : 0o644)) << 16 },
    ];
  return zipSync(entries, { level: 6 });
}

const UNIX = 3;
const REGULAR_FILE = 0o100000;
