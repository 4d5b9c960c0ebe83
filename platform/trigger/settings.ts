import { Failure } from '../../server/failure.ts';
import { checkTopicName } from '../queue/topic-name.ts';
import { keyOf, type MessageQueueTrigger } from '../spec/resources.ts';

/** A MessageQueueTrigger's `metadata`, parsed. Keys of KEDA's that mean nothing here are passed over, as Fission does. */
export interface MessageQueueSettings {
  /** `consumerGroup`; default `namespace/name`, so that a trigger deleted and created again goes on where it was. */
  readonly group: string;
  /** `offsetResetPolicy`; default latest, as both of Fission's. */
  readonly offsetReset: 'earliest' | 'latest';
  /** `batchSize`; 1: one invocation a record. */
  readonly batchSize: number;
  readonly batchFormat: 'json' | 'cloudevents';
  /** `traceContext`: whether the consumer span is the producer span's child (and links to it), or a root that only links. */
  readonly traceContext: 'parent' | 'links';
  /** Records of one partition in flight at once, those of one key still in order. 1: the whole partition in order. */
  readonly parallelism: number;
  /** Before the first retry; doubles with each. */
  readonly retryBackoffMs: number;
  readonly retryBackoffMaxMs: number;
  /** The function's own time-out is the router's business; this one is for a router that does not answer. */
  readonly timeoutMs: number;
}

export function parseSettings(trigger: MessageQueueTrigger): MessageQueueSettings {
  const { metadata } = trigger.spec;
  const of = trigger.metadata.name;
  checkTopics(trigger);
  checkContentType(trigger);
  return {
    group: metadata['consumerGroup'] || keyOf(trigger.metadata),
    offsetReset: word(of, metadata, 'offsetResetPolicy', ['latest', 'earliest']),
    batchSize: integer(of, metadata, 'batchSize', 1, 10_000, 1),
    batchFormat: word(of, metadata, 'batchFormat', ['json', 'cloudevents']),
    traceContext: word(of, metadata, 'traceContext', ['parent', 'links']),
    parallelism: integer(of, metadata, 'parallelism', 1, 100, 1),
    retryBackoffMs: integer(of, metadata, 'retryBackoffMs', 0, 3_600_000, 100),
    retryBackoffMaxMs: integer(of, metadata, 'retryBackoffMaxMs', 0, 3_600_000, 30_000),
    timeoutMs: integer(of, metadata, 'timeoutMs', 1, 86_400_000, 900_000),
  };
}

/** An outcome that goes back into the topic it came from would come round for ever. */
function checkTopics(trigger: MessageQueueTrigger): void {
  const { topic, respTopic, errorTopic } = trigger.spec;
  checkTopicName(topic);
  for (const [field, name] of Object.entries({ respTopic, errorTopic })) {
    if (name === '') continue;
    checkTopicName(name);
    if (name === topic)
      throw new Failure(
        'trigger',
        'bad_request',
        `cannot use ${field} [${name}] of trigger [${trigger.metadata.name}]: it is the topic that the trigger consumes`,
      );
  }
}

function checkContentType(trigger: MessageQueueTrigger): void {
  const { contentType } = trigger.spec;
  if (/^[\x20-\x7e]*$/.test(contentType)) return;
  throw new Failure(
    'trigger',
    'bad_request',
    `cannot use contentType [${contentType}] of trigger [${trigger.metadata.name}]: it is not visible ASCII`,
  );
}

type Metadata = Readonly<Record<string, string>>;

/** The first word is the default. */
function word<W extends string>(
  trigger: string,
  metadata: Metadata,
  key: string,
  words: readonly [W, ...W[]],
): W {
  const text = metadata[key];
  if (text === undefined || text === '') return words[0];
  const found = words.find((each) => each === text);
  if (found !== undefined) return found;
  throw new Failure(
    'trigger',
    'bad_request',
    `cannot use ${key} [${text}] of trigger [${trigger}]: it is one of ${words.join(', ')}`,
  );
}

function integer(
  trigger: string,
  metadata: Metadata,
  key: string,
  min: number,
  max: number,
  fallback: number,
): number {
  const text = metadata[key];
  if (text === undefined || text === '') return fallback;
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Failure(
    'trigger',
    'bad_request',
    `cannot use ${key} [${text}] of trigger [${trigger}]: ${min} to ${max} are allowed`,
  );
}
