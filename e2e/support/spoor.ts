import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { placesOf } from '../../cli/settings.ts';
import { applyDirectory } from '../../cli/verbs/spec.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'cli/main.ts');
export const GREETINGS_SPECS = join(ROOT, 'examples/greetings/specs');
const READY_TIMEOUT_MS = 60_000;

/** Names of the listeners of `spoor up`. */
const PORTS = [
  'router',
  'internal',
  'query',
  'otlp-http',
  'otlp-grpc',
  'jaeger-http',
  'jaeger-udp',
  'zipkin',
  'sampling',
];

/** Flags that let any number of Spoors run side by side. */
export function freePorts(): string[] {
  return PORTS.flatMap((name) => [`--${name}-port`, '0']);
}

/** `spoor up` on free ports and a data directory of its own, as a user would start it. */
export interface SpoorUp extends AsyncDisposable {
  readonly data: string;
  readonly router: string;
  readonly internal: string;
  readonly query: string;
  readonly otlpHttp: string;
  readonly pid: number;
  /** What it said on stderr so far. */
  readonly stderr: () => string;
  /** Pids of the parts, as they are now. */
  partPid(name: 'platform' | 'backend' | 'agent'): Promise<number>;
  stop(): Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }>;
}

export async function spoorUp(
  options: {
    readonly data?: string;
    readonly args?: readonly string[];
    readonly env?: NodeJS.ProcessEnv;
  } = {},
): Promise<SpoorUp> {
  const ownData = options.data === undefined;
  const data = options.data ?? mkdtempSync(join(tmpdir(), 'spoor-e2e-'));
  const child = spawn(
    process.execPath,
    [MAIN, 'up', '--data', data, ...freePorts(), '-o', 'json', ...(options.args ?? [])],
    {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    },
  );
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ready = await readyLine(child, () => stderr);

  let stopped: Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }> | undefined;
  const stop = () =>
    (stopped ??= new Promise((done) => {
      if (child.exitCode !== null || child.signalCode !== null)
        done({ exitCode: child.exitCode, signal: child.signalCode });
      child.once('exit', (exitCode, signal) => done({ exitCode, signal }));
      child.kill('SIGTERM');
    }));
  return {
    data,
    router: String(ready['router']),
    internal: String(ready['internal']),
    query: String(ready['query']),
    otlpHttp: String(ready['otlpHttp']),
    pid: child.pid as number,
    stderr: () => stderr,
    partPid: (name) => childNamed(child.pid as number, name),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      if (!ownData) return;
      const places = placesOf(data);
      for (const dir of [data, places.journals, places.run]) rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Runs `spoor ARGS` to its end. */
export async function spoor(
  args: readonly string[],
  options: {
    readonly input?: string;
    readonly cwd?: string;
    readonly env?: NodeJS.ProcessEnv;
    readonly timeoutMs?: number;
  } = {},
) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd ?? ROOT,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    timeout: options.timeoutMs ?? 120_000,
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  if (options.input !== undefined) child.stdin?.end(options.input);
  const exitCode = await new Promise<number | null>((done) => child.once('close', done));
  return { exitCode, stdout, stderr };
}

export async function deployGreetings(up: SpoorUp): Promise<void> {
  await applyDirectory(up.internal, GREETINGS_SPECS, { wait: true });
}

/** Sends a greeting; the trace id is the one the router answers with. */
export async function greet(
  up: SpoorUp,
  body: Record<string, unknown>,
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${up.router}/greetings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    text,
    traceId: response.headers.get('traceresponse')?.split('-')[1] ?? '',
  };
}

async function readyLine(child: ChildProcess, stderr: () => string): Promise<Record<string, unknown>> {
  return new Promise((done, fail) => {
    const late = setTimeout(
      () => fail(new Error(`spoor up did not get ready:\n${stderr()}`)),
      READY_TIMEOUT_MS,
    );
    child.once('exit', (code) => {
      clearTimeout(late);
      fail(new Error(`spoor up exited with ${code}:\n${stderr()}`));
    });
    if (child.stdout) {
      createInterface({ input: child.stdout }).once('line', (line) => {
        clearTimeout(late);
        child.removeAllListeners('exit');
        done(JSON.parse(line) as Record<string, unknown>);
      });
    }
  });
}

/** The part's process below the supervisor, by its command line (Linux). */
async function childNamed(parent: number, name: string): Promise<number> {
  const children = (await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8')).trim().split(/\s+/);
  for (const pid of children) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.split('\0').includes(name)) return Number(pid);
  }
  throw new Error(`no ${name} below ${parent}`);
}
