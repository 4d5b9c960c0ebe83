import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Failure } from '../../server/failure.ts';
import type { QueueRecord } from './queue.ts';
import { decodeHeaders } from './record-headers.ts';

/** One partition as the log's owner keeps it in memory; the tables hold the same. */
export interface PartitionState {
  /** Never given twice, also not after its topic was deleted. */
  readonly id: number;
  readonly topic: string;
  readonly partition: number;
  /** Offset of the oldest record still kept. */
  startOffset: number;
  /** Offset the next record gets. */
  endOffset: number;
  /** Bytes of keys, values and headers of the records kept. */
  bytes: number;
}

export interface StoredRecord {
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Buffer;
}

/**
 * The log's tables, one SQLite file, and nothing that knows of time or waiting. Records of all partitions lie in one B-tree whose
 * integer key is `partition id × 2³⁸ + offset`: an append goes to the partition's right edge, a read is one range, and there
 * is no second index to keep. Both factors stay inside a JavaScript integer: 32,767 partitions of 274 thousand million records.
 *
 * The file is opened exclusively: a second process is told so instead of corrupting offsets it cannot see.
 */
export class LogStore {
  readonly #db: DatabaseSync;
  readonly #statements: Record<keyof typeof SQL, StatementSync>;

  constructor(path: string, options: { readonly fsync: boolean }) {
    this.#db = open(path, options.fsync);
    this.#statements = Object.fromEntries(
      Object.entries(SQL).map(([name, sql]) => [name, this.#db.prepare(sql)]),
    ) as Record<keyof typeof SQL, StatementSync>;
  }

  /** All or nothing; durable when it returns (against the end of the process; against power loss with `fsync`). */
  transaction(write: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      write();
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  partitions(): PartitionState[] {
    return this.#statements.partitions.all() as unknown as PartitionState[];
  }

  addPartition(topic: string, partition: number): PartitionState {
    const id = Number(this.#statements.addPartition.run(topic, partition).lastInsertRowid);
    if (id > MAX_PARTITION_ID)
      throw new Failure(
        'queue',
        'unavailable',
        `cannot create partition ${partition} of topic [${topic}]: the log has had ${MAX_PARTITION_ID} partitions`,
      );
    return { id, topic, partition, startOffset: 0, endOffset: 0, bytes: 0 };
  }

  deletePartition(id: number): void {
    this.#statements.deleteRecords.run(id * OFFSETS, (id + 1) * OFFSETS);
    this.#statements.deleteCommits.run(id);
    this.#statements.deletePartition.run(id);
  }

  append(partition: number, offset: number, record: StoredRecord): void {
    this.#statements.append.run(
      partition * OFFSETS + offset,
      record.timestamp,
      record.key,
      record.value,
      record.headers,
    );
  }

  updatePartition(state: Omit<PartitionState, 'topic' | 'partition'>): void {
    this.#statements.updatePartition.run(state.startOffset, state.endOffset, state.bytes, state.id);
  }

  /** Records from `offset` on; stops after `limit` records, or after the one that passes `maxBytes`. */
  read(state: PartitionState, offset: number, limit: number, maxBytes: number): QueueRecord[] {
    const records: QueueRecord[] = [];
    let bytes = 0;
    const base = state.id * OFFSETS;
    for (const row of this.#statements.read.iterate(
      base + offset,
      base + state.endOffset,
      limit,
    ) as Iterable<Row>) {
      const value = toBuffer(row.value);
      bytes += value?.length ?? 0;
      records.push({
        topic: state.topic,
        partition: state.partition,
        offset: BigInt(row.id - base),
        timestamp: row.timestamp,
        key: toBuffer(row.key),
        value,
        headers: decodeHeaders(toBuffer(row.headers) ?? Buffer.alloc(0)),
      });
      if (bytes >= maxBytes) break;
    }
    return records;
  }

  /** Of the oldest records: how many there are up to `limit`, their bytes, and the timestamp of each. */
  oldest(
    state: PartitionState,
    limit: number,
  ): readonly { readonly offset: number; readonly timestamp: number; readonly bytes: number }[] {
    const base = state.id * OFFSETS;
    const rows = this.#statements.oldest.all(
      base + state.startOffset,
      base + state.endOffset,
      limit,
    ) as unknown as {
      id: number;
      timestamp: number;
      bytes: number;
    }[];
    return rows.map((row) => ({ offset: row.id - base, timestamp: row.timestamp, bytes: row.bytes }));
  }

  deleteBefore(state: PartitionState, offset: number): void {
    this.#statements.deleteRecords.run(state.id * OFFSETS, state.id * OFFSETS + offset);
  }

  commits(): readonly { readonly group: string; readonly partition: number; readonly offset: number }[] {
    return this.#statements.commits.all() as unknown as {
      group: string;
      partition: number;
      offset: number;
    }[];
  }

  commit(group: string, partition: number, offset: number): void {
    this.#statements.commit.run(group, partition, offset);
  }

  close(): void {
    this.#db.close();
  }
}

const OFFSETS = 2 ** 38;
const MAX_PARTITION_ID = 2 ** 15 - 1;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS partition (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    start_offset INTEGER NOT NULL DEFAULT 0,
    end_offset INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, partition)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY,
    timestamp INTEGER NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS committed (
    group_name TEXT NOT NULL,
    partition_id INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (group_name, partition_id)
  ) STRICT, WITHOUT ROWID;
`;

const SQL = {
  partitions: `SELECT id, topic, partition, start_offset AS startOffset, end_offset AS endOffset, bytes
               FROM partition ORDER BY topic, partition`,
  addPartition: 'INSERT INTO partition (topic, partition) VALUES (?, ?)',
  deletePartition: 'DELETE FROM partition WHERE id = ?',
  updatePartition: 'UPDATE partition SET start_offset = ?, end_offset = ?, bytes = ? WHERE id = ?',
  append: 'INSERT INTO record (id, timestamp, key, value, headers) VALUES (?, ?, ?, ?, ?)',
  read: 'SELECT id, timestamp, key, value, headers FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?',
  oldest: `SELECT id, timestamp, coalesce(length(key), 0) + coalesce(length(value), 0) + length(headers) AS bytes
           FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?`,
  deleteRecords: 'DELETE FROM record WHERE id >= ? AND id < ?',
  commits: 'SELECT group_name AS "group", partition_id AS partition, next_offset AS offset FROM committed',
  commit: `INSERT INTO committed (group_name, partition_id, next_offset) VALUES (?, ?, ?)
           ON CONFLICT (group_name, partition_id) DO UPDATE SET next_offset = excluded.next_offset`,
  deleteCommits: 'DELETE FROM committed WHERE partition_id = ?',
} as const;

interface Row {
  readonly id: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Uint8Array;
}

function open(path: string, fsync: boolean): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    // Exclusive first: WAL then needs no shared-memory file. NORMAL: a commit is a write to the page cache, which outlives
    // the process; FULL adds an fsync for each group of commits.
    db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${fsync ? 'FULL' : 'NORMAL'};
      PRAGMA cache_size = -16384;
    `);
    db.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
    return db;
  } catch (error) {
    db?.close();
    const message = error instanceof Error ? error.message : String(error);
    if (message.includes('locked'))
      throw new Failure('queue', 'conflict', `cannot open the log ${path}: another process has it open`, {
        cause: error,
      });
    throw new Failure('queue', 'unavailable', `cannot open the log ${path}: ${message}`, { cause: error });
  }
}

function toBuffer(bytes: Uint8Array | null): Buffer | null {
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
