import { type Attributes, context as contextApi, type Span, SpanKind, trace } from '@opentelemetry/api';
import {
  MESSAGING_DESTINATION_NAME,
  MESSAGING_DESTINATION_PARTITION_ID,
  MESSAGING_KAFKA_MESSAGE_KEY,
  MESSAGING_KAFKA_MESSAGE_TOMBSTONE,
  MESSAGING_KAFKA_OFFSET,
  MESSAGING_MESSAGE_BODY_SIZE,
  MESSAGING_OPERATION_NAME,
  MESSAGING_OPERATION_TYPE,
  MESSAGING_SYSTEM,
} from '../../span/attributes.ts';
import { isSuppressed } from '../../span/suppress.ts';
import type { Tracing } from '../../span/tracing.ts';
import { recordFailure } from './exception-of.ts';

/** Messages for one topic, in whatever form the client has them, with `key`, `value` and `headers`. */
export interface TopicMessages {
  readonly topic: string;
  readonly messages: readonly object[];
}

/** Where the first of a request's messages to a partition stands. */
export interface PartitionResult {
  readonly topic: string;
  readonly partition: number;
  readonly baseOffset?: string | bigint | undefined;
}

export interface Sends {
  /**
   * Sends with `send`, each message below a PRODUCER span of its own and with its context among its headers, made by `form`. What
   * the caller gave is not changed. A message with a `traceparent` of its own is left alone, and so is all when nobody is traced.
   */
  around(
    topics: readonly TopicMessages[],
    form: { readonly key: (name: string) => unknown; readonly value: (value: string) => unknown },
    resultsOf: (answer: unknown) => readonly PartitionResult[],
    send: (topics: readonly TopicMessages[]) => Promise<unknown>,
  ): Promise<unknown>;
}

interface Message {
  readonly key?: unknown;
  readonly value?: unknown;
  readonly headers?: unknown;
  readonly partition?: unknown;
}

interface Sent {
  readonly topic: string;
  readonly span: Span;
  /** Among the messages of its topic. */
  readonly index: number;
}

export function kafkaSends(tracing: Tracing): Sends {
  const tracer = tracing.tracer('spoor.environment.node.kafka', '1');
  const { propagator } = tracing;
  return {
    async around(topics, form, resultsOf, send) {
      const active = contextApi.active();
      if (trace.getSpan(active) === undefined || isSuppressed(active)) return send(topics);
      const sent: Sent[] = [];
      const counts = new Map<string, number>();
      const traced = topics.map(({ topic, messages, ...rest }) => ({
        ...rest,
        topic,
        messages: messages.map((message: Message) => {
          const index = counts.get(topic) ?? 0;
          counts.set(topic, index + 1);
          if (namesOf(message.headers).some((name) => name === 'traceparent')) return message;
          const span = tracer.startSpan(
            `send ${topic}`,
            { kind: SpanKind.PRODUCER, attributes: attributesOf(topic, message) },
            active,
          );
          sent.push({ topic, span, index });
          const context: [string, string][] = [];
          propagator.inject(trace.setSpan(active, span), context, {
            set: (pairs, name, value) => void pairs.push([name, value]),
          });
          return { ...message, headers: withContext(message.headers, context, form) };
        }),
      }));
      try {
        const answer = await send(traced);
        tellPositions(sent, resultsOf, answer);
        return answer;
      } catch (error) {
        for (const { span } of sent) recordFailure(span, error);
        throw error;
      } finally {
        for (const { span } of sent) span.end();
      }
    },
  };
}

function attributesOf(topic: string, { key, value }: Message): Attributes {
  const attributes: Attributes = {
    [MESSAGING_SYSTEM]: 'kafka',
    [MESSAGING_OPERATION_NAME]: 'send',
    [MESSAGING_OPERATION_TYPE]: 'send',
    [MESSAGING_DESTINATION_NAME]: topic,
  };
  if (value === null) attributes[MESSAGING_KAFKA_MESSAGE_TOMBSTONE] = true;
  if (typeof value === 'string') attributes[MESSAGING_MESSAGE_BODY_SIZE] = Buffer.byteLength(value);
  else if (Buffer.isBuffer(value)) attributes[MESSAGING_MESSAGE_BODY_SIZE] = value.length;
  if (typeof key === 'string') attributes[MESSAGING_KAFKA_MESSAGE_KEY] = key;
  else if (Buffer.isBuffer(key)) attributes[MESSAGING_KAFKA_MESSAGE_KEY] = key.toString();
  return attributes;
}

function namesOf(headers: unknown): string[] {
  const names = headers instanceof Map ? [...headers.keys()] : Object.keys(headers ?? {});
  return names.map((name) => String(name).toLowerCase());
}

function withContext(
  headers: unknown,
  context: readonly (readonly [string, string])[],
  form: { readonly key: (name: string) => unknown; readonly value: (value: string) => unknown },
): unknown {
  const pairs = context.map(([name, value]) => [form.key(name), form.value(value)] as const);
  const isPlain = !(headers instanceof Map) && (headers || pairs.every(([name]) => typeof name === 'string'));
  if (!isPlain) return new Map([...((headers ?? []) as Map<unknown, unknown>), ...pairs]);
  return {
    ...(headers as object | undefined),
    ...Object.fromEntries(context.map(([name], i) => [name, pairs[i]?.[1]])),
  };
}

/** Where all of a topic's messages went to one partition they stand there in their order; else nobody says which is where. */
function tellPositions(
  sent: readonly Sent[],
  resultsOf: (answer: unknown) => readonly PartitionResult[],
  answer: unknown,
): void {
  if (answer === undefined || answer === null) return;
  const byTopic = Map.groupBy(resultsOf(answer), ({ topic }) => topic);
  for (const { topic, span, index } of sent) {
    const [result, ...others] = byTopic.get(topic) ?? [];
    if (!result || others.length > 0) continue;
    span.setAttribute(MESSAGING_DESTINATION_PARTITION_ID, String(result.partition));
    const base = Number(result.baseOffset ?? -1);
    if (base >= 0) span.setAttribute(MESSAGING_KAFKA_OFFSET, base + index);
  }
}
