import type { Attributes } from '@opentelemetry/api';
import * as names from '../../function/span/attributes.ts';
import type { Queue, RecordPosition, RecordToProduce } from './queue.ts';

/** A key longer than this says little in a span. */
const MAX_KEY_LENGTH = 256;

/** What a span that sends to or processes from a topic says at its start. */
export function destinationAttributes(
  system: Queue['system'],
  operation: 'send' | 'process',
  topic: string,
): Attributes {
  return {
    [names.MESSAGING_SYSTEM]: system,
    [names.MESSAGING_OPERATION_NAME]: operation,
    [names.MESSAGING_OPERATION_TYPE]: operation,
    [names.MESSAGING_DESTINATION_NAME]: topic,
  };
}

/** Of one record: its key (when it is text), the size of its value, and that it is a tombstone. */
export function contentAttributes(record: Pick<RecordToProduce, 'key' | 'value'>): Attributes {
  const attributes: Attributes = { [names.MESSAGING_MESSAGE_BODY_SIZE]: record.value?.length ?? 0 };
  const key = record.key && textOf(record.key);
  if (key !== null) attributes[names.MESSAGING_KAFKA_MESSAGE_KEY] = key.slice(0, MAX_KEY_LENGTH);
  if (record.value === null) attributes[names.MESSAGING_KAFKA_MESSAGE_TOMBSTONE] = true;
  return attributes;
}

/** Where a record is. The names are Kafka's also for the embedded log, so that one question finds a record of either. */
export function positionAttributes(position: RecordPosition): Attributes {
  return {
    [names.MESSAGING_DESTINATION_PARTITION_ID]: String(position.partition),
    [names.MESSAGING_KAFKA_OFFSET]: Number(position.offset),
  };
}

/** The bytes as text; null when they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
