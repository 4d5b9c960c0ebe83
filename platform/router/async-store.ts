import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Reference } from '../spec/resources.ts';

/** What a delivery needs; nothing is asked of the trigger again, which may have changed or gone. */
export interface AsyncRequest {
  /** As Fission's X-Fission-Invocation-Id. */
  readonly id: string;
  /** Of a topic: its name, with the namespace TOPIC. */
  readonly fn: Reference;
  /** How many destinations led here; 0 for what a caller asked. */
  readonly depth: number;
  readonly method: string;
  /** As the function sees it, with its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Trace context of the span that accepted it, as headers. */
  readonly carrier: Readonly<Record<string, string>>;
  readonly requestId: string;
  /** '' for none. */
  readonly dedupKey: string;
  readonly acceptedMs: number;
}

/** In place of a namespace, which could not be called that: what is to be delivered goes to a topic. */
export const TOPIC = 'topic:';

/** `waiting` for its time; `running` now; `succeeded`; `dead`: given up, kept until someone looks. */
export type AsyncState = 'waiting' | 'running' | 'succeeded' | 'dead';

/** Why it is where it is, in the words of Fission's result envelope (RFC-0024). */
export type Condition = 'Success' | 'RetriesExhausted' | 'EventAgeExceeded' | 'Http4xx';

export interface AsyncInvocation extends AsyncRequest {
  readonly state: AsyncState;
  /** Deliveries begun so far. */
  readonly attempts: number;
  /** Those that count against the limit. */
  readonly failures: number;
  /** When the next delivery may begin. */
  readonly dueMs: number;
  /** 0 while it is not settled. */
  readonly settledMs: number;
  readonly condition: Condition | '';
  /** Of the last answer; 0 when there was none. */
  readonly status: number;
  readonly message: string;
  /** The beginning of the last answer's body. */
  readonly answer: Uint8Array;
}

export interface Settlement {
  readonly state: 'waiting' | 'succeeded' | 'dead';
  readonly failures: number;
  readonly dueMs: number;
  readonly settledMs: number;
  readonly condition: Condition | '';
  readonly status: number;
  readonly message: string;
  readonly answer: Uint8Array;
}

/** Of what has succeeded, this much is remembered; dead letters stay until they are deleted. */
const KEEP_SUCCEEDED_MS = 24 * 3600 * 1000;

const COLUMNS =
  'id, namespace, name, method, path, headers, body, carrier, requestId, dedupKey, acceptedMs, state, attempts, failures, dueMs, settledMs, condition, status, message, answer, depth';

/** Asynchronous invocations on disk. What `add` has returned for survives the process and, flushed, the machine. */
export class AsyncStore implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** What a killed process was delivering is due at once. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS invocation (
        id TEXT PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
        headers TEXT NOT NULL, body BLOB NOT NULL, carrier TEXT NOT NULL, requestId TEXT NOT NULL, dedupKey TEXT NOT NULL,
        acceptedMs INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0, dueMs INTEGER NOT NULL, settledMs INTEGER NOT NULL DEFAULT 0,
        condition TEXT NOT NULL DEFAULT '', status INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '',
        answer BLOB NOT NULL DEFAULT x''
      ) STRICT;
      CREATE INDEX IF NOT EXISTS due ON invocation (dueMs) WHERE state = 'waiting';
      CREATE INDEX IF NOT EXISTS settled ON invocation (state, acceptedMs);
      CREATE UNIQUE INDEX IF NOT EXISTS dedup ON invocation (namespace, name, dedupKey) WHERE dedupKey <> '';
      UPDATE invocation SET state = 'waiting', dueMs = 0 WHERE state = 'running';
    `);
    const columns = this.#database.prepare(`SELECT name FROM pragma_table_info('invocation')`).all();
    if (!columns.some(({ name }) => name === 'depth'))
      this.#database.exec('ALTER TABLE invocation ADD COLUMN depth INTEGER NOT NULL DEFAULT 0');
  }

  /** The id under which it is kept: an older one's, when the function has one with the same dedup key. */
  add(request: AsyncRequest): string {
    const { fn, dedupKey } = request;
    if (dedupKey !== '') {
      const known = this.#prepare(
        'SELECT id FROM invocation WHERE namespace = ? AND name = ? AND dedupKey = ?',
      ).get(fn.namespace, fn.name, dedupKey);
      if (known) return known['id'] as string;
    }
    this.#prepare(
      `INSERT INTO invocation (id, namespace, name, method, path, headers, body, carrier, requestId, dedupKey, acceptedMs, dueMs, depth)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(
      request.id,
      fn.namespace,
      fn.name,
      request.method,
      request.path,
      JSON.stringify(request.headers),
      request.body,
      JSON.stringify(request.carrier),
      request.requestId,
      dedupKey,
      request.acceptedMs,
      request.acceptedMs,
      request.depth,
    );
    return request.id;
  }

  /** The one that has been due longest, marked as running with one more attempt. */
  takeDue(nowMs: number): AsyncInvocation | undefined {
    const row = this.#prepare(
      `UPDATE invocation SET state = 'running', attempts = attempts + 1 WHERE id =
         (SELECT id FROM invocation WHERE state = 'waiting' AND dueMs <= ? ORDER BY dueMs LIMIT 1) RETURNING ${COLUMNS}`,
    ).get(nowMs);
    return row && fromRow(row);
  }

  /** When the next one is due; undefined when none waits. */
  nextDueMs(): number | undefined {
    const row = this.#prepare(`SELECT min(dueMs) AS dueMs FROM invocation WHERE state = 'waiting'`).get();
    return typeof row?.['dueMs'] === 'number' ? row['dueMs'] : undefined;
  }

  /** `next` is kept in the same transaction: who is to be told of an outcome is told, whatever happens to the process. */
  settle(id: string, to: Settlement, next?: AsyncRequest): void {
    if (!next) {
      this.#settle(id, to);
      return;
    }
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      this.#settle(id, to);
      this.add(next);
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #settle(id: string, to: Settlement): void {
    this.#prepare(
      `UPDATE invocation SET state = ?, failures = ?, dueMs = ?, settledMs = ?, condition = ?, status = ?, message = ?, answer = ?
       WHERE id = ?`,
    ).run(to.state, to.failures, to.dueMs, to.settledMs, to.condition, to.status, to.message, to.answer, id);
  }

  get(id: string): AsyncInvocation | undefined {
    const row = this.#prepare(`SELECT ${COLUMNS} FROM invocation WHERE id = ?`).get(id);
    return row && fromRow(row);
  }

  /** The latest first; of every state and function, if not said. */
  list(of: { state?: string; fn?: string; limit: number }): AsyncInvocation[] {
    return this.#prepare(
      `SELECT ${COLUMNS} FROM invocation WHERE (?1 = '' OR state = ?1) AND (?2 = '' OR name = ?2) ORDER BY acceptedMs DESC LIMIT ?3`,
    )
      .all(of.state ?? '', of.fn ?? '', of.limit)
      .map(fromRow);
  }

  /** A dead letter goes back to be delivered as if it were new. False when there is none by that id. */
  redrive(id: string, nowMs: number): boolean {
    const { changes } = this.#prepare(
      `UPDATE invocation SET state = 'waiting', failures = 0, dueMs = ?1, acceptedMs = ?1, settledMs = 0, condition = ''
       WHERE id = ?2 AND state = 'dead'`,
    ).run(nowMs, id);
    return changes > 0;
  }

  /** A settled one; false when there is none by that id. */
  delete(id: string): boolean {
    return (
      this.#prepare(`DELETE FROM invocation WHERE id = ? AND state IN ('succeeded', 'dead')`).run(id)
        .changes > 0
    );
  }

  forgetOld(nowMs: number): void {
    this.#prepare(`DELETE FROM invocation WHERE state = 'succeeded' AND settledMs < ?`).run(
      nowMs - KEEP_SUCCEEDED_MS,
    );
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, (statement = this.#database.prepare(sql)));
    return statement;
  }
}

function fromRow(row: Record<string, unknown>): AsyncInvocation {
  const { namespace, name, headers, carrier, ...rest } = row;
  return {
    ...(rest as unknown as Omit<AsyncInvocation, 'fn' | 'headers' | 'carrier'>),
    fn: { namespace: namespace as string, name: name as string },
    headers: JSON.parse(headers as string) as Record<string, string>,
    carrier: JSON.parse(carrier as string) as Record<string, string>,
  };
}
