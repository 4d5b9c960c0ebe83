import { setTimeout as sleep } from 'node:timers/promises';
import type { PartitionState } from './log-store.ts';
import type { QueueRecord, SubscribeOptions, Subscription } from './queue.ts';

/** What a group needs of the log. */
export interface GroupLog {
  /** Empty while the topic does not exist. */
  partitions(): readonly PartitionState[];
  read(state: PartitionState, offset: number, limit: number): QueueRecord[];
  committed(partitionId: number): number | undefined;
  commit(partitionId: number, offset: number): void;
}

const FIRST_BACK_OFF_MS = 50;
const MAX_BACK_OFF_MS = 5_000;

/**
 * The members of one consumer group on one topic, all in this process. Each partition has one lane at a time: a loop that
 * reads, delivers and commits. When the members change, a partition's new lane begins only after its old one has ended, so
 * no two members ever hold the same partition.
 */
export class ConsumerGroup {
  readonly group: string;
  readonly topic: string;
  readonly #log: GroupLog;
  readonly #members: Member[] = [];
  /** By partition id. A lane stays here after it was told to stop, for the next one to wait for. */
  readonly #lanes = new Map<number, Lane>();

  constructor(group: string, topic: string, log: GroupLog) {
    this.group = group;
    this.topic = topic;
    this.#log = log;
  }

  join(options: SubscribeOptions): Subscription {
    const member = new Member(options);
    // The first position is durable at once: what is produced from now on is this group's, whatever dies in between.
    for (const state of this.#log.partitions()) {
      if (this.#log.committed(state.id) !== undefined) continue;
      this.#log.commit(state.id, options.offsetReset === 'earliest' ? state.startOffset : state.endOffset);
    }
    this.#members.push(member);
    this.rebalance();
    return {
      pause: () => member.pause(),
      resume: () => member.resume(),
      [Symbol.asyncDispose]: () => this.#leave(member),
    };
  }

  /** Gives each partition its member, round robin. Called when members or partitions change. */
  rebalance(): void {
    const partitions = this.#log.partitions();
    const ids = new Set(partitions.map((state) => state.id));
    for (const [id, lane] of this.#lanes) if (!ids.has(id)) lane.stopping.abort();
    partitions.forEach((state, i) => {
      const member = this.#members.length > 0 ? this.#members[i % this.#members.length] : undefined;
      const lane = this.#lanes.get(state.id);
      if (lane && !lane.stopping.signal.aborted && lane.member === member) return;
      lane?.stopping.abort();
      if (member) this.#lanes.set(state.id, this.#startLane(state, member, lane?.ended));
    });
  }

  /** There are new records. */
  wake(): void {
    for (const lane of this.#lanes.values()) lane.wake();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#leave(member)));
  }

  async #leave(member: Member): Promise<void> {
    const at = this.#members.indexOf(member);
    if (at >= 0) this.#members.splice(at, 1);
    const lanes = [...this.#lanes.values()].filter((lane) => lane.member === member);
    for (const lane of lanes) lane.stopping.abort();
    this.rebalance();
    await Promise.all(lanes.map((lane) => lane.ended));
  }

  #startLane(state: PartitionState, member: Member, previous: Promise<void> | undefined): Lane {
    const stopping = new AbortController();
    const lane: Lane = { member, stopping, wake: () => {}, ended: Promise.resolve() };
    lane.ended = (async () => {
      await previous;
      await this.#run(state, lane);
      if (this.#lanes.get(state.id) === lane) this.#lanes.delete(state.id);
    })();
    return lane;
  }

  async #run(state: PartitionState, lane: Lane): Promise<void> {
    const { member } = lane;
    const { signal } = lane.stopping;
    const { options } = member;
    let backOffMs = FIRST_BACK_OFF_MS;
    while (!signal.aborted) {
      await until(member.resumed, signal);
      if (signal.aborted) return;
      const position = this.#position(state, options);
      if (position >= state.endOffset) {
        await nextWake(lane);
        continue;
      }
      let records: readonly QueueRecord[] = [];
      let doneCount = 0;
      const done = (count: number) => {
        if (count <= doneCount || count > records.length || !this.#log.partitions().includes(state)) return;
        doneCount = count;
        this.#log.commit(state.id, Number((records[count - 1] as QueueRecord).offset) + 1);
      };
      try {
        records = this.#log.read(state, position, options.maxBatchSize);
        await options.onRecords(records, signal, done);
        done(records.length);
        backOffMs = FIRST_BACK_OFF_MS;
        // A callback that never leaves the microtask queue would otherwise keep the event loop from everyone else.
        await new Promise((resolve) => setImmediate(resolve));
      } catch (error) {
        if (signal.aborted) return;
        options.onError(error instanceof Error ? error : new Error(String(error)));
        if (doneCount > 0) backOffMs = FIRST_BACK_OFF_MS;
        await sleep(backOffMs, undefined, { signal }).catch(() => {});
        backOffMs = Math.min(backOffMs * 2, MAX_BACK_OFF_MS);
      }
    }
  }

  #position(state: PartitionState, options: SubscribeOptions): number {
    // A partition without a commit came after the group joined (its topic was deleted and created anew): all of it is new.
    const committed = this.#log.committed(state.id) ?? state.startOffset;
    if (committed >= state.startOffset) return committed;
    options.onError(
      new Error(
        `cannot read offsets ${committed} to ${state.startOffset - 1} of ${state.topic}/${state.partition}: retention deleted them before group [${this.group}] came to them`,
      ),
    );
    this.#log.commit(state.id, state.startOffset);
    return state.startOffset;
  }
}

interface Lane {
  readonly member: Member;
  readonly stopping: AbortController;
  wake: () => void;
  ended: Promise<void>;
}

class Member {
  readonly options: SubscribeOptions;
  /** Settled while the member takes records. */
  resumed: Promise<void> = Promise.resolve();
  #resume: (() => void) | undefined;

  constructor(options: SubscribeOptions) {
    this.options = options;
  }

  pause(): void {
    if (this.#resume) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.resumed = promise;
    this.#resume = resolve;
  }

  resume(): void {
    this.#resume?.();
    this.#resume = undefined;
  }
}

function nextWake(lane: Lane): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  lane.wake = resolve;
  return until(promise, lane.stopping.signal);
}

/** Waits for the promise or the signal, whichever comes first. */
async function until(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const stop = () => resolve();
  signal.addEventListener('abort', stop, { once: true });
  await Promise.race([promise, aborted]);
  signal.removeEventListener('abort', stop);
}
