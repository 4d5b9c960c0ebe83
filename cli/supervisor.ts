import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/**
 * Keeps one part of Spoor running as a process of its own: starts it, waits for its word that it answers, starts it again
 * when it dies (with back-off), and stops it when asked.
 *
 *     starting ── ready line ──▶ running ── exit ──▶ waiting ── back-off ──▶ starting
 *         └── exit before ready, first time: start() rejects with what it printed
 */
export interface PartOptions {
  readonly name: string;
  /** Arguments after the program: called again for every start, so that a restarted part keeps the ports it first got. */
  readonly args: (previous: ReadyLine | undefined) => readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly logDir: string;
  /** One JSON log line of the part, as printed on its stderr. */
  readonly onLine: (name: string, line: string) => void;
  /** Called each time it died without being asked to. */
  readonly onDeath?: (death: PartDeath) => void;
  readonly onReady?: (ready: ReadyLine) => void;
}

/** The first line of a part's stdout, once everything in it answers. */
export type ReadyLine = Readonly<Record<string, unknown>> & { readonly ready: true; readonly pid: number };

export interface PartDeath {
  readonly name: string;
  readonly pid: number;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Part {
  readonly name: string;
  ready(): ReadyLine;
  /** SIGTERM, then SIGKILL after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

const PROGRAM = join(import.meta.dirname, 'main.ts');
const READY_TIMEOUT_MS = 60_000;
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;
/** A part that ran this long is healthy: the next death starts with the shortest back-off again. */
const HEALTHY_AFTER_MS = 10_000;
const LAST_LINES = 20;

export async function startPart(options: PartOptions): Promise<Part> {
  const part = new SupervisedPart(options);
  await part.start();
  return part;
}

class SupervisedPart implements Part {
  readonly name: string;
  #options: PartOptions;
  #log: WriteStream;
  #child: ChildProcess | undefined;
  #ready: ReadyLine | undefined;
  #stopping = false;
  #backoffMs = FIRST_BACKOFF_MS;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: PartOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = createWriteStream(join(options.logDir, `${options.name}.log`), { flags: 'a', mode: 0o600 });
  }

  ready(): ReadyLine {
    if (!this.#ready) throw new Error(`cannot tell the addresses of ${this.name}: it has not started`);
    return this.#ready;
  }

  async start(): Promise<void> {
    const startedAt = Date.now();
    const lastLines: string[] = [];
    let isReady = false;
    // Detached: Ctrl-C in a terminal goes to the whole process group, but the parts are stopped in order, by us.
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        PROGRAM,
        ...this.#options.args(this.#ready),
        '--supervised',
        '-o',
        'json',
      ],
      {
        stdio: ['pipe', 'pipe', 'pipe'],
        detached: true,
        env: this.#options.env ?? process.env,
      },
    );
    this.#child = child;
    child.stdin?.on('error', () => {});
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#log.write(`${line}\n`);
      if (lastLines.push(line) > LAST_LINES) lastLines.shift();
      // What it says before it is ready is in the error, should it fail.
      if (isReady) this.#options.onLine(this.name, line);
    });

    const ready = await new Promise<ReadyLine>((resolve, reject) => {
      const late = setTimeout(() => {
        child.kill('SIGKILL');
        reject(
          new Error(`cannot start the ${this.name}: it did not answer within ${READY_TIMEOUT_MS / 1000} s`),
        );
      }, READY_TIMEOUT_MS);
      createInterface({ input: child.stdout }).once('line', (line) => {
        clearTimeout(late);
        try {
          resolve(JSON.parse(line) as ReadyLine);
        } catch (error) {
          reject(
            new Error(
              `cannot start the ${this.name}: it printed ${JSON.stringify(line)} instead of its addresses`,
              { cause: error },
            ),
          );
        }
      });
      child.once('error', (error) =>
        reject(new Error(`cannot start the ${this.name}: ${error.message}`, { cause: error })),
      );
      child.once('close', () => {
        clearTimeout(late);
        reject(new Error(`cannot start the ${this.name}: ${whyItEnded(lastLines)}`));
      });
    });
    this.#ready = ready;
    isReady = true;
    child.removeAllListeners('close');
    child.once('exit', (exitCode, signal) => this.#died(child, exitCode, signal, startedAt));
    if (child.exitCode !== null || child.signalCode !== null)
      this.#died(child, child.exitCode, child.signalCode, startedAt);
    this.#options.onReady?.(ready);
  }

  #died(
    child: ChildProcess,
    exitCode: number | null,
    signal: NodeJS.Signals | null,
    startedAt: number,
  ): void {
    if (this.#stopping || this.#child !== child) return;
    this.#child = undefined;
    this.#options.onDeath?.({ name: this.name, pid: child.pid ?? 0, exitCode, signal });
    if (Date.now() - startedAt > HEALTHY_AFTER_MS) this.#backoffMs = FIRST_BACKOFF_MS;
    this.#scheduleRestart();
  }

  #scheduleRestart(): void {
    this.#restart = setTimeout(() => {
      this.start().catch((error: unknown) => {
        this.#options.onLine(
          this.name,
          JSON.stringify({ level: 'error', part: this.name, msg: (error as Error).message }),
        );
        if (!this.#stopping) this.#scheduleRestart();
      });
    }, this.#backoffMs);
    this.#backoffMs = Math.min(this.#backoffMs * 2, LONGEST_BACKOFF_MS);
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await gone;
      clearTimeout(late);
    }
    await new Promise<void>((resolve) => this.#log.end(() => resolve()));
  }
}

/** Of the last lines of a part those that say what went wrong; all of them when none does. */
function whyItEnded(lines: readonly string[]): string {
  const errors = lines.filter((line) => /^\{"level":"(?:error|fatal)"/.test(line));
  return (errors.length > 0 ? errors : lines).map(messageOf).join('\n') || 'it ended without a word';
}

/** A JSON log line for a person: its sentence, what it says of the cause, and its data; the line itself when it is not one. */
export function messageOf(line: string): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { msg, err } = record;
  if (typeof msg !== 'string') return line;
  const cause = (err as { message?: unknown } | undefined)?.message;
  const data = Object.entries(record)
    .filter(([key, value]) => !NOT_FOR_PEOPLE.has(key) && typeof value !== 'object')
    .map(([key, value]) => `${key}=${String(value)}`);
  return [
    typeof cause === 'string' && cause !== msg ? `${msg}: ${cause}` : msg,
    ...(data.length > 0 ? [`(${data.join(', ')})`] : []),
  ].join(' ');
}

const NOT_FOR_PEOPLE = new Set([
  'level',
  'time',
  'part',
  'msg',
  'err',
  'traceId',
  'spanId',
  'reason',
  'component',
]);
