import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Failure } from '../../server/failure.ts';

/**
 * When each timer fired last, in one SQLite file. Written before the firing begins, so that whatever dies, a timer does not
 * fire twice for one time.
 */
export class Firings implements Disposable {
  readonly #db: DatabaseSync;
  readonly #last: StatementSync;
  readonly #record: StatementSync;
  readonly #forget: StatementSync;

  constructor(path: string) {
    try {
      this.#db = new DatabaseSync(path);
      this.#db.exec(`
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        CREATE TABLE IF NOT EXISTS firing (timer TEXT PRIMARY KEY, scheduled INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      `);
    } catch (cause) {
      throw new Failure('trigger', 'unavailable', `cannot open ${path}: ${String(cause)}`, { cause });
    }
    this.#last = this.#db.prepare('SELECT scheduled FROM firing WHERE timer = ?');
    // Only forwards: of two that claim the same time, the second changes nothing.
    this.#record = this.#db.prepare(`
      INSERT INTO firing (timer, scheduled) VALUES (?, ?)
      ON CONFLICT (timer) DO UPDATE SET scheduled = excluded.scheduled WHERE scheduled < excluded.scheduled
    `);
    this.#forget = this.#db.prepare('DELETE FROM firing WHERE timer = ?');
  }

  /** Unix ms; undefined when it never fired. */
  last(timer: string): number | undefined {
    return (this.#last.get(timer) as { scheduled: number } | undefined)?.scheduled;
  }

  /** Claims the firing of `timer` at `scheduledMs`; false when it, or a later one, was claimed before. */
  claim(timer: string, scheduledMs: number): boolean {
    return Number(this.#record.run(timer, scheduledMs).changes) > 0;
  }

  forget(timer: string): void {
    this.#forget.run(timer);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
