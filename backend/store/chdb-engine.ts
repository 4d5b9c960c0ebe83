import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import { BlockFiles } from './block-files.ts';
import {
  DEFAULT_MAX_EXECUTION_TIME_MS,
  columnList,
  parseRows,
  querySettings,
  settingsClause,
  type Engine,
  type NativeInsert,
  type QueryOptions,
  type Row,
} from './engine.ts';
import {
  FRAME,
  readFrames,
  writeFrame,
  type EngineError,
  type EngineOptions,
  type FrameKind,
} from './engine-protocol.ts';
import { sqlString } from './sql-literal.ts';

export interface ChdbOptions {
  /** Where the data lives; made when it is not there. One process at a time may have it. */
  readonly dataDir: string;
  readonly log: Logger;
  readonly maxServerMemoryBytes?: number;
  readonly querySessions?: number;
  readonly insertSessions?: number;
  /** An engine that answers no ping for so long hangs, and is killed and started anew. */
  readonly hangAfterMs?: number;
}

/**
 * chDB in a child process, with a watchdog:
 *
 *   starting --ready--> running --died, or hung and killed--> starting ...
 *
 * Queries and inserts that were under way when the engine died are sent again to the new one (an insert
 * carries a token, so that it counts once). Only when it cannot be started any more do they fail, as `unavailable`.
 */
export async function openChdb(options: ChdbOptions): Promise<ChdbEngine> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const engine = new ChdbEngine(options);
  await engine.start();
  return engine;
}

/** How long a data directory may still be locked by the engine of a store that just died. */
const LOCK_PATIENCE_MS = 5_000;
const PING_EVERY_MS = 1_000;
const DEFAULT_HANG_AFTER_MS = 20_000;
/** Past a query's own time limit, what an engine that lives still needs to say so. */
const OVERTIME_MS = 15_000;
const INSERT_TIMEOUT_MS = 120_000;
const STOP_GRACE_MS = 2_000;
const MAX_RESTART_DELAY_MS = 2_000;
/** Times one request is tried: a statement that kills the engine each time must not do so forever. */
const MAX_ATTEMPTS = 3;

export class ChdbEngine implements Engine {
  readonly #options: ChdbOptions;
  readonly #engineOptions: EngineOptions;
  readonly #hangAfterMs: number;
  readonly #pending = new Map<number, Pending>();
  /** Ids cancelled and not answered yet, with the time by which they must be. */
  readonly #cancelled = new Map<number, number>();
  #files: BlockFiles | undefined;
  #child: ChildProcess | undefined;
  #socket: Duplex | undefined;
  #running = false;
  #closed = false;
  #nextId = 1;
  #watch: NodeJS.Timeout | undefined;
  #stopped: Promise<void> = Promise.resolve();
  restarts = 0;

  constructor(options: ChdbOptions) {
    this.#options = options;
    this.#hangAfterMs = options.hangAfterMs ?? DEFAULT_HANG_AFTER_MS;
    this.#engineOptions = {
      path: join(options.dataDir, 'chdb'),
      maxServerMemoryBytes:
        options.maxServerMemoryBytes ?? Math.min(3_000_000_000, Math.floor(totalmem() / 2)),
      querySessions: options.querySessions ?? 4,
      insertSessions: options.insertSessions ?? 2,
    };
  }

  /** Process id of the engine, while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    const deadline = Date.now() + LOCK_PATIENCE_MS;
    for (;;) {
      try {
        await this.#launch();
        break;
      } catch (error) {
        const locked = error instanceof Failure && error.reason === 'conflict';
        if (!locked || Date.now() > deadline) throw error;
        await sleep(100);
      }
    }
    // Only who holds the data directory may clear what an earlier process left.
    this.#files = await BlockFiles.open(this.#options.dataDir);
    this.#watch = setInterval(() => this.#check(), PING_EVERY_MS);
    this.#watch.unref();
  }

  async rows(sql: string, options: QueryOptions = {}): Promise<readonly Row[]> {
    const text = `${sql} SETTINGS ${settingsClause(querySettings(options))}`;
    const timeoutMs = (options.maxExecutionTimeMs ?? DEFAULT_MAX_EXECUTION_TIME_MS) + OVERTIME_MS;
    return parseRows(await this.#ask(FRAME.query, text, timeoutMs, options.signal));
  }

  async command(sql: string): Promise<void> {
    await this.#ask(FRAME.write, sql, INSERT_TIMEOUT_MS);
  }

  /**
   * The block goes through a file. Never inline: chDB takes the first blank line inside an inline payload for the end of the
   * statement and runs what follows it as SQL.
   */
  async insertNative(insert: NativeInsert): Promise<void> {
    if (!this.#files) throw stopped();
    await using file = await this.#files.write(insert.block);
    const source = `file(${sqlString(file.path)}, 'Native')`;
    const names = columnList(insert.columns.map(({ name }) => name));
    const token = sqlString(insert.token ?? file.name);
    const derived = [...(insert.as ? [insert.as] : []), ...(insert.derived ?? [])];
    const selects = [
      ...(insert.as ? [] : [{ table: insert.table, names, select: `SELECT ${names} FROM ${source}` }]),
      ...derived.map(({ table, columns, select }) => ({
        table,
        names: columnList(columns),
        select: select(source),
      })),
    ];
    await Promise.all(
      selects.map(({ table, names, select }) =>
        this.#ask(
          FRAME.write,
          `INSERT INTO ${table} (${names}) ${select} SETTINGS ${INSERT_SETTINGS}, insert_deduplication_token = ${token}`,
          INSERT_TIMEOUT_MS,
        ),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return await this.#stopped;
    this.#closed = true;
    clearInterval(this.#watch);
    for (const pending of this.#pending.values()) pending.reject(stopped());
    this.#pending.clear();
    this.#stopped = this.#stop();
    await this.#stopped;
    await this.#files?.[Symbol.asyncDispose]();
  }

  async #stop(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    this.#socket?.destroy();
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
    await exited;
    clearTimeout(kill);
  }

  #ask(kind: FrameKind, text: string, timeoutMs: number, signal?: AbortSignal): Promise<Buffer> {
    if (this.#closed) return Promise.reject(stopped());
    signal?.throwIfAborted();
    return new Promise<Buffer>((resolve, reject) => {
      const id = this.#nextId++;
      const onAbort = () => {
        this.#pending.delete(id);
        this.#cancel(id, performance.now());
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const settle = () => signal?.removeEventListener('abort', onAbort);
      const pending: Pending = {
        kind,
        text,
        timeoutMs,
        sentAt: 0,
        attempts: 0,
        resolve: (bytes) => (settle(), resolve(bytes)),
        reject: (error) => (settle(), reject(error)),
      };
      this.#pending.set(id, pending);
      if (this.#running) this.#send(id, pending);
    });
  }

  #send(id: number, pending: Pending): void {
    pending.attempts += 1;
    pending.sentAt = performance.now();
    if (this.#socket) writeFrame(this.#socket, id, pending.kind, pending.text);
  }

  /** Starts a child and waits until its sessions are open. */
  async #launch(): Promise<void> {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'engine-process.ts')], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      // libuv's pool runs the statements: one thread each, and some for the file system.
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: process.env['HOME'] ?? '',
        TZ: 'UTC',
        UV_THREADPOOL_SIZE: '16',
      },
    });
    const socket = child.stdio[3] as Duplex;
    this.#child = child;
    this.#socket = socket;
    // chDB says on stderr, and only there, why it cannot open a directory.
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-MAX_SAID);
      this.#options.log.debug({ text: chunk.toString('utf8').slice(0, MAX_SAID) }, 'the engine says');
    });
    const exited = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
      child.once('error', () => resolve());
    });
    const opened = new Promise<void>((resolve, reject) => {
      readFrames(socket, (id, kind, payload) => {
        if (id !== OPEN_ID) this.#answer(id, kind, payload);
        else if (kind === FRAME.ok) resolve();
        else reject(openFailure(payload, this.#options.dataDir));
      });
      socket.on('error', () => {});
      void exited.then(() =>
        reject(new Failure('store', 'unavailable', 'cannot start the engine: its process ended at once')),
      );
    });
    writeFrame(socket, OPEN_ID, FRAME.open, JSON.stringify(this.#engineOptions));
    const slow = setTimeout(() => child.kill('SIGKILL'), OPEN_TIMEOUT_MS);
    try {
      await opened;
    } catch (error) {
      child.kill('SIGKILL');
      await exited;
      if (said.includes('Cannot lock file')) throw locked(this.#options.dataDir, error);
      throw error;
    } finally {
      clearTimeout(slow);
    }
    this.#running = true;
    for (const [id, pending] of this.#pending) {
      if (pending.kind === FRAME.ping) this.#pending.delete(id);
      else this.#send(id, pending);
    }
    void exited.then(() => this.#onDeath());
  }

  #answer(id: number, kind: FrameKind, payload: Buffer): void {
    this.#cancelled.delete(id);
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    if (kind === FRAME.ok) pending.resolve(payload);
    else pending.reject(statementFailure(payload));
  }

  #onDeath(): void {
    this.#running = false;
    this.#cancelled.clear();
    if (this.#closed) return;
    this.#options.log.warn(
      { exitCode: this.#child?.exitCode, signal: this.#child?.signalCode, pending: this.#pending.size },
      'the engine died; starting it again',
    );
    for (const [id, pending] of this.#pending) {
      if (pending.attempts < MAX_ATTEMPTS) continue;
      this.#pending.delete(id);
      pending.reject(
        new Failure(
          'store',
          'unavailable',
          `cannot finish a statement: the engine died ${MAX_ATTEMPTS} times at it`,
        ),
      );
    }
    void this.#restart();
  }

  async #restart(): Promise<void> {
    for (let delayMs = 50; !this.#closed; delayMs = Math.min(delayMs * 2, MAX_RESTART_DELAY_MS)) {
      try {
        await this.#launch();
        this.restarts += 1;
        this.#options.log.info({ pid: this.#child?.pid }, 'the engine runs again');
        return;
      } catch (error) {
        this.#options.log.error({ error }, 'cannot start the engine again');
        await sleep(delayMs);
      }
    }
    await this.#stop();
  }

  /** The watchdog: a ping at a time, and nothing may be unanswered for longer than it may last. */
  #check(): void {
    if (!this.#running) return;
    const now = performance.now();
    let pinging = false;
    for (const [id, pending] of this.#pending) {
      pinging ||= pending.kind === FRAME.ping;
      if (now - pending.sentAt < pending.timeoutMs) continue;
      if (pending.kind === FRAME.query) this.#giveUp(id, pending, now);
      else return this.#kill(pending.kind);
    }
    for (const deadline of this.#cancelled.values()) if (now > deadline) return this.#kill(FRAME.cancel);
    if (!pinging) this.#ask(FRAME.ping, '', this.#hangAfterMs).catch(() => {});
  }

  /** A query past its time may only have waited for its turn behind others: it is cancelled, not the engine killed. */
  #giveUp(id: number, pending: Pending, now: number): void {
    this.#pending.delete(id);
    this.#cancel(id, now);
    pending.reject(
      new Failure('store', 'overloaded', `cannot finish the query in ${Math.round(pending.timeoutMs)} ms`),
    );
  }

  /** The engine still owes an answer to what was cancelled; if even that does not come, it hangs. */
  #cancel(id: number, now: number): void {
    if (!this.#running || !this.#socket) return;
    this.#cancelled.set(id, now + this.#hangAfterMs);
    writeFrame(this.#socket, id, FRAME.cancel, '');
  }

  #kill(kind: FrameKind): void {
    this.#options.log.error({ pid: this.#child?.pid, kind }, 'the engine hangs; killing it');
    this.#running = false;
    this.#child?.kill('SIGKILL');
  }
}

interface Pending {
  readonly kind: FrameKind;
  readonly text: string;
  readonly timeoutMs: number;
  sentAt: number;
  attempts: number;
  readonly resolve: (bytes: Buffer) => void;
  readonly reject: (error: Error) => void;
}

const OPEN_ID = 0xffff_ffff;
const OPEN_TIMEOUT_MS = 60_000;
const MAX_SAID = 4096;

const INSERT_SETTINGS = settingsClause({
  // One block, one part: the block is already as large as it should be.
  max_threads: 1,
  min_insert_block_size_rows: 0,
  min_insert_block_size_bytes: 0,
  // Far-off clocks put a batch on many days: let them.
  throw_on_max_partitions_per_insert_block: 0,
  // By token, also for INSERT SELECT: what is tried again after the engine died is the same file.
  insert_deduplicate: 1,
  deduplicate_insert_select: 'force_enable',
});

function stopped(): Failure {
  return new Failure('store', 'unavailable', 'cannot reach the store: it has been stopped');
}

function locked(dataDir: string, cause: unknown): Failure {
  return new Failure(
    'store',
    'conflict',
    `cannot open the data directory [${dataDir}]: another process has it. Stop that one, or choose another directory`,
    { cause },
  );
}

function openFailure(payload: Buffer, dataDir: string): Failure {
  const { message, reason } = JSON.parse(payload.toString('utf8')) as EngineError;
  if (reason === 'missing')
    return new Failure(
      'store',
      'not_supported',
      'cannot open a local store: the package chdb is not installed (it is optional, and exists for Linux with glibc and for macOS). Install it with `npm install chdb`, or set CLICKHOUSE_URL to use a ClickHouse server',
    );
  return new Failure('store', 'unavailable', `cannot open the data directory [${dataDir}]: ${message}`);
}

function statementFailure(payload: Buffer): Failure {
  const { message } = JSON.parse(payload.toString('utf8')) as EngineError;
  if (/TIMEOUT_EXCEEDED|QUERY_WAS_CANCELLED/.test(message))
    return new Failure('store', 'overloaded', `cannot finish the query in time: ${message}`);
  if (/MEMORY_LIMIT_EXCEEDED|TOO_MANY_ROWS/.test(message))
    return new Failure(
      'store',
      'overloaded',
      `cannot run the query: it needs too much memory or answers too much: ${message}`,
    );
  return new Failure('store', 'internal', `cannot run a statement: ${message}`);
}
