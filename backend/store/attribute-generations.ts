/**
 * Messaging and FaaS attributes that OpenTelemetry has renamed, by group: what senders of any age mean alike. Spans are kept as
 * they were sent, and a question in the words of one generation finds those of the others.
 */
const GENERATIONS: readonly (readonly string[])[] = [
  ['messaging.destination.name', 'messaging.destination'],
  [
    'messaging.destination.partition.id',
    'messaging.kafka.destination.partition',
    'messaging.kafka.partition',
  ],
  ['messaging.kafka.offset', 'messaging.kafka.message.offset'],
  ['messaging.kafka.message.key', 'messaging.kafka.message_key'],
  ['messaging.kafka.message.tombstone', 'messaging.kafka.tombstone'],
  ['messaging.consumer.group.name', 'messaging.kafka.consumer.group', 'messaging.kafka.consumer_group'],
  ['messaging.operation.type', 'messaging.operation'],
  ['messaging.message.id', 'messaging.message_id'],
  ['messaging.message.conversation_id', 'messaging.conversation_id'],
  [
    'messaging.message.body.size',
    'messaging.message.payload_size_bytes',
    'messaging.message_payload_size_bytes',
  ],
  ['faas.invocation_id', 'faas.execution'],
];

const byName = new Map(GENERATIONS.flatMap((names) => names.map((name) => [name, names] as const)));

/** Every name the attribute has had, this one first. */
export function namesOf(key: string): readonly string[] {
  const names = byName.get(key);
  return names ? [key, ...names.filter((name) => name !== key)] : [key];
}
