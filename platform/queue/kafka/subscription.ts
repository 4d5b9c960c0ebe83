import { setTimeout as sleep } from 'node:timers/promises';
import type { SubscribeOptions, Subscription } from '../queue.ts';
import type { KafkaClients } from './clients.ts';
import { isBetweenLeaders, kafkaFailure } from './failure.ts';
import { Session, type Ended, type Memory } from './session.ts';

const FIRST_BACK_OFF_MS = 250;
const MAX_BACK_OFF_MS = 10_000;
/** Tries, one each FIRST_BACK_OFF_MS, before a leader that is still not there is worth telling. */
const MAX_LEADERLESS = 20;
/** How soon a topic that comes back is seen. */
const TOPIC_POLL_MS = 250;

/** By group: a static member's name says which of this process's subscriptions it is. */
const membersOf = new WeakMap<KafkaClients, Map<string, Set<number>>>();

/**
 * Sessions one after another until it is disposed: what ends one (brokers away, credentials refused, the topic deleted) is
 * told, waited out, and tried again. Resolves when the group was joined, or the first try to has failed.
 */
export async function subscribeTo(clients: KafkaClients, options: SubscribeOptions): Promise<Subscription> {
  const running = new KafkaSubscription(clients, options);
  await running.tried;
  return running;
}

class KafkaSubscription implements Subscription {
  readonly tried: Promise<void>;
  readonly #clients: KafkaClients;
  readonly #options: SubscribeOptions;
  readonly #memory: Memory = { hasJoined: false, topicId: undefined };
  readonly #stopping = new AbortController();
  readonly #stopped: Promise<Ended>;
  readonly #running: Promise<void>;
  readonly #index: number;
  #resumed: Promise<void> = Promise.resolve();
  #resume: (() => void) | undefined;

  constructor(clients: KafkaClients, options: SubscribeOptions) {
    this.#clients = clients;
    this.#options = options;
    this.#index = takeIndex(clients, options.group);
    const stopped = Promise.withResolvers<Ended>();
    this.#stopped = stopped.promise;
    this.#stopping.signal.addEventListener('abort', () => stopped.resolve({}));
    const tried = Promise.withResolvers<void>();
    this.tried = tried.promise;
    this.#running = this.#run(tried.resolve);
  }

  pause(): void {
    if (this.#resume) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resumed = promise;
    this.#resume = resolve;
  }

  resume(): void {
    this.#resume?.();
    this.#resume = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    membersOf.get(this.#clients)?.get(this.#options.group)?.delete(this.#index);
  }

  async #run(tried: () => void): Promise<void> {
    const { topic, group, onError } = this.#options;
    const { signal } = this.#stopping;
    let backOffMs = FIRST_BACK_OFF_MS;
    let leaderless = 0;
    while (!signal.aborted) {
      let error: unknown;
      try {
        const topicId = await this.#untilTopic();
        if (topicId === undefined) break;
        error = await this.#session(topicId, () => {
          backOffMs = FIRST_BACK_OFF_MS;
          leaderless = 0;
          tried();
        });
      } catch (thrown) {
        error = thrown;
      }
      if (isBetweenLeaders(error) && leaderless < MAX_LEADERLESS) {
        leaderless += 1;
        await sleep(FIRST_BACK_OFF_MS, undefined, { signal }).catch(() => {});
        continue;
      }
      tried();
      if (error === undefined || signal.aborted) continue;
      onError(kafkaFailure(error, `cannot consume topic [${topic}] in group [${group}]`));
      await sleep(backOffMs, undefined, { signal }).catch(() => {});
      backOffMs = Math.min(backOffMs * 2, MAX_BACK_OFF_MS);
    }
    tried();
  }

  /** The error that ended it, if one did. */
  async #session(topicId: string, joined: () => void): Promise<unknown> {
    const { instanceId } = this.#clients.options;
    const session = new Session({
      clients: this.#clients,
      subscription: this.#options,
      memory: this.#memory,
      topicId,
      instanceId:
        instanceId === undefined ? undefined : `${instanceId}-${this.#options.topic}-${this.#index}`,
      resumed: () => this.#resumed,
    });
    try {
      const ended = await Promise.race([session.join(), session.ended, this.#stopped]);
      if (ended) return ended.error;
      joined();
      return (await Promise.race([session.ended, this.#stopped])).error;
    } finally {
      await session.close();
    }
  }

  /** The first time the topic is created if need be; one that was deleted later is waited for. Undefined when stopped. */
  async #untilTopic(): Promise<string | undefined> {
    const { topic } = this.#options;
    if (!this.#memory.hasJoined) return (await this.#clients.openTopic(topic)).id;
    while (!this.#stopping.signal.aborted) {
      const found = await this.#clients.findTopic(topic);
      if (found) return found.id;
      await sleep(TOPIC_POLL_MS, undefined, { signal: this.#stopping.signal }).catch(() => {});
    }
    return undefined;
  }
}

/** The lowest that none of the process's other subscriptions in the group has: the same again after a restart. */
function takeIndex(clients: KafkaClients, group: string): number {
  const groups = membersOf.get(clients) ?? new Map<string, Set<number>>();
  membersOf.set(clients, groups);
  const taken = groups.get(group) ?? new Set<number>();
  groups.set(group, taken);
  let index = 0;
  while (taken.has(index)) index += 1;
  taken.add(index);
  return index;
}
