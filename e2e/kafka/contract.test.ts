import { after, before } from 'node:test';
import { queueContract } from '../../platform/queue/contract.ts';
import { openKafka } from '../../platform/queue/kafka.ts';
import { startKafka, type Kafka } from './brokers.ts';

let kafka: Kafka;
before(async () => {
  kafka = await startKafka();
});
after(async () => {
  await kafka[Symbol.asyncDispose]();
});

queueContract('Kafka', () => openKafka({ brokers: kafka.brokers }));
