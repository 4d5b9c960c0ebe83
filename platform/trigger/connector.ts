import { Agent } from 'undici';
import type { Tracing } from '../../function/span/tracing.ts';
import { Failure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import { openKafka, type KafkaOptions } from '../queue/kafka.ts';
import { readKafkaAccess, readSessionTimeout } from '../queue/kafka/read-env.ts';
import type { MessageQueueTrigger } from '../spec/resources.ts';
import type { FunctionInvoker } from './invoker.ts';
import { startMessageQueueTrigger } from './message-queue.ts';
import { createSigner, type SignRequest } from './sign-request.ts';

export interface ConnectorOptions {
  readonly kafka: KafkaOptions;
  readonly trigger: MessageQueueTrigger;
  /** Where each record is posted to. */
  readonly endpoint: URL;
  /** Undefined: requests are not signed. */
  readonly sign: SignRequest | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * One message queue trigger on its own, against any Fission router. Configured as Fission's KEDA connector for Kafka
 * (fission/keda-connectors, kafka-http-connector): a Deployment made for that one runs this one unchanged.
 */
export async function startConnector(
  options: ConnectorOptions,
  around: { readonly tracing: Tracing; readonly log: Logger },
): Promise<AsyncDisposable> {
  await using starting = new AsyncDisposableStack();
  const queue = starting.use(await openKafka(options.kafka));
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connections: 256 });
  starting.defer(() => agent.close());
  starting.use(
    await startMessageQueueTrigger(options.trigger, {
      ...around,
      queue,
      invoker: endpointInvoker(options, agent),
    }),
  );
  return starting.move();
}

/**
 * The connector's variables: TOPIC, HTTP_ENDPOINT, BOOTSTRAP_SERVERS, CONSUMER_GROUP, RESPONSE_TOPIC, ERROR_TOPIC, SOURCE_NAME,
 * MAX_RETRIES, CONTENT_TYPE, OFFSET_RESET_POLICY, SASL (`plaintext`, `scram_sha256`, `scram_sha512`) with USERNAME and
 * PASSWORD, TLS (`enable`) with CA, CERT and KEY in PEM or as paths. Ours beside them: FISSION_INTERNAL_AUTH_SECRET, to sign requests
 * with, and, as the keys of docs/triggers.md: BATCH_SIZE,
 * BATCH_FORMAT, PARALLELISM, TRACE_CONTEXT, RETRY_BACKOFF_MS, RETRY_BACKOFF_MAX_MS, TIMEOUT_MS, which is what Fission's scaler manager
 * makes of such keys of a trigger's metadata; each also with SPOOR_ in front, which goes first. SPOOR_INSTANCE_ID makes it a static member
 * of its group, SPOOR_SESSION_TIMEOUT_MS says how soon a dead one is replaced (30,000).
 */
export function readConnectorOptions(env: Environment): ConnectorOptions {
  const topic = needed(env, 'TOPIC');
  const endpoint = parseEndpoint(needed(env, 'HTTP_ENDPOINT'));
  const functionName = decodeURIComponent(
    endpoint.pathname.split('/').findLast((part) => part !== '') ?? 'function',
  );
  const trigger: MessageQueueTrigger = {
    kind: 'MessageQueueTrigger',
    metadata: {
      name: env['SOURCE_NAME'] || 'connector',
      namespace: 'default',
      uid: '',
      generation: 1,
      resourceVersion: '1',
      creationTimestamp: '',
      labels: {},
      annotations: {},
    },
    spec: {
      functionref: { type: 'name', name: functionName },
      messageQueueType: 'kafka',
      mqtkind: 'keda',
      topic,
      respTopic: env['RESPONSE_TOPIC'] ?? '',
      errorTopic: env['ERROR_TOPIC'] ?? '',
      maxRetries: parseRetries(env['MAX_RETRIES']),
      contentType: env['CONTENT_TYPE'] ?? '',
      secret: '',
      metadata: {
        consumerGroup: needed(env, 'CONSUMER_GROUP'),
        offsetResetPolicy: env['OFFSET_RESET_POLICY'] ?? '',
        batchSize: ours(env, 'BATCH_SIZE'),
        batchFormat: ours(env, 'BATCH_FORMAT'),
        parallelism: ours(env, 'PARALLELISM'),
        traceContext: ours(env, 'TRACE_CONTEXT'),
        retryBackoffMs: ours(env, 'RETRY_BACKOFF_MS'),
        retryBackoffMaxMs: ours(env, 'RETRY_BACKOFF_MAX_MS'),
        timeoutMs: ours(env, 'TIMEOUT_MS'),
      },
    },
  };
  const secret = env['FISSION_INTERNAL_AUTH_SECRET'];
  return { kafka: readKafka(env), trigger, endpoint, sign: secret ? createSigner(secret) : undefined };
}

function readKafka(env: Environment): KafkaOptions {
  const brokers = needed(env, 'BOOTSTRAP_SERVERS')
    .split(',')
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '');
  return {
    brokers,
    clientId: 'spoor-connector',
    instanceId: env['SPOOR_INSTANCE_ID'] || undefined,
    sessionTimeoutMs: readSessionTimeout(env, 'SPOOR_SESSION_TIMEOUT_MS'),
    ...readKafkaAccess(env),
  };
}

function parseRetries(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw bad('MAX_RETRIES', text, 'it is a whole number');
}

function parseEndpoint(text: string): URL {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text);
  throw bad('HTTP_ENDPOINT', text, 'it is not an http or https URL');
}

function ours(env: Environment, name: string): string {
  return env[`SPOOR_${name}`] || (env[name] ?? '');
}

function needed(env: Environment, name: string): string {
  const value = env[name];
  if (value) return value;
  throw new Failure('trigger', 'bad_request', `cannot start the connector: ${name} is not set`);
}

function bad(name: string, value: string, why: string): Failure {
  return new Failure('trigger', 'bad_request', `cannot use ${name} [${value}]: ${why}`);
}

function endpointInvoker({ endpoint, sign }: ConnectorOptions, agent: Agent): FunctionInvoker {
  const path = `${endpoint.pathname}${endpoint.search}`;
  return {
    async invoke(_fn, { method, headers, body, signal, timeoutMs }) {
      const answer = await agent.request({
        origin: endpoint.origin,
        path,
        method,
        headers: { ...headers, ...sign?.(method, path, body) },
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      return {
        status: answer.statusCode,
        headers: answer.headers,
        body: Buffer.from(await answer.body.arrayBuffer()),
      };
    },
  };
}
