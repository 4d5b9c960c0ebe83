/** Fills a file system to the last page and keeps it full. A process of its own does it: callers and platform must not wait for it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';

/** What is given up meanwhile is taken this much later. */
const AGAIN_MS = 10;
const PIECE = new Uint8Array(1024 * 1024);

export class Ballast implements Disposable {
  readonly #child: ChildProcess;
  readonly #died: Promise<undefined>;

  /** `path`: of the file that takes the room. */
  constructor(path: string) {
    this.#child = fork(import.meta.filename, [path]);
    this.#died = once(this.#child, 'exit').then(() => undefined);
  }

  /** Resolves when nothing more fits. */
  fill(): Promise<unknown> {
    return this.#obeyed('fill');
  }

  /** Resolves when the room is free again. */
  remove(): Promise<unknown> {
    return this.#obeyed('remove');
  }

  async #obeyed(order: 'fill' | 'remove'): Promise<void> {
    const done = once(this.#child, 'message');
    this.#child.send(order);
    if ((await Promise.race([done, this.#died])) === undefined)
      throw new Error(`what fills the disk has ended before it could ${order}`);
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

if (process.send && process.argv[1] === import.meta.filename) obey(process.argv[2] as string);

function obey(path: string): void {
  let file: number | undefined;
  setInterval(() => {
    if (file !== undefined) fillUp(file);
  }, AGAIN_MS);
  process.on('message', (order: 'fill' | 'remove') => {
    if (file !== undefined) closeSync(file);
    file = undefined;
    if (order === 'fill') fillUp((file = openSync(path, 'w')));
    else rmSync(path, { force: true });
    process.send?.(order);
  });
  process.once('disconnect', () => process.exit(0));
}

/** A write that fits in part writes that part, so the first that fails says that no page is left. */
function fillUp(file: number): void {
  try {
    for (;;) writeSync(file, PIECE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
