import { setTimeout as sleep } from 'node:timers/promises';
import {
  Admin,
  Consumer,
  Producer,
  ProduceAcks,
  type ClusterTopicMetadata,
  type CompressionAlgorithmValue,
  type GroupOptions,
} from '@platformatic/kafka';
import { Failure } from '../../../server/failure.ts';
import { kafkaFailure, hasApiError, isTopicGone } from './failure.ts';

export interface KafkaOptions {
  /** `host:port` of some of the cluster's brokers. */
  readonly brokers: readonly string[];
  readonly clientId?: string;
  readonly sasl?: {
    readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
    readonly username: string;
    readonly password: string;
  };
  /** `true`: with the authorities this machine trusts. */
  readonly tls?:
    | boolean
    | {
        /** PEM. */
        readonly ca?: string;
        readonly cert?: string;
        readonly key?: string;
        readonly passphrase?: string;
        readonly rejectUnauthorized?: boolean;
      };
  /** Of what is produced; default none. */
  readonly compression?: CompressionAlgorithmValue;
  /** Of a topic that is created by its first use; default: the brokers' own `num.partitions`. */
  readonly partitions?: number;
  /**
   * Makes every subscription a static member of its group: one that is killed and comes back within the session time-out under
   * the same name has its partitions at once, and nobody else's are moved. Two processes must not share one.
   */
  readonly instanceId?: string;
  /** After so long without a heartbeat a member's partitions go to others. Default 30 s; the brokers allow no less than 6 s. */
  readonly sessionTimeoutMs?: number;
}

export const DEFAULT_SESSION_TIMEOUT_MS = 30_000;
/** Until the brokers agree that a topic is there, or is not. */
const TOPIC_TIMEOUT_MS = 15_000;
const TOPIC_POLL_MS = 25;
/** A broker that dies is replaced within about ten seconds (`broker.session.timeout.ms`): a produce waits that long. */
const PATIENT_RETRIES = 20;
const RETRIES = 5;

/** The clients of one cluster, each made as it is asked for, and what they share: how to connect, and topics by name. */
export class KafkaClients implements AsyncDisposable {
  readonly options: KafkaOptions;
  readonly #admin: Admin;

  constructor(options: KafkaOptions) {
    this.options = options;
    this.#admin = new Admin({ ...this.#base(), retries: RETRIES });
  }

  get admin(): Admin {
    return this.#admin;
  }

  producer(): Producer {
    return new Producer({
      ...this.#base(),
      retries: PATIENT_RETRIES,
      acks: ProduceAcks.ALL,
      idempotent: true,
      compression: this.options.compression ?? 'none',
    });
  }

  consumer(groupId: string, options: Partial<GroupOptions> & { readonly retries?: number } = {}): Consumer {
    return new Consumer({ ...this.#base(), retries: RETRIES, autocommit: false, groupId, ...options });
  }

  /** Undefined while there is none of that name. */
  async findTopic(topic: string): Promise<ClusterTopicMetadata | undefined> {
    // The client takes a topic that is not there for one it only does not know yet, and would ask again and again.
    const ask = (retries?: number) =>
      this.#admin.metadata({
        topics: [topic],
        forceUpdate: true,
        ...(retries === undefined ? {} : { retries }),
      });
    try {
      const metadata = await ask(0).catch((error: unknown) => {
        if (isTopicGone(error)) throw error;
        return ask();
      });
      const found = metadata.topics.get(topic);
      return found?.partitions.every(({ leader }) => leader >= 0) ? found : undefined;
    } catch (error) {
      if (isTopicGone(error)) return undefined;
      throw kafkaFailure(error, `cannot find topic [${topic}] at ${this.options.brokers.join(', ')}`);
    }
  }

  /** The topic, created if it is not there. */
  async openTopic(topic: string): Promise<ClusterTopicMetadata> {
    const found = await this.findTopic(topic);
    if (found) return found;
    try {
      return await this.createTopic(topic, this.options.partitions);
    } catch (error) {
      // Somebody else was faster; or it is there, and a partition is between two leaders.
      if (!(error instanceof Failure && error.reason === 'conflict')) throw error;
      return this.#untilThere(topic);
    }
  }

  async createTopic(topic: string, partitions: number | undefined): Promise<ClusterTopicMetadata> {
    try {
      await this.#admin.createTopics({
        topics: [topic],
        ...(partitions === undefined ? {} : { partitions }),
      });
    } catch (error) {
      if (hasApiError(error, 'TOPIC_ALREADY_EXISTS'))
        throw new Failure('queue', 'conflict', `cannot create topic [${topic}]: there is one of that name`);
      throw kafkaFailure(
        error,
        `cannot create topic [${topic}]${partitions === undefined ? '' : ` with ${partitions} partitions`}`,
      );
    }
    return this.#untilThere(topic);
  }

  async deleteTopic(topic: string): Promise<void> {
    try {
      await this.#admin.deleteTopics({ topics: [topic] });
    } catch (error) {
      if (isTopicGone(error))
        throw new Failure('queue', 'not_found', `cannot delete topic [${topic}]: there is none of that name`);
      throw kafkaFailure(error, `cannot delete topic [${topic}]`);
    }
    await this.#until(topic, async () => ((await this.findTopic(topic)) ? undefined : true));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.close();
  }

  #untilThere(topic: string): Promise<ClusterTopicMetadata> {
    return this.#until(topic, () => this.findTopic(topic));
  }

  async #until<T>(topic: string, look: () => Promise<T | undefined>): Promise<T> {
    const deadline = Date.now() + TOPIC_TIMEOUT_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > deadline)
        throw new Failure(
          'queue',
          'unavailable',
          `cannot use topic [${topic}]: the brokers did not agree on it within ${TOPIC_TIMEOUT_MS} ms`,
        );
      await sleep(TOPIC_POLL_MS);
    }
  }

  #base() {
    const { brokers, clientId, sasl, tls } = this.options;
    return {
      clientId: clientId ?? 'spoor',
      bootstrapBrokers: [...brokers],
      retryDelay: (_client: object, _operation: string, attempt: number) =>
        Math.min(50 * 2 ** attempt, 1_000),
      ...(sasl ? { sasl } : {}),
      ...(tls ? { tls: tls === true ? {} : tls, tlsServerName: true } : {}),
    };
  }
}
