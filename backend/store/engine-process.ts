/**
 * The engine's own process: chDB and nothing else, so that a hang or a crash in native code takes neither the collector nor
 * the query APIs with it. Started by chdb-engine.ts with a socket pair on descriptor 3; ends when that closes.
 *
 * Rules of chDB this file keeps (each was seen to bite):
 *  - one Session runs one statement at a time, so there is a pool, with lanes: inserts, queries, and one for pings and kills;
 *  - only the async calls: the synchronous ones block this loop and cut answers at the first NUL;
 *  - no worker threads: when one that opened chDB exits, every later async call hangs;
 *  - KILL QUERY without SYNC: with it the process deadlocks;
 *  - what a statement had written before it was killed or failed stands at the head of its session's next answer, so one is asked
 *    of the session for nothing.
 */
import { Socket } from 'node:net';
import type { Session } from 'chdb';
import { FRAME, readFrames, writeFrame, type EngineError, type EngineOptions } from './engine-protocol.ts';

interface Job {
  readonly id: number;
  readonly sql: string;
  readonly format: string;
}

/** Sessions that run jobs one at a time each, first come first served. */
class Lane {
  readonly #idle: Session[];
  readonly #all: readonly Session[];
  readonly #waiting: Job[] = [];
  readonly #running = new Set<number>();
  readonly #killed = new Set<number>();

  constructor(sessions: readonly Session[]) {
    this.#all = sessions;
    this.#idle = [...sessions];
  }

  add(job: Job): void {
    const session = this.#idle.pop();
    if (session) void this.#run(session, job);
    else this.#waiting.push(job);
  }

  /** True when the job had not begun. */
  drop(id: number): boolean {
    const at = this.#waiting.findIndex((job) => job.id === id);
    if (at < 0) return false;
    const [job] = this.#waiting.splice(at, 1) as [Job];
    fail(job.id, new Error('cancelled before it began'));
    return true;
  }

  /** A job under way is about to be killed; false when it has ended. */
  expectKill(id: number): boolean {
    if (!this.#running.has(id)) return false;
    this.#killed.add(id);
    return true;
  }

  close(): void {
    for (const session of this.#all) session.close();
  }

  async #run(session: Session, job: Job): Promise<void> {
    let next: Job | undefined = job;
    while (next) {
      let isClean = true;
      this.#running.add(next.id);
      try {
        const result = await session.queryAsync(next.sql, { format: next.format });
        writeFrame(socket, next.id, FRAME.ok, result.bytes());
      } catch (error) {
        fail(next.id, error);
        isClean = false;
      }
      this.#running.delete(next.id);
      // Killed, it may have been answered all the same.
      if (this.#killed.delete(next.id) || !isClean) await clean(session);
      next = this.#waiting.shift();
    }
    this.#idle.push(session);
  }
}

/** Takes what is left of an earlier statement out of the session; an engine that cannot be cleaned is of no use. */
async function clean(session: Session): Promise<void> {
  for (let tries = 0; tries < MAX_CLEANINGS; tries += 1) {
    try {
      const result = await session.queryAsync('SELECT 1', { format: 'JSONCompactEachRow' });
      if (Buffer.from(result.bytes()).toString('utf8') === '[1]\n') return;
    } catch {
      // Asked again: the first may have met the kill.
    }
  }
  die();
}

const socket = new Socket({ fd: 3, readable: true, writable: true });
let lanes: { readonly queries: Lane; readonly inserts: Lane; readonly control: Lane } | undefined;

readFrames(socket, (id, kind, payload) => {
  if (kind === FRAME.open) void open(id, JSON.parse(payload.toString('utf8')) as EngineOptions);
  else if (!lanes) fail(id, new Error('not open'));
  else if (kind === FRAME.query)
    lanes.queries.add({ id, sql: `${marker(id)}${payload.toString('utf8')}`, format: 'JSONCompactEachRow' });
  else if (kind === FRAME.write)
    lanes.inserts.add({ id, sql: payload.toString('utf8'), format: 'JSONCompactEachRow' });
  else if (kind === FRAME.ping) lanes.control.add({ id, sql: 'SELECT 1', format: 'JSONCompactEachRow' });
  else if (kind === FRAME.cancel && !lanes.queries.drop(id) && lanes.queries.expectKill(id))
    lanes.control.add({
      id: 0,
      sql: `KILL QUERY WHERE startsWith(query, '${marker(id)}') ASYNC`,
      format: 'Null',
    });
});
// The store is gone, or wants us gone. No process.exit(): it runs the engine's destructors, which wait for ever for a merge
// that is under way, and the data directory stays locked. What is durable is durable.
socket.on('close', die);
socket.on('error', die);
// A terminal's Ctrl+C goes to the whole group: the store decides when the engine ends.
process.on('SIGINT', () => {});

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

async function open(id: number, options: EngineOptions): Promise<void> {
  try {
    const { Session } = await loadChdb();
    const pool = (size: number) =>
      Array.from(
        { length: size },
        () =>
          new Session(options.path, {
            connectionArgs: [
              `--max_server_memory_usage=${options.maxServerMemoryBytes}`,
              `--mark_cache_size=${MARK_CACHE_BYTES}`,
              `--max_query_size=${MAX_QUERY_BYTES}`,
            ],
          }),
      );
    lanes = {
      queries: new Lane(pool(options.querySessions)),
      inserts: new Lane(pool(options.insertSessions)),
      control: new Lane(pool(1)),
    };
    writeFrame(socket, id, FRAME.ok, '');
  } catch (error) {
    fail(id, error);
  }
}

async function loadChdb(): Promise<typeof import('chdb')> {
  try {
    return await import('chdb');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
      throw new Error(NOT_INSTALLED, { cause: error });
    throw error;
  }
}

function fail(id: number, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const reason = message === NOT_INSTALLED ? 'missing' : 'failed';
  writeFrame(socket, id, FRAME.error, JSON.stringify({ message, reason } satisfies EngineError));
}

/** Stands at the head of a query's text, so that it can be found to be killed. */
function marker(id: number): string {
  return `/* spoor ${id} */ `;
}

const MAX_CLEANINGS = 5;
const NOT_INSTALLED = 'chdb is not installed';
const MARK_CACHE_BYTES = 64 * 1024 * 1024;
/** Room for 1,500 trace ids and some thousand hashes in one statement. */
const MAX_QUERY_BYTES = 4 * 1024 * 1024;
