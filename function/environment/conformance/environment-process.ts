import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { readJournal } from '../../span/read-journal.ts';

/** How to start an environment: the program and its arguments, as the executor would. */
export interface EnvironmentCommand {
  readonly program: string;
  readonly args: readonly string[];
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** false: no journal, tracing is off. */
  readonly traced?: boolean;
  /** It is killed after so long, so that nobody waits for ever for one that hangs. */
  readonly lifetimeMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** One `[name, value]` for each header line. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly text: string;
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

const LIFETIME_MS = 5 * 60_000;

/** One environment server as a process of its own, on a unix socket in a folder of its own, which dies with it. */
export class EnvironmentProcess implements AsyncDisposable {
  static async start(command: EnvironmentCommand, options: StartOptions = {}): Promise<EnvironmentProcess> {
    const environment = new EnvironmentProcess(command, options);
    try {
      await environment.said('listening');
      return environment;
    } catch (error) {
      await environment[Symbol.asyncDispose]();
      throw error;
    }
  }

  readonly directory = mkdtempSync(join(tmpdir(), 'environment-'));
  readonly socketPath = join(this.directory, 'socket');
  readonly journalPath = join(this.directory, 'instance.journal');
  readonly child: ChildProcess;
  readonly control: Duplex;
  /** Settles when the process has ended and all it printed is read. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  stdout = '';
  stderr = '';
  readonly #events: Record<string, unknown>[] = [];
  #onEvent: () => void = () => {};
  #cannotStart = '';

  private constructor(
    command: EnvironmentCommand,
    { env = {}, traced = true, lifetimeMs = LIFETIME_MS }: StartOptions,
  ) {
    this.child = spawn(command.program, command.args, {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        SPOOR_SOCKET: this.socketPath,
        SPOOR_INSTANCE_ID: 'instance-1',
        SPOOR_CONTROL_FD: '3',
        ...(traced ? { SPOOR_JOURNAL: this.journalPath } : {}),
        ...env,
      },
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    const tooLong = setTimeout(() => this.child.kill('SIGKILL'), lifetimeMs);
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        clearTimeout(tooLong);
        resolve({ code, signal });
        this.#onEvent();
      };
      this.child.once('close', end);
      this.child.once('error', (error) => {
        this.#cannotStart = error.message;
        end(null, null);
      });
    });
    this.control = this.child.stdio[3] as Duplex;
    this.control.on('error', () => {});
    createInterface({ input: this.control }).on('line', (line) => {
      this.#events.push(JSON.parse(line) as Record<string, unknown>);
      this.#onEvent();
    });
  }

  /** Waits for an event on the control pipe. */
  async said(event: string): Promise<Record<string, unknown>> {
    for (;;) {
      const found = this.#events.find((each) => each['event'] === event);
      if (found) return found;
      if (this.#cannotStart !== '') throw new Error(`cannot start the environment: ${this.#cannotStart}`);
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`the environment ended without a word of [${event}]: ${this.stderr}`);
      await new Promise<void>((resolve) => (this.#onEvent = resolve));
    }
  }

  /** Waits until `text` is on its stdout. */
  async printed(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`the environment ended and never printed [${text}]: ${this.stderr}`);
      await new Promise<void>((resolve) => this.child.stdout?.once('data', () => resolve()));
    }
  }

  /** Writes `files` (path → text) and returns the path of the folder they are in. */
  write(files: Readonly<Record<string, string>>): string {
    const folder = mkdtempSync(join(this.directory, 'function-'));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    return folder;
  }

  specialize(filepath: string, functionName = ''): Promise<Answer> {
    return this.ask({
      method: 'POST',
      path: '/v2/specialize',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        filepath,
        functionName,
        url: '',
        FunctionMetadata: { name: 'greeter', namespace: 'default', resourceVersion: '7' },
        envVersion: 3,
      }),
    });
  }

  ask({ method = 'GET', path = '/', headers = {}, body }: Ask = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { socketPath: this.socketPath, method, path, headers, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.once('error', reject);
          response.once('end', () => {
            const whole = Buffer.concat(chunks);
            const { statusCode = 0, headers: answered, rawHeaders } = response;
            resolve({
              status: statusCode,
              headers: answered,
              rawHeaders,
              body: whole,
              text: whole.toString(),
            });
          });
        },
      );
      request.once('error', reject);
      request.end(body);
    });
  }

  journal(): ReturnType<typeof readJournal> {
    return readJournal(this.journalPath);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
