import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumer, GroupAssignment } from '@platformatic/kafka';
import type { SubscribeOptions } from '../queue.ts';
import { DEFAULT_SESSION_TIMEOUT_MS, type KafkaClients } from './clients.ts';
import { Commits } from './commits.ts';
import { hasApiError, isTopicGone, kafkaFailure, responseOf } from './failure.ts';
import { Lane } from './lane.ts';
import { EARLIEST, fetchPartition, LATEST } from './reader.ts';
import { recordsOf, type FetchResponse } from './records.ts';

const FETCH_WAIT_MS = 250;
const FETCH_BYTES = 8 * 1024 ** 2;
const PARTITION_BYTES = 1024 ** 2;
const FETCH_BACK_OFF_MS = 200;
/** Fetches that fail in a row before somebody is told. */
const FAILURES_TO_TELL = 10;
const FLUSH_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 5_000;

/** What a subscription remembers from one session to the next. */
export interface Memory {
  /** Positions have been found once: a partition without one is new since then, and all of it is for us. */
  hasJoined: boolean;
  topicId: string | undefined;
}

export interface SessionOptions {
  readonly clients: KafkaClients;
  readonly subscription: SubscribeOptions;
  readonly memory: Memory;
  /** Of the topic as it is now: one that is deleted and created anew is another. */
  readonly topicId: string;
  readonly instanceId: string | undefined;
  readonly resumed: () => Promise<void>;
}

/** Why a session cannot go on. No error: the topic went or grew, which is nobody's fault. */
export interface Ended {
  readonly error?: unknown;
}

/**
 * One membership in a consumer group (classic protocol, cooperative-sticky), and the partitions it was given. A rebalance only
 * touches the partitions that move: their lanes are stopped, and their commits sent, before this member agrees to it, for
 * `protocolsMetadata` is asked for in front of each JoinGroup.
 */
export class Session {
  readonly ended: Promise<Ended>;
  readonly #end: (ended: Ended) => void;
  readonly #options: SessionOptions;
  readonly #member: Consumer;
  /** Never joins: its connections are for fetches, which block those behind them. */
  readonly #fetcher: Consumer;
  readonly #commits: Commits;
  readonly #lanes = new Map<number, Lane>();
  /** Leaders that a fetch is under way to. */
  readonly #fetching = new Set<number>();
  readonly #revokeMs: number;
  #isPlanning = false;
  #isWanted = false;
  #isOrderly = false;
  #isClosing = false;
  #failures = 0;
  #partitionCount = 0;
  #assigned: Promise<void> = Promise.resolve();

  constructor(options: SessionOptions) {
    this.#options = options;
    const { clients, subscription } = options;
    const { promise, resolve } = Promise.withResolvers<Ended>();
    this.ended = promise;
    this.#end = resolve;
    const sessionTimeout = clients.options.sessionTimeoutMs ?? DEFAULT_SESSION_TIMEOUT_MS;
    // No heartbeat goes out while a member thinks about a JoinGroup: it has to be shorter than the session.
    this.#revokeMs = sessionTimeout * 0.6;
    this.#member = clients.consumer(subscription.group, {
      sessionTimeout,
      rebalanceTimeout: Math.max(sessionTimeout, 60_000),
      heartbeatInterval: Math.min(1_000, sessionTimeout / 6),
      protocols: [{ name: 'cooperative-sticky', version: 3 }],
      protocolsMetadata: () => this.#beforeJoin(),
      ...(options.instanceId === undefined ? {} : { groupInstanceId: options.instanceId }),
    });
    this.#fetcher = clients.consumer(subscription.group, { retries: 0 });
    this.#member.topics.track(subscription.topic);
    this.#fetcher.topics.track(subscription.topic);
    this.#commits = new Commits(
      (offsets) => this.#commit(offsets),
      (error) => this.#commitFailed(error),
    );
    this.#member.on('consumer:group:rebalance', () => (this.#isOrderly = true));
    this.#member.on('consumer:group:join', ({ assignments }) => {
      this.#assigned = this.#assigned.then(() => this.#assign(assignments ?? []));
    });
    this.#member.on('consumer:heartbeat:stalled', ({ lastError }) =>
      this.#end({ error: lastError ?? new Error('no heartbeat came back') }),
    );
    this.#member.on('error', (error: Error) => this.#end({ error }));
    this.#fetcher.on('error', (error: Error) => this.#end({ error }));
  }

  /** Resolves when this member has its first partitions and their positions are durable. */
  async join(): Promise<void> {
    await this.#member.joinGroup({});
    await this.#assigned;
    await this.#commits.flush(FLUSH_TIMEOUT_MS);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    for (const lane of this.#lanes.values()) lane.stop();
    await Promise.all([...this.#lanes.values()].map((lane) => lane.ended));
    await this.#commits.flush(FLUSH_TIMEOUT_MS);
    this.#commits.hold();
    const closed = Promise.allSettled([this.#member.close(true), this.#fetcher.close(true)]);
    const late = new AbortController();
    await Promise.race([closed, sleep(CLOSE_TIMEOUT_MS, undefined, { signal: late.signal }).catch(() => {})]);
    late.abort();
  }

  async #beforeJoin(): Promise<Buffer> {
    const { topic } = this.#options.subscription;
    const kept = new Set(
      this.#member.assignments?.flatMap((each) => (each.topic === topic ? each.partitions : [])),
    );
    const revoked = [...this.#lanes.values()].filter((lane) => !kept.has(lane.partition));
    for (const lane of revoked) lane.stop();
    const late = new AbortController();
    await Promise.race([
      Promise.all(revoked.map((lane) => lane.ended)),
      sleep(this.#revokeMs, undefined, { signal: late.signal }).catch(() => {}),
    ]);
    late.abort();
    // Who was thrown out of the group may commit nothing; the new owners begin where the last commit was.
    if (this.#isOrderly) await this.#commits.flush(FLUSH_TIMEOUT_MS);
    this.#isOrderly = false;
    this.#commits.hold();
    this.#commits.forgetAllBut(kept);
    // What Java's assignor writes as user data (CooperativeStickyAssignor.subscriptionUserData).
    const generation = Buffer.alloc(4);
    generation.writeInt32BE(kept.size > 0 ? this.#member.generationId : -1);
    return generation;
  }

  async #assign(assignments: readonly GroupAssignment[]): Promise<void> {
    if (this.#isClosing) return;
    const { subscription, resumed, memory } = this.#options;
    const { topic } = subscription;
    const given = new Set(assignments.flatMap((each) => (each.topic === topic ? each.partitions : [])));
    for (const [partition, lane] of this.#lanes) if (!given.has(partition)) lane.stop();
    this.#commits.forgetAllBut(given);
    this.#commits.release();
    const added = [...given].filter((partition) => this.#lanes.get(partition)?.isStopped !== false);
    try {
      const positions = await this.#positions(added);
      if (this.#isClosing) return;
      for (const [partition, offset] of positions) {
        const lane: Lane = new Lane({
          partition,
          subscription,
          offset,
          previous: this.#lanes.get(partition)?.ended,
          commit: (at, done) => {
            if (this.#lanes.get(at) === lane) this.#commits.add(at, done);
          },
          hungry: () => this.#fetchMore(),
          resumed,
        });
        this.#lanes.set(partition, lane);
      }
      memory.hasJoined = true;
      memory.topicId = this.#options.topicId;
      this.#fetchMore();
    } catch (error) {
      this.#end(isTopicGone(error) ? {} : { error });
    }
  }

  /** Where each partition's reading begins; a position that was not committed yet is, at once. */
  async #positions(partitions: readonly number[]): Promise<Map<number, bigint>> {
    const found = new Map<number, bigint>();
    if (partitions.length === 0) return found;
    const { subscription, memory, topicId } = this.#options;
    const { topic } = subscription;
    const asked = { topics: [topic], partitions: { [topic]: [...partitions] } };
    const isNewTopic = memory.topicId !== undefined && memory.topicId !== topicId;
    // The brokers forget the positions of a deleted topic, but not at once.
    const commits = isNewTopic
      ? undefined
      : (await this.#member.listCommittedOffsets({ topics: [{ topic, partitions: [...partitions] }] })).get(
          topic,
        );
    const starts = (await this.#fetcher.listOffsets({ ...asked, timestamp: EARLIEST })).get(topic);
    const fallback =
      memory.hasJoined || subscription.offsetReset === 'earliest'
        ? starts
        : (await this.#fetcher.listOffsets({ ...asked, timestamp: LATEST })).get(topic);
    for (const partition of partitions) {
      const committed = commits?.[partition] ?? -1n;
      const start = starts?.[partition] ?? 0n;
      if (committed >= start) {
        found.set(partition, committed);
        continue;
      }
      const position = committed >= 0n ? start : (fallback?.[partition] ?? start);
      if (committed >= 0n) this.#tellLost(partition, committed, start);
      found.set(partition, position);
      this.#commits.add(partition, position);
    }
    return found;
  }

  #tellLost(partition: number, from: bigint, to: bigint): void {
    const { topic, group, onError } = this.#options.subscription;
    onError(
      new Error(
        `cannot read offsets ${from} to ${to - 1n} of ${topic}/${partition}: retention deleted them before group [${group}] came to them`,
      ),
    );
  }

  async #commit(offsets: ReadonlyMap<number, bigint>): Promise<void> {
    const { topic } = this.#options.subscription;
    await this.#member.commit({
      offsets: [...offsets].map(([partition, offset]) => ({ topic, partition, offset, leaderEpoch: -1 })),
    });
  }

  #commitFailed(error: unknown): void {
    if (this.#isClosing) return;
    if (isTopicGone(error)) this.#end({});
    else
      this.#options.subscription.onError(
        kafkaFailure(error, `cannot commit offsets of group [${this.#options.subscription.group}]`),
      );
  }

  /** One fetch to each leader of a lane that has room. */
  #fetchMore(): void {
    this.#isWanted = true;
    if (!this.#isPlanning) void this.#plan();
  }

  async #plan(): Promise<void> {
    this.#isPlanning = true;
    while (this.#isWanted && !this.#isClosing) {
      // A turn of the event loop, so that lanes which become hungry together are asked for together.
      await new Promise((resolve) => setImmediate(resolve));
      this.#isWanted = false;
      try {
        for (const [leader, lanes] of await this.#hungryByLeader()) {
          this.#fetching.add(leader);
          void this.#fetch(leader, lanes);
        }
      } catch (error) {
        await this.#fetchFailed(error);
        this.#isWanted = true;
      }
    }
    this.#isPlanning = false;
  }

  async #hungryByLeader(): Promise<Map<number, Lane[]>> {
    const { topic } = this.#options.subscription;
    const metadata = (await this.#fetcher.metadata({ topics: [topic] })).topics.get(topic);
    const found = new Map<number, Lane[]>();
    if (metadata && metadata.id !== this.#options.topicId) {
      this.#end({});
      return found;
    }
    // The topic grew: whoever sees it first joins anew, and the others are called to.
    if (metadata && this.#partitionCount > 0 && metadata.partitionsCount > this.#partitionCount)
      this.#end({});
    this.#partitionCount = metadata?.partitionsCount ?? 0;
    for (const lane of this.#lanes.values()) {
      const leader = metadata?.partitions[lane.partition]?.leader ?? -1;
      if (!lane.isHungry || this.#fetching.has(leader)) continue;
      const lanes = found.get(leader);
      if (lanes) lanes.push(lane);
      else found.set(leader, [lane]);
    }
    return found;
  }

  async #fetch(node: number, lanes: readonly Lane[]): Promise<void> {
    const asked = new Map(lanes.map((lane) => [lane.partition, { lane, offset: lane.fetchOffset }]));
    try {
      const response = await this.#fetcher.fetch({
        node,
        maxBytes: FETCH_BYTES,
        maxWaitTime: FETCH_WAIT_MS,
        topics: [
          {
            topicId: this.#options.topicId,
            partitions: lanes.map((lane) =>
              fetchPartition(lane.partition, lane.fetchOffset, PARTITION_BYTES),
            ),
          },
        ],
      });
      this.#failures = 0;
      this.#deliver(response, asked);
    } catch (error) {
      // The others' records are in the same answer as one partition's error.
      const response = responseOf(error) as FetchResponse | undefined;
      if (response?.responses) this.#deliver(response, asked);
      await this.#fetchFailed(error, lanes);
    } finally {
      this.#fetching.delete(node);
      this.#fetchMore();
    }
  }

  #deliver(
    response: FetchResponse,
    asked: ReadonlyMap<number, { readonly lane: Lane; readonly offset: bigint }>,
  ): void {
    for (const { topicId, partitions } of response.responses) {
      if (topicId !== this.#options.topicId) continue;
      for (const answer of partitions) {
        const found = asked.get(answer.partitionIndex);
        if (!found || answer.errorCode !== 0 || found.lane.isStopped) continue;
        const { records, next } = recordsOf(this.#options.subscription.topic, answer, found.offset);
        found.lane.push(records, next);
      }
    }
  }

  async #fetchFailed(error: unknown, lanes: readonly Lane[] = []): Promise<void> {
    if (this.#isClosing) return;
    if (isTopicGone(error) && (await this.#isOtherTopic())) return this.#end({});
    if (hasApiError(error, 'OFFSET_OUT_OF_RANGE')) return this.#backInRange(lanes);
    this.#failures += 1;
    if (this.#failures % FAILURES_TO_TELL === 0)
      this.#options.subscription.onError(
        kafkaFailure(error, `cannot fetch from topic [${this.#options.subscription.topic}]`),
      );
    this.#fetcher.clearMetadata();
    await sleep(Math.min(FETCH_BACK_OFF_MS * this.#failures, 2_000));
  }

  async #isOtherTopic(): Promise<boolean> {
    try {
      const found = await this.#options.clients.findTopic(this.#options.subscription.topic);
      return found?.id !== this.#options.topicId;
    } catch {
      return false;
    }
  }

  /** Retention overtook a lane: it goes on with the oldest record. Or the log was cut: with what comes next. */
  async #backInRange(lanes: readonly Lane[]): Promise<void> {
    const { topic } = this.#options.subscription;
    try {
      const starts = (await this.#fetcher.listOffsets({ topics: [topic], timestamp: EARLIEST })).get(topic);
      const ends = (await this.#fetcher.listOffsets({ topics: [topic], timestamp: LATEST })).get(topic);
      for (const lane of lanes) {
        const start = starts?.[lane.partition] ?? 0n;
        const end = ends?.[lane.partition] ?? 0n;
        if (lane.fetchOffset < start) {
          this.#tellLost(lane.partition, lane.fetchOffset, start);
          lane.fetchOffset = start;
        } else if (lane.fetchOffset > end) lane.fetchOffset = end;
      }
    } catch (error) {
      this.#end({ error });
    }
  }
}
