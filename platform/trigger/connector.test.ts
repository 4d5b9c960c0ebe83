import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../server/failure.ts';
import { readConnectorOptions } from './connector.ts';

const ENV = {
  TOPIC: 'greetings',
  HTTP_ENDPOINT: 'http://router.fission/fission-function/default/image',
  BOOTSTRAP_SERVERS: 'kafka-1:9092, kafka-2:9092',
  CONSUMER_GROUP: 'g',
};

void test("the variables of Fission's connector are read, its defaults kept", () => {
  const { kafka, trigger, endpoint } = readConnectorOptions({
    ...ENV,
    RESPONSE_TOPIC: 'cards',
    ERROR_TOPIC: 'errors',
    SOURCE_NAME: 'on-greeting',
    MAX_RETRIES: '3',
    CONTENT_TYPE: 'text/plain',
    SASL: 'scram_sha512',
    USERNAME: 'ada',
    PASSWORD: 'engine',
    TLS: 'enable',
    CA: 'pem',
  });
  assert.deepEqual(kafka.brokers, ['kafka-1:9092', 'kafka-2:9092']);
  assert.deepEqual(kafka.sasl, { mechanism: 'SCRAM-SHA-512', username: 'ada', password: 'engine' });
  assert.deepEqual(kafka.tls, { ca: 'pem', cert: undefined, key: undefined });
  assert.equal(endpoint.href, ENV.HTTP_ENDPOINT);
  const { spec, metadata } = trigger;
  assert.equal(metadata.name, 'on-greeting');
  assert.deepEqual(
    [spec.functionref, spec.topic, spec.respTopic, spec.errorTopic, spec.maxRetries, spec.mqtkind],
    [{ type: 'name', name: 'image' }, 'greetings', 'cards', 'errors', 3, 'keda'],
  );
  const plain = readConnectorOptions(ENV);
  assert.equal(plain.kafka.sasl, undefined);
  assert.equal(plain.kafka.tls, undefined);
  assert.equal(plain.trigger.spec.maxRetries, 0);
});

void test("a trigger's own metadata comes as Fission's scaler manager passes it on, or with our name in front", () => {
  const { metadata } = readConnectorOptions({
    ...ENV,
    BATCH_SIZE: '50',
    RETRY_BACKOFF_MS: '10',
    SPOOR_RETRY_BACKOFF_MS: '20',
    SPOOR_PARALLELISM: '4',
  }).trigger.spec;
  assert.deepEqual(
    [metadata['batchSize'], metadata['retryBackoffMs'], metadata['parallelism'], metadata['traceContext']],
    ['50', '20', '4', ''],
  );
});

for (const [name, value, words] of [
  ['TOPIC', '', /TOPIC is not set/],
  ['HTTP_ENDPOINT', 'router:80', /HTTP_ENDPOINT \[router:80\]/],
  ['MAX_RETRIES', 'many', /MAX_RETRIES \[many\]/],
  ['SASL', 'kerberos', /SASL \[kerberos\]/],
] as const)
  void test(`a bad ${name} is named`, () => {
    assert.throws(
      () => readConnectorOptions({ ...ENV, [name]: value }),
      (error) => error instanceof Failure && error.reason === 'bad_request' && words.test(error.message),
    );
  });
