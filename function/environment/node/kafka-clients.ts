import type { Tracing } from '../../span/tracing.ts';
import { kafkaSends, type Sends } from './kafka-sends.ts';

/**
 * Records that a function produces with a Kafka client of its own carry its trace on, below a PRODUCER span each, with no code of
 * the function's: `kafkajs` and `@platformatic/kafka`. Each client is changed as its main file is loaded, by a line behind it that
 * hands us what it exports; `require` and `import` come the same way. A client that was bundled into the function's own file is not
 * seen. Costs nothing until one of them is asked for.
 */
export function traceKafkaClients(tracing: Tracing): void {
  const { registerHooks } = process.getBuiltinModule('node:module');
  /** URL of a client's main file to its name. */
  const mains = new Map<string, string>();

  registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context);
      if (Object.hasOwn(CLIENTS, specifier)) {
        if (mains.size === 0) watchLoads();
        mains.set(resolved.url, specifier);
      }
      return resolved;
    },
  });

  function watchLoads(): void {
    const sends = kafkaSends(tracing);
    Object.defineProperty(globalThis, HANDED, {
      value: (name: string, exported: Exports) => change(name, exported, sends),
    });
    registerHooks({
      load(url, context, nextLoad) {
        const loaded = nextLoad(url, context);
        const name = mains.get(url);
        if (name === undefined || !loaded.source) return loaded;
        const source =
          typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
        const isModule = loaded.format?.startsWith('module') === true;
        return { ...loaded, source: source + handOver(name, isModule ? url : undefined) };
      },
    });
  }
}

/** Where the line behind a client's main file finds us. */
const HANDED = Symbol.for('spoor.environment.kafka-client');

/** A module of ES imports itself: only so does a line in it see all that it exports. */
function handOver(name: string, moduleUrl: string | undefined): string {
  const call = `globalThis[Symbol.for(${JSON.stringify(HANDED.description)})]?.(${JSON.stringify(name)}, `;
  return moduleUrl === undefined
    ? `\n;${call}module.exports);\n`
    : `\n;import * as spoorExports from ${JSON.stringify(moduleUrl)};\n${call}spoorExports);\n`;
}

type Exports = Readonly<Record<string, unknown>>;
type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Tracing is a guest here: a client that is not as we know it stays as it is. */
function change(name: string, exported: Exports, sends: Sends): void {
  try {
    CLIENTS[name as keyof typeof CLIENTS](exported, sends);
  } catch (error) {
    console.error(`cannot trace what ${name} sends: ${String(error)}`);
  }
}

const CLIENTS = { kafkajs: changeKafkaJs, '@platformatic/kafka': changePlatformatic };

/** https://kafka.js.org/docs/producing: plain objects with `send`, `sendBatch` and `transaction`. */
function changeKafkaJs(exported: Exports, sends: Sends): void {
  const { prototype } = exported['Kafka'] as { prototype: { producer: Method } };
  const { producer } = prototype;
  prototype.producer = function (...args) {
    return tracedKafkaJs(producer.apply(this, args) as KafkaJsProducer, sends);
  };
}

interface KafkaJsProducer {
  send: (record: KafkaJsTopic) => Promise<unknown>;
  sendBatch: (batch: { topicMessages?: KafkaJsTopic[] }) => Promise<unknown>;
  transaction?: (...args: unknown[]) => Promise<KafkaJsProducer>;
}

interface KafkaJsTopic {
  readonly topic: string;
  readonly messages: readonly object[];
}

function tracedKafkaJs(producer: KafkaJsProducer, sends: Sends): KafkaJsProducer {
  const { send, sendBatch, transaction } = producer;
  producer.send = (record) => {
    if (!Array.isArray(record?.messages)) return send(record);
    return sends.around([record], TEXT, KAFKA_JS_RESULTS, ([traced]) =>
      send({ ...record, ...(traced as KafkaJsTopic) }),
    );
  };
  producer.sendBatch = (batch) => {
    const topics = batch?.topicMessages;
    if (!topics?.every((each) => Array.isArray(each?.messages))) return sendBatch(batch);
    return sends.around(topics, TEXT, KAFKA_JS_RESULTS, (traced) =>
      sendBatch({ ...batch, topicMessages: traced as KafkaJsTopic[] }),
    );
  };
  if (transaction)
    producer.transaction = async (...args) => tracedKafkaJs(await transaction.apply(producer, args), sends);
  return producer;
}

const TEXT = { key: (name: string): unknown => name, value: (value: string): unknown => value };

const KAFKA_JS_RESULTS = (results: unknown) =>
  (results as { topicName: string; partition: number; baseOffset?: string }[]).map(
    ({ topicName, partition, baseOffset }) => ({ topic: topicName, partition, baseOffset }),
  );

/** https://github.com/platformatic/kafka/blob/main/docs/producer.md: a class; `send` takes messages that name their topics. */
function changePlatformatic(exported: Exports, sends: Sends): void {
  const { prototype } = exported['Producer'] as { prototype: { send: Method } };
  const { send } = prototype;
  prototype.send = function (...args) {
    const [options, callback] = args as [{ messages?: PlatformaticMessage[] } | undefined, unknown];
    const forms = headerForms(this as object);
    if (!Array.isArray(options?.messages) || typeof callback === 'function' || !forms)
      return send.apply(this, args);
    const topics = options.messages.map((message) => ({ topic: message.topic, messages: [message] }));
    return sends.around(topics, forms, PLATFORMATIC_RESULTS, (traced) => {
      const messages = traced.flatMap((each) => each.messages);
      return send.call(this, { ...options, messages }) as Promise<unknown>;
    });
  };
}

interface PlatformaticMessage {
  readonly topic: string;
}

const PLATFORMATIC_RESULTS = (results: unknown) =>
  ((results as { offsets?: { topic: string; partition: number; offset: bigint }[] }).offsets ?? []).map(
    ({ topic, partition, offset }) => ({ topic, partition, baseOffset: offset }),
  );

type Form = (text: string) => unknown;

/** What a producer's own serializers make text of; undefined when one of them would write something else than the text. */
function headerForms(producer: object): { key: Form; value: Form } | undefined {
  const symbol = Object.getOwnPropertySymbols(producer).find(
    ({ description }) => description === 'plt.kafka.base.options',
  );
  const options = symbol && ((producer as Record<symbol, unknown>)[symbol] as Record<string, unknown>);
  const { headerKey, headerValue } = (options?.['serializers'] ?? {}) as Record<string, Form | undefined>;
  const key = formFor(headerKey);
  const value = formFor(headerValue);
  return key && value && { key, value };
}

function formFor(serialize: Form | undefined): Form | undefined {
  if (!serialize) return (text) => Buffer.from(text);
  try {
    const written = serialize('a-b=1');
    return Buffer.isBuffer(written) && written.toString() === 'a-b=1' ? (text) => text : undefined;
  } catch {
    return undefined;
  }
}
