import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KafkaOptions } from '../../platform/queue/kafka.ts';
import { readKafkaAccess, readSessionTimeout } from '../../platform/queue/kafka/read-env.ts';

/**
 * `--kafka` and the variables beside it, SPOOR_KAFKA_ and the words of the connector: SASL, USERNAME, PASSWORD, TLS, CA, CERT, KEY,
 * INSTANCE_ID, SESSION_TIMEOUT_MS. Variables, for a password among the arguments would be there for everybody to read.
 */
export function kafkaOptions(
  brokers: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): KafkaOptions | undefined {
  if (brokers.length === 0) return undefined;
  return {
    brokers,
    instanceId: env['SPOOR_KAFKA_INSTANCE_ID'] || undefined,
    sessionTimeoutMs: readSessionTimeout(env, 'SPOOR_KAFKA_SESSION_TIMEOUT_MS'),
    ...readKafkaAccess(env, 'SPOOR_KAFKA_'),
  };
}

/**
 * The data directory's own name among the members of consumer groups. A platform that was killed is back within seconds: under
 * the same name it has its partitions at once, where a new member would wait until the brokers had given the old one up.
 */
export function kafkaInstanceId(directory: string): string {
  const file = join(directory, 'kafka-instance-id');
  try {
    writeFileSync(file, `spoor-${randomUUID()}`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8').trim();
}
