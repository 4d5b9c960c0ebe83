import type { ClusterTopicMetadata, Producer } from '@platformatic/kafka';
import { Failure } from '../../../server/failure.ts';
import { checkRecord, MAX_RECORD_BYTES } from '../check-record.ts';
import { partitionForKey } from '../partitioner.ts';
import type { RecordPosition, RecordToProduce } from '../queue.ts';
import { checkTopicName } from '../topic-name.ts';
import type { KafkaClients } from './clients.ts';
import { isTopicGone, kafkaFailure, responseOf } from './failure.ts';

/** Records of one partition go in one batch up to this size: a batch, too, must keep under the brokers' `message.max.bytes`. */
const BATCH_BYTES = 768 * 1024;
const REQUEST_BYTES = 4 * 1024 ** 2;
/** Waiting to be sent. Past it, producers are told to come back. */
const MAX_PENDING_BYTES = 64 * 1024 ** 2;
/** A topic's partitions and their leaders are looked up again after this long. */
const TOPIC_AGE_MS = 5_000;

/**
 * Sends what was produced while the request before was under way: one request to a leader at a time, and of each partition
 * one batch at a time, so that order is kept whatever fails. acks=all, and idempotent: what the client itself tries again is
 * written once.
 */
export class KafkaProducer {
  readonly #clients: KafkaClients;
  readonly #producer: Producer;
  readonly #topics = new Map<string, Topic>();
  readonly #opening = new Map<string, Promise<Topic>>();
  readonly #lanes = new Map<string, Lane>();
  readonly #busyLeaders = new Set<number>();
  #pendingBytes = 0;
  #roundRobin = 0;
  #scheduled = false;

  constructor(clients: KafkaClients) {
    this.#clients = clients;
    this.#producer = clients.producer();
  }

  async produce(topic: string, records: readonly RecordToProduce[]): Promise<readonly RecordPosition[]> {
    const known = this.#topics.get(topic);
    const { metadata } = known && Date.now() - known.at < TOPIC_AGE_MS ? known : await this.#openTopic(topic);
    const count = metadata.partitionsCount;
    const sizes = records.map((record) => checkRecord(topic, record, count, MAX_RECORD_BYTES));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    if (this.#pendingBytes + bytes > MAX_PENDING_BYTES && this.#pendingBytes > 0)
      throw new Failure(
        'queue',
        'overloaded',
        `cannot produce to topic [${topic}]: ${this.#pendingBytes} bytes wait to be sent already`,
      );
    const now = Date.now();
    const entries = records.map((record, i): Entry => {
      const timestamp = record.timestamp ?? now;
      const partition = this.#choosePartition(record, count);
      return {
        record,
        timestamp,
        partition,
        bytes: sizes[i] as number,
        again: false,
        ...Promise.withResolvers<RecordPosition>(),
      };
    });
    for (const entry of entries) this.#laneOf(topic, entry.partition).waiting.push(entry);
    this.#pendingBytes += bytes;
    this.#schedule();
    // All of them settle before this does: a caller that tries again then repeats nothing that is still under way.
    const results = await Promise.allSettled(entries.map(({ promise }) => promise));
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }

  /** The topic was deleted: whoever produces to it next creates it anew. */
  forget(topic: string): void {
    this.#topics.delete(topic);
    this.#producer.clearMetadata();
  }

  async close(): Promise<void> {
    const waiting = [...this.#lanes.values()].flatMap((lane) => [...lane.waiting, ...lane.sending]);
    await Promise.allSettled(waiting.map(({ promise }) => promise));
    await this.#producer.close();
  }

  #openTopic(topic: string): Promise<Topic> {
    const underWay = this.#opening.get(topic);
    if (underWay) return underWay;
    const opening = (async () => {
      checkTopicName(topic);
      const opened = { metadata: await this.#clients.openTopic(topic), at: Date.now() };
      this.#topics.set(topic, opened);
      return opened;
    })().finally(() => this.#opening.delete(topic));
    this.#opening.set(topic, opening);
    return opening;
  }

  #choosePartition(record: RecordToProduce, count: number): number {
    if (record.partition !== undefined) return record.partition;
    if (record.key !== null) return partitionForKey(record.key, count);
    this.#roundRobin = (this.#roundRobin + 1) % 2 ** 30;
    return this.#roundRobin % count;
  }

  #laneOf(topic: string, partition: number): Lane {
    const name = `${topic}:${partition}`;
    let lane = this.#lanes.get(name);
    if (!lane) this.#lanes.set(name, (lane = { topic, partition, waiting: [], sending: [] }));
    return lane;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      for (const [leader, lanes] of this.#lanesByLeader()) void this.#send(leader, lanes);
    });
  }

  /** Lanes that have something to send, and whose leader is not busy. */
  #lanesByLeader(): Map<number, Lane[]> {
    const found = new Map<number, Lane[]>();
    for (const [name, lane] of this.#lanes) {
      if (lane.sending.length > 0) continue;
      if (lane.waiting.length === 0) {
        this.#lanes.delete(name);
        continue;
      }
      const leader = this.#topics.get(lane.topic)?.metadata.partitions[lane.partition]?.leader ?? -1;
      if (this.#busyLeaders.has(leader)) continue;
      const lanes = found.get(leader);
      if (lanes) lanes.push(lane);
      else found.set(leader, [lane]);
    }
    return found;
  }

  async #send(leader: number, ready: readonly Lane[]): Promise<void> {
    this.#busyLeaders.add(leader);
    const lanes: Lane[] = [];
    let bytes = 0;
    for (const lane of ready) {
      if (bytes > REQUEST_BYTES) break;
      bytes += take(lane);
      lanes.push(lane);
    }
    const messages = lanes.flatMap((lane) => lane.sending.map((entry) => messageOf(lane, entry)));
    try {
      const { offsets } = await this.#producer.send({ messages });
      for (const lane of lanes)
        settle(
          lane,
          offsets?.find((each) => each.topic === lane.topic && each.partition === lane.partition)?.offset,
        );
    } catch (error) {
      for (const lane of lanes) this.#failed(lane, error, lanes.length);
    }
    this.#pendingBytes -= bytes;
    this.#busyLeaders.delete(leader);
    this.#schedule();
  }

  /** One partition's error is in the same answer as the others' success. */
  #failed(lane: Lane, error: unknown, lanes: number): void {
    const written = answersOf(error).find(
      (answer) => answer.topic === lane.topic && answer.partition === lane.partition,
    );
    if (written && written.errorCode === 0) return settle(lane, written.offset);
    const entries = lane.sending;
    lane.sending = [];
    if (isTopicGone(error)) this.#topics.delete(lane.topic);
    // The topic was deleted by somebody else, and comes back with its next use; or a request with other topics failed for them.
    if (entries.every(({ again }) => !again) && (isTopicGone(error) || lanes > 1)) {
      for (const entry of entries) entry.again = true;
      void this.#sendAgain(lane.topic, entries);
      return;
    }
    const failure = kafkaFailure(error, `cannot produce to topic [${lane.topic}]`);
    for (const { reject } of entries) reject(failure);
  }

  async #sendAgain(topic: string, entries: readonly Entry[]): Promise<void> {
    try {
      const { metadata } = this.#topics.get(topic) ?? (await this.#openTopic(topic));
      for (const entry of entries) {
        if (entry.partition >= metadata.partitionsCount)
          throw new Failure(
            'queue',
            'bad_request',
            `cannot produce to partition ${entry.partition} of topic [${topic}]: it has ${metadata.partitionsCount}`,
          );
      }
      const lane = this.#laneOf(topic, entries[0]?.partition ?? 0);
      lane.waiting.unshift(...entries);
      this.#pendingBytes += entries.reduce((sum, entry) => sum + entry.bytes, 0);
      this.#schedule();
    } catch (error) {
      for (const { reject } of entries) reject(kafkaFailure(error, `cannot produce to topic [${topic}]`));
    }
  }
}

interface Topic {
  readonly metadata: ClusterTopicMetadata;
  /** Unix ms. */
  readonly at: number;
}

interface Entry extends PromiseWithResolvers<RecordPosition> {
  readonly record: RecordToProduce;
  readonly partition: number;
  readonly timestamp: number;
  readonly bytes: number;
  again: boolean;
}

interface Lane {
  readonly topic: string;
  readonly partition: number;
  waiting: Entry[];
  sending: Entry[];
}

/** Moves the next batch from `waiting` to `sending`; its bytes. */
function take(lane: Lane): number {
  let bytes = 0;
  let count = 0;
  for (const entry of lane.waiting) {
    if (count > 0 && bytes + entry.bytes > BATCH_BYTES) break;
    bytes += entry.bytes;
    count += 1;
  }
  lane.sending = lane.waiting.splice(0, count);
  return bytes;
}

/** `baseOffset` is that of the first record of the batch. */
function settle(lane: Lane, baseOffset: bigint | undefined): void {
  const entries = lane.sending;
  lane.sending = [];
  for (const [i, entry] of entries.entries()) {
    const { topic, partition } = lane;
    if (baseOffset === undefined)
      entry.reject(
        new Failure(
          'queue',
          'unavailable',
          `cannot produce to topic [${topic}]: no answer for partition ${partition}`,
        ),
      );
    else entry.resolve({ topic, partition, offset: baseOffset + BigInt(i), timestamp: entry.timestamp });
  }
}

function messageOf(lane: Lane, { record, timestamp }: Entry) {
  return {
    topic: lane.topic,
    partition: lane.partition,
    key: record.key ?? undefined,
    // A tombstone; the client's own type does not know of them, its writer does.
    value: record.value as Buffer,
    // The client wants a map. Buffers are compared by identity, so names may repeat.
    headers: new Map(record.headers.map(([name, value]) => [Buffer.from(name), value])),
    timestamp: BigInt(timestamp),
  };
}

interface Answer {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly offset: bigint;
}

function answersOf(error: unknown): Answer[] {
  const response = responseOf(error) as
    | {
        responses?: {
          name: string;
          partitionResponses: { index: number; errorCode: number; baseOffset: bigint }[];
        }[];
      }
    | undefined;
  return (response?.responses ?? []).flatMap(({ name, partitionResponses }) =>
    partitionResponses.map(({ index, errorCode, baseOffset }) => ({
      topic: name,
      partition: index,
      errorCode,
      offset: baseOffset,
    })),
  );
}
