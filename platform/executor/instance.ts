import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Context } from '@opentelemetry/api';
import { UnderWay, type Placed } from '../../function/span/under-way.ts';
import { Failure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import type { Environment, EnvVar, Reference, ResourceLimits } from '../spec/resources.ts';
import type { Runtime } from '../spec/runtime.ts';
import { oomKillCount, removeCgroup, type Cgroups } from './cgroup.ts';
import type { InstanceEnd } from './client.ts';
import { classifyEnd, writeEndFile, type Intent } from './end.ts';
import { OutputLines, type OutputSource } from './output.ts';
import { withLimits } from './limits.ts';
import { startTicksOf, type InstanceRecord } from './orphans.ts';

/** A process that has not said `listening` by then is given up. */
const START_TIMEOUT_MS = 30_000;
/** After its death, how long the last printed bytes are waited for (a grandchild may hold the pipe open for ever). */
const LAST_OUTPUT_MS = 50;
/** From SIGTERM to SIGKILL for an instance without requests. */
const TERMINATION_GRACE_MS = 2_000;
/** sun_path holds 108 bytes, the last of them zero. */
const UNIX_PATH_BYTES = 107;
const ANSWER_TEXT_BYTES = 8 * 1024;
const CONTROL_LINE_BYTES = 64 * 1024;

/** Why the platform ends an instance that said `draining`. */
export const ASKED_TO_END = 'it was asked to end by another than the platform';

/** Of the platform's own environment only these pass (docs/instance.md): an instance sees no secret of the platform. */
const PASSED_ENV = ['PATH', 'HOME', 'LANG', 'TZ', 'NODE_EXTRA_CA_CERTS', 'TMPDIR'];

/** How to run an environment server. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

export interface StartOptions {
  readonly environment: Environment;
  readonly language: Runtime;
  readonly program: Program;
  readonly journalDir: string;
  readonly runDir: string;
  /** What the platform tells every instance: SPOOR_INTERNAL_URL and the like. */
  readonly env: Readonly<Record<string, string>>;
  /** Of the function, when the instance is started for one. */
  readonly functionEnv?: readonly EnvVar[];
  readonly limits: ResourceLimits;
  /** Where there are none, limits are those a process can have by itself. */
  readonly cgroups: Cgroups | undefined;
  readonly nodePath?: string;
  /** A line that the environment has not told its journal itself. */
  readonly onOutput: (instance: Instance, line: string, source: OutputSource) => void;
  readonly log: Logger;
}

/**
 * One process of an environment server, from spawn to its end file (docs/instance.md).
 *
 *   spawn ── listening ──> warm ── specialize ──> ready ── draining ──> ended
 *     └────────────┴─────────────────┴──────────────┴──────────────────^   (whatever killed it)
 */
export class Instance {
  readonly id: string;
  readonly environment: Environment;
  readonly language: Runtime;
  readonly socketPath: string;
  readonly startedAtMs = Date.now();
  /** Where secrets and configmaps of the function are written: `secrets/` and `configs/` below it. */
  readonly folder: string;
  /** Set when it is given its function. */
  fn: Reference | undefined;
  /** The invocations it is serving; a line of its output belongs to the only one of them, if there is only one. */
  readonly underWay = new UnderWay<Placed & { readonly context: Context }>();
  /** Resolves when the instance is dead and its end file is written; never rejects. */
  readonly ended: Promise<InstanceEnd>;
  /** Resolves when it can be specialized; rejects with a Failure when it died or hung before. */
  readonly listening: Promise<void>;
  /** Resolves when it says that it takes no new request, as somebody asked it to end. */
  readonly draining: Promise<void>;
  readonly #child: ChildProcess;
  readonly #output: OutputLines;
  readonly #cgroup: string | undefined;
  readonly #oomKillsBefore: number;
  #isDraining = false;
  #intent: Intent | undefined;
  #goodbye: string | undefined;
  #end: InstanceEnd | undefined;
  #termination: NodeJS.Timeout | undefined;
  /** A connection for its specialization, dialed while there was time. */
  #dialed: Socket | undefined;

  constructor(options: StartOptions) {
    const { environment } = options;
    const name = randomName();
    this.environment = environment;
    this.language = options.language;
    this.id = `${environment.metadata.name}-${name}`;
    this.folder = join(options.runDir, name);
    this.socketPath = join(this.folder, 's');
    if (Buffer.byteLength(this.socketPath) > UNIX_PATH_BYTES) {
      throw new Failure(
        'executor',
        'bad_request',
        `cannot listen on the unix socket [${this.socketPath}]: its path is longer than ${UNIX_PATH_BYTES} bytes. Choose a shorter data directory`,
      );
    }
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    this.#output = new OutputLines((line, source) => options.onOutput(this, line, source));
    const { memoryLimitBytes, cpuLimit } = options.limits;
    if (memoryLimitBytes !== undefined || cpuLimit !== undefined)
      this.#cgroup = options.cgroups?.make(this.id, options.limits);
    this.#oomKillsBefore = oomKillCount(this.#cgroup);

    const args = [...options.program.args];
    let dataBytes: number | undefined;
    if (memoryLimitBytes !== undefined && options.language === 'node')
      args.unshift(`--max-old-space-size=${Math.max(16, Math.floor(memoryLimitBytes / 2 ** 20))}`);
    else if (this.#cgroup === undefined) dataBytes = memoryLimitBytes;
    const program = withLimits(
      { command: options.program.command, args },
      { cgroup: this.#cgroup, dataBytes },
    );
    this.#child = spawn(program.command, program.args, {
      cwd: this.folder,
      env: instanceEnv(this, options),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // Its own process group: what a function forks dies with it, and Ctrl-C in a terminal reaches the platform alone, which drains.
      detached: true,
    });
    if (this.#child.pid !== undefined) writeRecord(this, this.#child.pid, options.journalDir, this.#cgroup);

    this.#output.read(this.#child.stdout, 'stdout');
    this.#output.read(this.#child.stderr, 'stderr');
    const listening = Promise.withResolvers<void>();
    this.listening = listening.promise;
    // Whoever waits sees the rejection; a warm instance that nobody waits for yet must not end the platform.
    this.listening.catch(() => {});
    const draining = Promise.withResolvers<void>();
    this.draining = draining.promise;
    this.#readControl(this.#child.stdio[3] as Duplex, listening.resolve, draining.resolve);
    const hung = setTimeout(
      () =>
        this.kill({ reason: 'timeout', message: `killed after ${START_TIMEOUT_MS} ms: it never listened` }),
      START_TIMEOUT_MS,
    );
    void this.listening.then(
      () => clearTimeout(hung),
      () => clearTimeout(hung),
    );
    this.ended = this.#watch(options).then((end) => {
      listening.reject(
        new Failure(
          'executor',
          'specialization_failed',
          `cannot start an instance of environment [${environment.metadata.name}]: ${describeEnd(end)}`,
        ),
      );
      return end;
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isAlive(): boolean {
    return this.#end === undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The last lines it printed, oldest first. */
  get lastLines(): readonly string[] {
    return this.#output.lastLines;
  }

  /** Connects ahead of time: a dial is a millisecond of the request that waits for the function. */
  dialAhead(): void {
    this.#dialed = connect({ path: this.socketPath });
    this.#dialed.on('error', () => {}); // what breaks now is dialed anew then
  }

  /**
   * `POST /v2/specialize` (fission.md 1.1). Throws a Failure `specialization_failed` with the text of the answer, or how the
   * process died meanwhile.
   */
  async specialize(load: unknown, signal: AbortSignal): Promise<void> {
    const socket = this.#dialed?.writable ? this.#dialed : connect({ path: this.socketPath });
    const answer = post(socket, '/v2/specialize', JSON.stringify(load), signal);
    const died = this.ended.then((end): never => {
      throw new Failure('executor', 'specialization_failed', `cannot load the function: ${describeEnd(end)}`);
    });
    let status: number;
    let text: string;
    try {
      ({ status, text } = await Promise.race([answer, died]));
    } catch (error) {
      answer.catch(() => {});
      if (error instanceof Failure || signal.aborted) throw error;
      // The socket closes a moment before the process is reaped; its end says more than the socket's error.
      const end = await Promise.race([this.ended, sleep(2 * LAST_OUTPUT_MS)]);
      const why = end ? describeEnd(end) : (error as Error).message;
      throw new Failure('executor', 'specialization_failed', `cannot load the function: ${why}`, {
        cause: error,
      });
    } finally {
      died.catch(() => {});
    }
    if (status >= 300) {
      throw new Failure(
        'executor',
        'specialization_failed',
        `cannot load the function: the environment answered ${status}: ${text.trim() || '(nothing)'}`,
      );
    }
  }

  /** SIGKILL now, to the whole process group; the end file will carry `intent`. */
  kill(intent: Intent): void {
    this.#intent ??= intent;
    this.#signal('SIGKILL');
  }

  /** Asks it to end: closes the control pipe and sends SIGTERM, then SIGKILL after the grace. */
  async terminate(message: string, graceMs = TERMINATION_GRACE_MS): Promise<void> {
    this.#intent ??= { reason: 'shutdown', message };
    if (this.isAlive) {
      (this.#child.stdio[3] as Duplex).end();
      this.#signal('SIGTERM');
      this.#termination ??= setTimeout(() => this.#signal('SIGKILL'), graceMs);
    }
    await this.ended;
  }

  async #watch(options: StartOptions): Promise<InstanceEnd> {
    const child = this.#child;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const exit = await new Promise<{ code: number | null; signal: string | null; error?: Error }>(
      (resolve) => {
        child.once('exit', (code, signal) => resolve({ code, signal }));
        child.once('error', (error) => {
          if (child.pid === undefined) resolve({ code: null, signal: null, error });
        });
      },
    );
    const timeUnixNano = BigInt(Date.now()) * 1_000_000n;
    clearTimeout(this.#termination);
    if (child.pid !== undefined) {
      this.#signal('SIGKILL'); // what the function forked
      await Promise.race([closed, sleep(LAST_OUTPUT_MS)]);
      // On a busy machine the time may be over before the pipes were looked at once: an immediate comes after the next look.
      await immediate();
    }
    this.#output.close();
    const end = classifyEnd({
      exitCode: exit.code,
      signal: exit.signal,
      intent: this.#intent,
      said: exit.error ? `cannot run ${options.program.command}: ${exit.error.message}` : this.#goodbye,
      oomKilled: oomKillCount(this.#cgroup) > this.#oomKillsBefore,
      lastLines: this.#output.lastLines,
      timeUnixNano,
    });
    this.#end = end;
    try {
      writeEndFile(join(options.journalDir, `${this.id}.end`), end);
      rmSync(this.folder, { recursive: true, force: true });
      if (this.#cgroup !== undefined) removeCgroup(this.#cgroup);
    } catch (error) {
      options.log.error({ err: error as Error, instance: this.id }, 'cannot write the end of an instance');
    }
    this.#tellDeath(end, options.log);
    return end;
  }

  /** What we did ourselves is news to nobody; what happened to us is. */
  #tellDeath(end: InstanceEnd, log: Logger): void {
    const functionName = this.fn?.name;
    const { reason, signal, exitCode } = end;
    const how = { functionName, instance: this.id, reason, signal, exitCode, why: end.message };
    if (this.#intent) log.info(how, 'an instance was ended');
    else if (functionName === undefined) log.warn(how, 'an instance died before it had a function');
    else log.warn(how, 'an instance died in the middle of its function');
  }

  #readControl(control: Duplex, onListening: () => void, onDraining: () => void): void {
    let rest = '';
    control.setEncoding('utf8');
    control.on('error', () => {});
    control.on('data', (text: string) => {
      rest += text;
      const lines = rest.split('\n');
      rest = (lines.pop() ?? '').slice(-CONTROL_LINE_BYTES);
      for (const line of lines) {
        const word = parseControlLine(line);
        if (word?.event === 'listening') onListening();
        if (word?.event === 'draining') {
          this.#isDraining = true;
          onDraining();
        }
        if (word?.event === 'goodbye')
          this.#goodbye = [word.reason, word.message].filter(Boolean).join(': ').slice(0, ANSWER_TEXT_BYTES);
      }
    });
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#child.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // The group is gone already.
    }
  }
}

export function describeEnd(end: InstanceEnd): string {
  const last = end.lastLines.slice(-5).join('\n');
  return last ? `${end.message}\n${last}` : end.message;
}

function instanceEnv(instance: Instance, options: StartOptions): Record<string, string> {
  const env: Record<string, string> = {};
  // The user's own words win over the platform's, but for what ties this process to this instance.
  for (const name of PASSED_ENV) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  Object.assign(env, options.env);
  for (const { name, value } of options.environment.spec.runtime.env) env[name] = expand(value, env);
  for (const { name, value } of options.functionEnv ?? []) env[name] = expand(value, env);
  if (options.nodePath !== undefined)
    env['NODE_PATH'] = env['NODE_PATH'] ? `${env['NODE_PATH']}:${options.nodePath}` : options.nodePath;
  return {
    ...env,
    SPOOR_SOCKET: instance.socketPath,
    SPOOR_INSTANCE_ID: instance.id,
    SPOOR_JOURNAL: join(options.journalDir, `${instance.id}.journal`),
    SPOOR_CONTROL_FD: '3',
    SPOOR_OUTPUT_MARK: '1',
    SPOOR_SECRETS_DIR: join(instance.folder, 'secrets'),
    SPOOR_CONFIGS_DIR: join(instance.folder, 'configs'),
  };
}

/**
 * `$(NAME)` is another variable's value, `$$(NAME)` those characters themselves, and what is not there stays as it stands:
 * as Kubernetes reads the env of a container (EnvVar, core/v1).
 */
function expand(value: string, env: Readonly<Record<string, string>>): string {
  return value.replace(/\$(\$?)\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)/g, (whole, escape: string, name: string) =>
    escape === '' ? (env[name] ?? whole) : whole.slice(1),
  );
}

/** Left for the next platform, should this one be killed (orphans.ts). */
function writeRecord(instance: Instance, pid: number, journalDir: string, cgroup: string | undefined): void {
  const { id } = instance;
  const record: InstanceRecord = { id, pid, startTicks: startTicksOf(pid) ?? '', journalDir, cgroup };
  writeFileSync(join(instance.folder, 'record.json'), JSON.stringify(record));
}

interface ControlWord {
  readonly event?: unknown;
  readonly reason?: unknown;
  readonly message?: unknown;
}

function parseControlLine(line: string): ControlWord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * One request over a connection of its own. As HTTP/1.0, so that the answer ends where the connection does, and without node:http's
 * client, which is half a millisecond of a cold start. The text of a success is not waited for.
 */
function post(
  socket: Socket,
  path: string,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const onAbort = () => socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', onAbort));
    const end = () => {
      socket.destroy();
      const status = Number(/^HTTP\/1\.[01] (\d{3})\b/.exec(answer)?.[1] ?? 0);
      const headEnd = answer.indexOf('\r\n\r\n');
      if (status > 0 && headEnd > 0) resolve({ status, text: answer.slice(headEnd + 4) });
      else reject(new Error('the connection was closed before an answer'));
    };
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      if (answer.length < ANSWER_TEXT_BYTES) answer += chunk.slice(0, ANSWER_TEXT_BYTES - answer.length);
      if (/^HTTP\/1\.[01] 2/.test(answer) && answer.includes('\r\n\r\n')) end();
    });
    socket.once('end', end).once('error', reject);
    socket.write(
      `POST ${path} HTTP/1.0\r\nhost: instance\r\ncontent-type: application/json\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** 8 characters, 40 bits. */
function randomName(): string {
  return Array.from(randomBytes(8), (byte) => BASE32[byte & 31]).join('');
}

function immediate(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function sleep(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, undefined);
  });
}
