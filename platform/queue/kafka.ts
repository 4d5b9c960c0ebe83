import { Failure } from '../../server/failure.ts';
import { KafkaClients, type KafkaOptions } from './kafka/clients.ts';
import { kafkaFailure } from './kafka/failure.ts';
import { KafkaProducer } from './kafka/producer.ts';
import { KafkaReader } from './kafka/reader.ts';
import { subscribeTo } from './kafka/subscription.ts';
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
import { checkTopicName } from './topic-name.ts';

export type { KafkaOptions } from './kafka/clients.ts';

/** Topics on Kafka 2.8 or newer. Connects with its first use: brokers that are away are that use's Failure. */
export async function openKafka(options: KafkaOptions): Promise<Queue> {
  return new Kafka(new KafkaClients(options));
}

class Kafka implements Queue {
  readonly system = 'kafka';
  readonly #clients: KafkaClients;
  readonly #producer: KafkaProducer;
  readonly #reader: KafkaReader;
  readonly #subscriptions = new Set<Subscription>();
  #closed = false;

  constructor(clients: KafkaClients) {
    this.#clients = clients;
    this.#producer = new KafkaProducer(clients);
    this.#reader = new KafkaReader(clients);
  }

  async produce(topic: string, records: readonly RecordToProduce[]): Promise<readonly RecordPosition[]> {
    this.#checkOpen();
    return this.#producer.produce(topic, records);
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    this.#checkOpen();
    checkTopicName(options.topic);
    if (!options.group || options.group.length > 255)
      throw new Failure(
        'queue',
        'bad_request',
        `cannot join consumer group [${options.group}]: a name has 1 to 255 characters`,
      );
    checkLimit('maxBatchSize', options.maxBatchSize);
    const inner = await subscribeTo(this.#clients, options);
    const subscription: Subscription = {
      pause: () => inner.pause(),
      resume: () => inner.resume(),
      [Symbol.asyncDispose]: async () => {
        this.#subscriptions.delete(subscription);
        await inner[Symbol.asyncDispose]();
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async peek(topic: string, options: PeekOptions): Promise<readonly QueueRecord[]> {
    this.#checkOpen();
    checkTopicName(topic);
    checkLimit('limit', options.limit);
    return this.#reader.peek(topic, options);
  }

  async createTopic(topic: string, options: { readonly partitions?: number } = {}): Promise<void> {
    this.#checkOpen();
    checkTopicName(topic);
    await this.#clients.createTopic(topic, options.partitions);
  }

  async deleteTopic(topic: string): Promise<void> {
    this.#checkOpen();
    checkTopicName(topic);
    await this.#clients.deleteTopic(topic);
    this.#producer.forget(topic);
  }

  async topics(): Promise<readonly TopicDescription[]> {
    this.#checkOpen();
    return this.#reader.topics();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#subscriptions].map((each) => each[Symbol.asyncDispose]()));
    try {
      await this.#producer.close();
      await this.#reader.close();
    } catch (error) {
      throw kafkaFailure(error, 'cannot close the connections to Kafka');
    } finally {
      await this.#clients[Symbol.asyncDispose]();
    }
  }

  #checkOpen(): void {
    if (this.#closed)
      throw new Failure('queue', 'unavailable', 'cannot use Kafka: its connections are closed');
  }
}

function checkLimit(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1 || value > 10_000)
    throw new Failure('queue', 'bad_request', `cannot use ${name} [${value}]: 1 to 10000 are allowed`);
}
