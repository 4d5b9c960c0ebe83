import { Failure } from '../../server/failure.ts';

const MAX_LENGTH = 249;

/**
 * Kafka's rule for topic names (org.apache.kafka.common.internals.Topic): 1 to 249 of `[a-zA-Z0-9._-]`, neither `.` nor `..`.
 * The embedded log keeps it too, so that a topic that works here works there.
 */
export function checkTopicName(name: string): void {
  const fault = faultOf(name);
  if (fault)
    throw new Failure('queue', 'bad_request', `cannot use topic name [${shortened(name)}]: ${fault}`);
}

function faultOf(name: string): string | undefined {
  if (name.length === 0) return 'it is empty';
  if (name.length > MAX_LENGTH) return `it has ${name.length} characters, at most ${MAX_LENGTH} are allowed`;
  if (name === '.' || name === '..') return 'it stands for a folder';
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) return 'only letters, digits, ".", "_" and "-" are allowed';
  return undefined;
}

function shortened(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name;
}
