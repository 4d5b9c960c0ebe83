import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admin } from '@platformatic/kafka';
import { startKafka } from './brokers.ts';

test('a real broker starts, is killed, and comes back with its topics', async () => {
  await using kafka = await startKafka();
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [...kafka.brokers] });
  await admin.createTopics({ topics: ['kept'] });
  await admin.close();
  await kafka.kill(0);
  await kafka.restart(0);
  const again = new Admin({ clientId: 'test', bootstrapBrokers: [...kafka.brokers] });
  assert.deepEqual(await again.listTopics(), ['kept']);
  await again.close();
});
