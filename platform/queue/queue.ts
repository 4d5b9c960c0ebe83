/**
 * Topics: one contract with two makers, the embedded log (SQLite) and Kafka. Words and semantics are Kafka's: a topic has
 * partitions, a record an offset in one of them, a consumer group a committed position per partition.
 */
export interface Queue extends AsyncDisposable {
  /** `embedded` or `kafka`: `messaging.system` of the spans (`spoor` for the embedded log). */
  readonly system: 'kafka' | 'spoor';

  /** Appends in the order given; resolves once every record is durable. Creates the topic if it is not there. */
  produce(topic: string, records: readonly RecordToProduce[]): Promise<readonly RecordPosition[]>;

  /** Joins `options.group` and delivers its partitions' records. */
  subscribe(options: SubscribeOptions): Promise<Subscription>;

  /** Records from `offset` (default: the last `limit`), without any group. */
  peek(topic: string, options: PeekOptions): Promise<readonly QueueRecord[]>;

  createTopic(topic: string, options?: { readonly partitions?: number }): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
  topics(): Promise<readonly TopicDescription[]>;
}

/** Headers may repeat a name and hold any bytes. */
export type RecordHeaders = readonly (readonly [name: string, value: Buffer])[];

export interface RecordToProduce {
  readonly key: Buffer | null;
  /** null is a tombstone. */
  readonly value: Buffer | null;
  readonly headers: RecordHeaders;
  /** Default: by hash of the key (murmur2, as Kafka's own clients), round robin without one. */
  readonly partition?: number;
  /** Unix ms; default now. */
  readonly timestamp?: number;
}

export interface RecordPosition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** Unix ms. */
  readonly timestamp: number;
}

export interface QueueRecord extends RecordPosition {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RecordHeaders;
}

export interface SubscribeOptions {
  readonly topic: string;
  readonly group: string;
  /** Where a group without a committed offset starts. */
  readonly offsetReset: 'earliest' | 'latest';
  /** Most records handed out at a time, 1..10,000. */
  readonly maxBatchSize: number;
  /**
   * Called with records of one partition, in offset order, never twice at once for the same partition. When it resolves the
   * batch's outcome is durable and the offset after its last record is committed. When it rejects, what it had not yet
   * declared `done` is delivered again. `signal` aborts when the partition is taken away or the subscription stops: the
   * callback then settles soon, and only after that another member gets the partition.
   */
  readonly onRecords: (
    records: readonly QueueRecord[],
    signal: AbortSignal,
    /** The outcomes of the first `count` records are durable: their offsets may be committed before the batch is over. */
    done: (count: number) => void,
  ) => Promise<void>;
  /** The subscription lives on; this is for telling. */
  readonly onError: (error: Error) => void;
}

export interface Subscription extends AsyncDisposable {
  pause(): void;
  resume(): void;
}

export interface PeekOptions {
  readonly partition?: number;
  readonly offset?: bigint;
  /** 1..10,000 */
  readonly limit: number;
}

export interface TopicDescription {
  readonly name: string;
  readonly partitions: readonly {
    readonly partition: number;
    readonly startOffset: bigint;
    readonly endOffset: bigint;
  }[];
  readonly groups: readonly {
    readonly group: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly committed: bigint;
      readonly lag: bigint;
    }[];
  }[];
}
