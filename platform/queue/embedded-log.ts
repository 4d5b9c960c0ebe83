import { Failure } from '../../server/failure.ts';
import { checkRecord, MAX_RECORD_BYTES } from './check-record.ts';
import { ConsumerGroup } from './consumer-group.ts';
import { LogStore, type PartitionState } from './log-store.ts';
import { partitionForKey } from './partitioner.ts';
import type {
  PeekOptions,
  Queue,
  QueueRecord,
  RecordPosition,
  RecordToProduce,
  SubscribeOptions,
  Subscription,
  TopicDescription,
} from './queue.ts';
import { encodeHeaders } from './record-headers.ts';
import { checkTopicName } from './topic-name.ts';

export interface EmbeddedLogOptions {
  /** The SQLite file; its folder exists. One process at a time. */
  readonly path: string;
  /** Of a topic that is created by its first use. */
  readonly partitions?: number;
  /** Key and value together. */
  readonly maxRecordBytes?: number;
  /** What a partition may keep; the oldest records go first, read or not, as in Kafka. */
  readonly retention?: {
    /** Per partition. */
    readonly maxBytes?: number;
    readonly maxAgeMs?: number;
  };
  /** fsync for each group of commits, so that records also survive power loss. Without it they survive the process. */
  readonly fsync?: boolean;
}

/** As many consumers of a group can work at once; on one machine more would start more instances than it has cores. */
const DEFAULT_PARTITIONS = 4;
const MAX_PARTITIONS = 256;
const DEFAULT_RETENTION = { maxBytes: 1024 ** 3, maxAgeMs: 7 * 24 * 3_600_000 };
const RETENTION_INTERVAL_MS = 30_000;
const RETENTION_STEP = 1_000;
/** One transaction takes at most this much, so that the event loop is never held for long. */
const GROUP_RECORDS = 1_000;
const GROUP_BYTES = 4 * 1024 ** 2;
/** Waiting to be written. Past it, producers are told to come back. */
const MAX_PENDING_BYTES = 64 * 1024 ** 2;
const READ_BYTES = 8 * 1024 ** 2;

/**
 * A topic log in one SQLite file. Whatever is produced (and committed) in one turn of the event loop is written by one
 * transaction, so a hundred concurrent producers cost little more than one; consumers in the process are woken by the write itself.
 */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
  return new EmbeddedLog(options);
}

export class EmbeddedLog implements Queue {
  readonly system = 'spoor';
  readonly #store: LogStore;
  readonly #options: EmbeddedLogOptions;
  readonly #topics = new Map<string, PartitionState[]>();
  /** `group` and topic to its members; groups without members are only in `#committed`. */
  readonly #groups = new Map<string, ConsumerGroup>();
  /** Partition id to group to next offset. */
  readonly #committed = new Map<number, Map<string, number>>();
  /** Commits not yet in the file: a later one replaces an earlier one. */
  readonly #dirtyCommits = new Map<string, { group: string; partition: number; offset: number }>();
  #pending: PendingWrite[] = [];
  #pendingBytes = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #roundRobin = 0;
  #closed = false;
  readonly #retentionTimer: NodeJS.Timeout;

  constructor(options: EmbeddedLogOptions) {
    this.#options = options;
    this.#store = new LogStore(options.path, { fsync: options.fsync ?? false });
    for (const state of this.#store.partitions()) {
      const partitions = this.#topics.get(state.topic) ?? [];
      partitions.push(state);
      this.#topics.set(state.topic, partitions);
    }
    for (const { group, partition, offset } of this.#store.commits())
      this.#remember(group, partition, offset);
    this.#retentionTimer = setInterval(() => void this.applyRetention(), RETENTION_INTERVAL_MS).unref();
  }

  produce(topic: string, records: readonly RecordToProduce[]): Promise<readonly RecordPosition[]> {
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      const partitions = this.#partitionsOf(topic);
      let bytes = 0;
      const rows = records.map((record) => {
        const size = checkRecord(
          topic,
          record,
          partitions.length,
          this.#options.maxRecordBytes ?? MAX_RECORD_BYTES,
        );
        bytes += size;
        const state = partitions[this.#choosePartition(record, partitions.length)] as PartitionState;
        return { state, record, size };
      });
      if (this.#pendingBytes + bytes > MAX_PENDING_BYTES && this.#pendingBytes > 0)
        throw new Failure(
          'queue',
          'overloaded',
          `cannot append to topic [${topic}]: ${this.#pendingBytes} bytes wait to be written already`,
        );
      this.#pending.push({ rows, bytes, resolve, reject });
      this.#pendingBytes += bytes;
      this.#schedule();
    });
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    this.#checkOpen();
    if (!options.group || options.group.length > 255)
      throw new Failure(
        'queue',
        'bad_request',
        `cannot join consumer group [${options.group}]: a name has 1 to 255 characters`,
      );
    checkLimit('maxBatchSize', options.maxBatchSize);
    this.#partitionsOf(options.topic);
    const key = `${options.group}\n${options.topic}`;
    let group = this.#groups.get(key);
    if (!group) {
      group = new ConsumerGroup(options.group, options.topic, {
        partitions: () => this.#topics.get(options.topic) ?? [],
        read: (state, offset, limit) => this.#store.read(state, offset, limit, READ_BYTES),
        committed: (partition) => this.#committed.get(partition)?.get(options.group),
        commit: (partition, offset) => this.#commit(options.group, partition, offset),
      });
      this.#groups.set(key, group);
    }
    return group.join(options);
  }

  async peek(topic: string, options: PeekOptions): Promise<readonly QueueRecord[]> {
    this.#checkOpen();
    checkLimit('limit', options.limit);
    checkTopicName(topic);
    const partitions = this.#topics.get(topic);
    if (!partitions)
      throw new Failure('queue', 'not_found', `cannot read topic [${topic}]: there is none of that name`);
    if (options.partition !== undefined && !partitions[options.partition])
      throw new Failure(
        'queue',
        'not_found',
        `cannot read partition ${options.partition} of topic [${topic}]: it has ${partitions.length}`,
      );
    const chosen = partitions.filter(
      (state) => options.partition === undefined || state.partition === options.partition,
    );
    const found = chosen.flatMap((state) => {
      const from =
        options.offset === undefined
          ? Math.max(state.startOffset, state.endOffset - options.limit)
          : Math.max(state.startOffset, Number(options.offset));
      return from >= state.endOffset ? [] : this.#store.read(state, from, options.limit, READ_BYTES);
    });
    found.sort(
      (a, b) => a.timestamp - b.timestamp || a.partition - b.partition || Number(a.offset - b.offset),
    );
    if (chosen.length === 1) return found;
    return options.offset === undefined ? found.slice(-options.limit) : found.slice(0, options.limit);
  }

  async createTopic(topic: string, options: { readonly partitions?: number } = {}): Promise<void> {
    this.#checkOpen();
    checkTopicName(topic);
    if (this.#topics.has(topic))
      throw new Failure('queue', 'conflict', `cannot create topic [${topic}]: there is one of that name`);
    const count = options.partitions ?? this.#options.partitions ?? DEFAULT_PARTITIONS;
    if (!Number.isInteger(count) || count < 1 || count > MAX_PARTITIONS)
      throw new Failure(
        'queue',
        'bad_request',
        `cannot create topic [${topic}] with ${count} partitions: 1 to ${MAX_PARTITIONS} are allowed`,
      );
    this.#create(topic, count);
  }

  async deleteTopic(topic: string): Promise<void> {
    this.#checkOpen();
    const partitions = this.#topics.get(topic);
    if (!partitions)
      throw new Failure('queue', 'not_found', `cannot delete topic [${topic}]: there is none of that name`);
    const gone = new Set(partitions);
    const stays = this.#pending.filter((write) => !write.rows.some(({ state }) => gone.has(state)));
    for (const write of this.#pending) {
      if (stays.includes(write)) continue;
      this.#pendingBytes -= write.bytes;
      write.reject(new Failure('queue', 'not_found', `cannot append to topic [${topic}]: it was deleted`));
    }
    this.#pending = stays;
    this.#store.transaction(() => partitions.forEach((state) => this.#store.deletePartition(state.id)));
    this.#topics.delete(topic);
    for (const { id } of partitions) {
      this.#committed.delete(id);
      for (const [key, commit] of this.#dirtyCommits)
        if (commit.partition === id) this.#dirtyCommits.delete(key);
    }
    this.#rebalance(topic);
  }

  async topics(): Promise<readonly TopicDescription[]> {
    this.#checkOpen();
    return [...this.#topics]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, partitions]) => ({
        name,
        partitions: partitions.map((state) => ({
          partition: state.partition,
          startOffset: BigInt(state.startOffset),
          endOffset: BigInt(state.endOffset),
        })),
        groups: this.#describeGroups(partitions),
      }));
  }

  /** Deletes what is past the retention; runs by itself every 30 s. In steps, so that nobody waits for it. */
  async applyRetention(now = Date.now()): Promise<void> {
    const { maxBytes, maxAgeMs } = { ...DEFAULT_RETENTION, ...this.#options.retention };
    for (const state of [...this.#topics.values()].flat()) {
      for (;;) {
        if (this.#closed || !this.#topics.get(state.topic)?.includes(state)) break;
        const oldest = this.#store.oldest(state, RETENTION_STEP);
        let { bytes } = state;
        let count = 0;
        for (const record of oldest) {
          if (bytes <= maxBytes && now - record.timestamp <= maxAgeMs) break;
          bytes -= record.bytes;
          count += 1;
        }
        if (count === 0) break;
        const next = {
          id: state.id,
          startOffset: state.startOffset + count,
          endOffset: state.endOffset,
          bytes,
        };
        this.#store.transaction(() => {
          this.#store.deleteBefore(state, next.startOffset);
          this.#store.updatePartition(next);
        });
        Object.assign(state, next);
        if (count < RETENTION_STEP) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    clearInterval(this.#retentionTimer);
    await Promise.all([...this.#groups.values()].map((group) => group.stop()));
    this.#closed = true;
    clearImmediate(this.#scheduled);
    while (this.#pending.length > 0 || this.#dirtyCommits.size > 0) if (!this.#writeGroup()) break;
    for (const write of this.#pending) write.reject(closedFailure());
    this.#store.close();
  }

  #partitionsOf(topic: string): PartitionState[] {
    const known = this.#topics.get(topic);
    if (known) return known;
    checkTopicName(topic);
    return this.#create(topic, this.#options.partitions ?? DEFAULT_PARTITIONS);
  }

  #create(topic: string, count: number): PartitionState[] {
    const partitions: PartitionState[] = [];
    this.#store.transaction(() => {
      for (let i = 0; i < count; i += 1) partitions.push(this.#store.addPartition(topic, i));
    });
    this.#topics.set(topic, partitions);
    this.#rebalance(topic);
    return partitions;
  }

  #choosePartition(record: RecordToProduce, count: number): number {
    if (record.partition !== undefined) return record.partition;
    if (record.key !== null) return partitionForKey(record.key, count);
    this.#roundRobin = (this.#roundRobin + 1) % MAX_PARTITIONS;
    return this.#roundRobin % count;
  }

  #commit(group: string, partition: number, offset: number): void {
    this.#remember(group, partition, offset);
    this.#dirtyCommits.set(`${partition} ${group}`, { group, partition, offset });
    this.#schedule();
  }

  #remember(group: string, partition: number, offset: number): void {
    const offsets = this.#committed.get(partition) ?? new Map<string, number>();
    offsets.set(group, offset);
    this.#committed.set(partition, offsets);
  }

  #schedule(): void {
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      const written = this.#writeGroup();
      if (this.#pending.length > 0 || (written && this.#dirtyCommits.size > 0)) this.#schedule();
    });
  }

  /** One transaction: the oldest pending appends and all pending commits. False when the file would not take it. */
  #writeGroup(): boolean {
    const group = this.#takeGroup();
    const commits = [...this.#dirtyCommits];
    const ends = new Map<PartitionState, { endOffset: number; bytes: number }>();
    const now = Date.now();
    const positions: RecordPosition[][] = [];
    try {
      this.#store.transaction(() => {
        for (const write of group) positions.push(write.rows.map((row) => this.#append(row, ends, now)));
        for (const [state, end] of ends)
          this.#store.updatePartition({ id: state.id, startOffset: state.startOffset, ...end });
        for (const [, commit] of commits) this.#store.commit(commit.group, commit.partition, commit.offset);
      });
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      const failure = new Failure(
        'queue',
        'unavailable',
        `cannot write the log ${this.#options.path}: ${message}`,
        { cause },
      );
      for (const write of group) write.reject(failure);
      return false;
    }
    for (const [key, commit] of commits)
      if (this.#dirtyCommits.get(key) === commit) this.#dirtyCommits.delete(key);
    for (const [state, end] of ends) Object.assign(state, end);
    group.forEach((write, i) => write.resolve(positions[i] as RecordPosition[]));
    for (const topic of new Set([...ends.keys()].map((state) => state.topic)))
      for (const member of this.#groupsOf(topic)) member.wake();
    return true;
  }

  #takeGroup(): PendingWrite[] {
    let records = 0;
    let bytes = 0;
    let count = 0;
    for (const write of this.#pending) {
      if (count > 0 && (records + write.rows.length > GROUP_RECORDS || bytes + write.bytes > GROUP_BYTES))
        break;
      records += write.rows.length;
      bytes += write.bytes;
      count += 1;
    }
    this.#pendingBytes -= bytes;
    return this.#pending.splice(0, count);
  }

  #append(
    row: PendingRow,
    ends: Map<PartitionState, { endOffset: number; bytes: number }>,
    now: number,
  ): RecordPosition {
    const { state, record, size } = row;
    const end = ends.get(state) ?? { endOffset: state.endOffset, bytes: state.bytes };
    const offset = end.endOffset;
    const timestamp = record.timestamp ?? now;
    const headers = encodeHeaders(record.headers);
    this.#store.append(state.id, offset, { timestamp, key: record.key, value: record.value, headers });
    ends.set(state, { endOffset: offset + 1, bytes: end.bytes + size + 8 * record.headers.length });
    return { topic: state.topic, partition: state.partition, offset: BigInt(offset), timestamp };
  }

  #describeGroups(partitions: readonly PartitionState[]): TopicDescription['groups'] {
    const names = new Set(partitions.flatMap((state) => [...(this.#committed.get(state.id)?.keys() ?? [])]));
    return [...names].sort().map((group) => ({
      group,
      partitions: partitions.map((state) => {
        const committed = this.#committed.get(state.id)?.get(group) ?? state.startOffset;
        return {
          partition: state.partition,
          committed: BigInt(committed),
          lag: BigInt(Math.max(0, state.endOffset - Math.max(committed, state.startOffset))),
        };
      }),
    }));
  }

  #groupsOf(topic: string): ConsumerGroup[] {
    return [...this.#groups.values()].filter((group) => group.topic === topic);
  }

  #rebalance(topic: string): void {
    for (const group of this.#groupsOf(topic)) group.rebalance();
  }

  #checkOpen(): void {
    if (this.#closed) throw closedFailure();
  }
}

interface PendingRow {
  readonly state: PartitionState;
  readonly record: RecordToProduce;
  readonly size: number;
}

interface PendingWrite {
  readonly rows: readonly PendingRow[];
  readonly bytes: number;
  readonly resolve: (positions: readonly RecordPosition[]) => void;
  readonly reject: (error: Error) => void;
}

function closedFailure(): Failure {
  return new Failure('queue', 'unavailable', 'cannot use the log: it is closed');
}

function checkLimit(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1 || value > 10_000)
    throw new Failure('queue', 'bad_request', `cannot use ${name} [${value}]: 1 to 10000 are allowed`);
}
