import { after, before } from 'node:test';
import { openKafka } from '../../platform/queue/kafka.ts';
import { poisonTable } from '../../platform/trigger/test/poison.ts';
import { startKafka, type Kafka } from './brokers.ts';

let kafka: Kafka;
before(async () => {
  kafka = await startKafka();
});
after(async () => {
  await kafka[Symbol.asyncDispose]();
});

poisonTable('Kafka', () => openKafka({ brokers: kafka.brokers }));
