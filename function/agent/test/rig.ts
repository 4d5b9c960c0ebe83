import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A folder for journals and one for the spool, removed at the end, with every process started for it. */
export class Rig implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'spoor-agent-'));
  readonly journalDir = join(this.dir, 'journals');
  readonly spoolDir = join(this.dir, 'spool');
  readonly #children: ChildProcess[] = [];

  constructor() {
    mkdirSync(this.journalDir);
  }

  journal(id: string): string {
    return join(this.journalDir, `${id}.journal`);
  }

  /** Starts a program beside this file, and reads its lines. */
  run(program: string, ...args: string[]): Child {
    const child = spawn(process.execPath, [join(import.meta.dirname, program), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    return new Child(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export class Child {
  readonly process: ChildProcess;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.process = child;
    this.exited = once(child, 'exit').then(([code, signal]: unknown[]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
    }));
    this.#lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  /** The next line it prints; an error when it ends first. */
  async line(): Promise<string> {
    const next = await this.#lines.next();
    if (next.done === true) throw new Error('the child ended without a word');
    return next.value;
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }
}
