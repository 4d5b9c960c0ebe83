import { watch, type FSWatcher } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Never watched: they are large, and nobody edits them. */
const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules', '.git', '.spoor', '__pycache__', '.venv']);
/** Linux gives a user some thousands of watches; a tree that wants more than this is not a source folder. */
const MAX_FOLDERS = 4_096;

export interface TreeWatcher {
  close(): void;
}

/**
 * Calls `changed` with the path of each thing that changes below a folder, until closed. A watcher for each folder of our
 * own, because Node's recursive one walks into node_modules before it asks.
 */
export async function watchTree(root: string, changed: (path: string) => void): Promise<TreeWatcher> {
  const watchers = new Map<string, FSWatcher>();
  let isClosed = false;

  const forget = (folder: string) => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  const enter = async (folder: string): Promise<void> => {
    if (isClosed || watchers.has(folder) || watchers.size >= MAX_FOLDERS) return;
    try {
      const watcher = watch(folder, (_event, name) => {
        if (name === null || LEFT_OUT.has(name)) return;
        const path = join(folder, name);
        // It may be a folder that was just made, with files in it already.
        void enterFoldersOf(folder);
        changed(path);
      });
      watcher.on('error', () => forget(folder));
      watchers.set(folder, watcher);
    } catch {
      return; // Gone meanwhile.
    }
    await enterFoldersOf(folder);
  };
  const enterFoldersOf = async (folder: string): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries)
      if (entry.isDirectory() && !LEFT_OUT.has(entry.name)) await enter(join(folder, entry.name));
  };

  await enter(root);
  return {
    close() {
      isClosed = true;
      for (const folder of watchers.keys()) forget(folder);
    },
  };
}
