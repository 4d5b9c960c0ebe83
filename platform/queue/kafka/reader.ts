import type { Consumer } from '@platformatic/kafka';
import { Failure } from '../../../server/failure.ts';
import type { PeekOptions, QueueRecord, TopicDescription } from '../queue.ts';
import type { KafkaClients } from './clients.ts';
import { isTopicGone, kafkaFailure } from './failure.ts';
import { recordsOf, type FetchResponse } from './records.ts';

/** ListOffsets' words for the first offset and the one after the last. */
export const EARLIEST = -2n;
export const LATEST = -1n;

const PEEK_BYTES = 4 * 1024 ** 2;
const PEEK_WAIT_MS = 500;
/** A topic may go between two of the questions that describe it. */
const DESCRIBE_TRIES = 3;

/** What is asked of topics without being in a group. One question at a time: a client has one fetch session with a broker. */
export class KafkaReader {
  readonly #clients: KafkaClients;
  readonly #consumer: Consumer;
  #last: Promise<unknown> = Promise.resolve();

  constructor(clients: KafkaClients) {
    this.#clients = clients;
    this.#consumer = clients.consumer('spoor-reader');
  }

  peek(topic: string, options: PeekOptions): Promise<readonly QueueRecord[]> {
    return this.#inTurn(async () => {
      this.#consumer.topics.track(topic);
      try {
        return await this.#peek(topic, options);
      } catch (error) {
        if (isTopicGone(error)) throw noSuchTopic(topic);
        throw kafkaFailure(error, `cannot read topic [${topic}]`);
      } finally {
        this.#consumer.topics.untrack(topic);
      }
    });
  }

  topics(): Promise<readonly TopicDescription[]> {
    return this.#inTurn(async () => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await this.#describe();
        } catch (error) {
          if (isTopicGone(error) && tries < DESCRIBE_TRIES) continue;
          throw kafkaFailure(error, 'cannot list topics');
        }
      }
    });
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#consumer.close();
  }

  async #inTurn<T>(question: () => Promise<T>): Promise<T> {
    const answer = this.#last.then(question);
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #peek(topic: string, options: PeekOptions): Promise<readonly QueueRecord[]> {
    const found = await this.#clients.findTopic(topic);
    if (!found) throw noSuchTopic(topic);
    if (options.partition !== undefined && options.partition >= found.partitionsCount)
      throw new Failure(
        'queue',
        'not_found',
        `cannot read partition ${options.partition} of topic [${topic}]: it has ${found.partitionsCount}`,
      );
    this.#consumer.clearMetadata();
    const { starts, ends } = await this.#bounds([topic]);
    const chosen =
      options.partition === undefined
        ? Array.from({ length: found.partitionsCount }, (_, i) => i)
        : [options.partition];
    const records: QueueRecord[] = [];
    for (const partition of chosen) {
      const start = starts.get(topic)?.[partition] ?? 0n;
      const end = ends.get(topic)?.[partition] ?? 0n;
      const wanted = options.offset ?? end - BigInt(options.limit);
      let offset = wanted > start ? wanted : start;
      const stop = offset + BigInt(options.limit) < end ? offset + BigInt(options.limit) : end;
      while (offset < stop) {
        const leader = found.partitions[partition]?.leader ?? -1;
        const response = await this.#fetch(found.id, leader, partition, offset);
        const answer = response.responses[0]?.partitions.find((each) => each.partitionIndex === partition);
        if (!answer) break;
        const fetched = recordsOf(topic, answer, offset);
        if (fetched.next === offset) break;
        offset = fetched.next;
        records.push(...fetched.records.filter((record) => record.offset < stop));
      }
    }
    records.sort(
      (a, b) => a.timestamp - b.timestamp || a.partition - b.partition || Number(a.offset - b.offset),
    );
    if (chosen.length === 1) return records.sort((a, b) => Number(a.offset - b.offset));
    return options.offset === undefined ? records.slice(-options.limit) : records.slice(0, options.limit);
  }

  #fetch(topicId: string, node: number, partition: number, offset: bigint): Promise<FetchResponse> {
    return this.#consumer.fetch({
      node,
      maxBytes: PEEK_BYTES,
      maxWaitTime: PEEK_WAIT_MS,
      topics: [{ topicId, partitions: [fetchPartition(partition, offset, PEEK_BYTES)] }],
    });
  }

  async #bounds(topics: string[]) {
    if (topics.length === 0)
      return { starts: new Map<string, bigint[]>(), ends: new Map<string, bigint[]>() };
    const starts = await this.#consumer.listOffsets({ topics, timestamp: EARLIEST });
    const ends = await this.#consumer.listOffsets({ topics, timestamp: LATEST });
    return { starts, ends };
  }

  async #describe(): Promise<TopicDescription[]> {
    const { admin } = this.#clients;
    const names = (await admin.listTopics()).sort();
    this.#consumer.clearMetadata();
    const { starts, ends } = await this.#bounds(names);
    const groups = [...(await admin.listGroups()).keys()].sort();
    const committed =
      groups.length === 0 ? [] : await admin.listConsumerGroupOffsets({ groups, requireStable: false });
    return names.map((name) => {
      const partitions = (ends.get(name) ?? []).map((endOffset, partition) => ({
        partition,
        startOffset: starts.get(name)?.[partition] ?? 0n,
        endOffset,
      }));
      return {
        name,
        partitions,
        groups: committed.flatMap(({ groupId, topics }) => {
          const found = topics.find((topic) => topic.name === name)?.partitions ?? [];
          const offsets = new Map(found.map((each) => [each.partitionIndex, each.committedOffset]));
          if (![...offsets.values()].some((offset) => offset >= 0n)) return [];
          return [
            {
              group: groupId,
              partitions: partitions.map((each) => lagOf(each, offsets.get(each.partition))),
            },
          ];
        }),
      };
    });
  }
}

function lagOf(
  { partition, startOffset, endOffset }: TopicDescription['partitions'][number],
  offset = -1n,
): TopicDescription['groups'][number]['partitions'][number] {
  const committed = offset >= 0n ? offset : startOffset;
  const from = committed > startOffset ? committed : startOffset;
  return { partition, committed, lag: endOffset > from ? endOffset - from : 0n };
}

/** Leader epochs are left out (-1): a stale leader refuses by itself. */
export function fetchPartition(partition: number, fetchOffset: bigint, partitionMaxBytes: number) {
  return { partition, currentLeaderEpoch: -1, fetchOffset, lastFetchedEpoch: -1, partitionMaxBytes };
}

function noSuchTopic(topic: string): Failure {
  return new Failure('queue', 'not_found', `cannot read topic [${topic}]: there is none of that name`);
}
