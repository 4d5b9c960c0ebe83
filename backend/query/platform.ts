import type { FastifyInstance } from 'fastify';
import { Failure } from '../../server/failure.ts';
import { count, text } from './params.ts';
import { callFunction } from './platform-call.ts';
import { callPlatform, readJsonBody, type PlatformAddress } from './platform-client.ts';
import { paramsOf, pathParam, sendJson } from './request.ts';
import type {
  FunctionConfigJson,
  InstanceJson,
  PlatformJson,
  PlatformTopicJson,
  RecordJson,
  TriggerJson,
} from './shapes.ts';

const MAX_RECORDS = 100;
const DEFAULT_RECORDS = 1;
/** A redrive waits until all of it is durable. */
const REDRIVE_TIMEOUT_MS = 60_000;

/**
 * What only the platform knows, for the screens: they may speak to this server alone. Where the platform listens is asked for at each
 * request, since it may start after this server, and elsewhere the next time. What changes something is a POST of JSON, which a page of
 * another origin cannot send without asking first, and nobody here says yes.
 */
export function addPlatform(app: FastifyInstance, address: PlatformAddress): void {
  app.get('/api/platform', async (request, reply) => {
    const [functions, http, queue, timer, instances, topics] = await Promise.all([
      itemsOf(address, '/control/v1/functions'),
      itemsOf(address, '/control/v1/httptriggers'),
      itemsOf(address, '/control/v1/messagequeuetriggers'),
      itemsOf(address, '/control/v1/timetriggers'),
      itemsOf(address, '/control/v1/instances'),
      callPlatform(address, '/topics').then((answer) => answer as Readonly<Record<string, unknown>>[]),
    ]);
    const body: PlatformJson = {
      functions: functions.map(toFunction),
      triggers: [...http.map(toRoute), ...queue.map(toQueueTrigger), ...timer.map(toTimer)],
      instances: instances.flatMap(toInstance),
      topics: topics.map(toTopic),
    };
    return sendJson(request, reply, body);
  });

  app.get('/api/platform/topics/:topic/records', async (request, reply) => {
    const params = paramsOf(request);
    const query = new URLSearchParams({
      limit: String(count(params, 'limit', DEFAULT_RECORDS, MAX_RECORDS)),
    });
    for (const name of ['partition', 'offset']) {
      const value = text(params, name);
      if (value !== undefined) query.set(name, value);
    }
    const path = `/topics/${encodeURIComponent(pathParam(request, 'topic'))}/records?${query.toString()}`;
    const answer = await callPlatform(address, path);
    const records = Array.isArray(answer) ? answer : listIn(answer, 'records');
    return sendJson(request, reply, { records: records.map((each) => toRecord(record(each))) });
  });

  app.post('/api/platform/topics/:topic/redrive', async (request, reply) => {
    const to = readJsonBody(request)['to'];
    if (typeof to !== 'string' || to === '')
      throw new Failure(
        'query',
        'bad_request',
        'cannot redrive without a topic to send to: give {"to": TOPIC}',
      );
    const topic = encodeURIComponent(pathParam(request, 'topic'));
    const answer = await callPlatform(address, `/topics/${topic}/redrive?to=${encodeURIComponent(to)}`, {
      method: 'POST',
      timeoutMs: REDRIVE_TIMEOUT_MS,
    });
    return sendJson(request, reply, { redriven: Number(record(answer)['redriven'] ?? 0) });
  });

  app.post('/api/platform/functions/:namespace/:name/call', async (request, reply) =>
    sendJson(
      request,
      reply,
      await callFunction(
        address,
        { namespace: pathParam(request, 'namespace'), name: pathParam(request, 'name') },
        readJsonBody(request),
      ),
    ),
  );
}

type Json = Readonly<Record<string, unknown>>;

async function itemsOf(address: PlatformAddress, path: string): Promise<readonly Json[]> {
  return listIn(await callPlatform(address, path), 'items').map(record);
}

function toFunction(manifest: Json): FunctionConfigJson {
  const { metadata, spec } = partsOf(manifest);
  const strategy = record(record(spec['InvokeStrategy'])['ExecutionStrategy']);
  const limits = record(record(spec['resources'])['limits']);
  return {
    ...nameOf(metadata),
    version: word(metadata['resourceVersion']),
    createdAt: word(metadata['creationTimestamp']),
    environment: word(record(spec['environment'])['name']),
    package: word(record(record(spec['package'])['packageref'])['name']),
    entry: word(record(spec['package'])['functionName']),
    executor: word(strategy['ExecutorType']),
    timeoutSeconds: number(spec['functionTimeout']),
    idleSeconds: number(spec['idletimeout']),
    specializationSeconds: number(strategy['SpecializationTimeout']),
    concurrency: number(spec['concurrency']),
    requestsPerInstance: number(spec['requestsPerPod']),
    onceOnly: spec['onceOnly'] === true,
    memoryBytes: typeof limits['memory'] === 'number' ? limits['memory'] : null,
    // Values may be secret; their names are not.
    env: namesIn(spec['env']),
    secrets: namesIn(spec['secrets']),
    configmaps: namesIn(spec['configmaps']),
  };
}

function toRoute(manifest: Json): TriggerJson {
  const { metadata, spec } = partsOf(manifest);
  return {
    ...nameOf(metadata),
    kind: 'http',
    functions: functionsOf(spec),
    methods: listIn(spec, 'methods').map(word),
    path: word(spec['relativeurl']) || `${word(spec['prefix'])}…`,
    host: word(spec['host']),
  };
}

function toQueueTrigger(manifest: Json): TriggerJson {
  const { metadata, spec } = partsOf(manifest);
  const name = nameOf(metadata);
  return {
    ...name,
    kind: 'queue',
    functions: functionsOf(spec),
    topic: word(spec['topic']),
    responseTopic: word(spec['respTopic']),
    errorTopic: word(spec['errorTopic']),
    maxRetries: number(spec['maxRetries']),
    // docs/triggers.md: the group that a trigger has when it names none.
    consumerGroup: word(record(spec['metadata'])['consumerGroup']) || `${name.namespace}/${name.name}`,
  };
}

function toTimer(manifest: Json): TriggerJson {
  const { metadata, spec } = partsOf(manifest);
  return { ...nameOf(metadata), kind: 'timer', functions: functionsOf(spec), cron: word(spec['cron']) };
}

/** Those that hold a function, not the warm ones of an environment. */
function toInstance(view: Json): InstanceJson[] {
  if (view['fn'] === undefined) return [];
  return [
    {
      id: word(view['id']),
      function: word(record(view['fn'])['name']),
      namespace: word(record(view['fn'])['namespace']),
      state: view['state'] === 'ready' ? 'ready' : 'busy',
      active: number(view['active']),
      startedUnixNano: String(BigInt(Math.round(number(view['startedAtMs']))) * 1_000_000n),
    },
  ];
}

function toTopic(topic: Json): PlatformTopicJson {
  return {
    name: word(topic['name']),
    partitions: listIn(topic, 'partitions')
      .map(record)
      .map((each) => ({
        partition: number(each['partition']),
        startOffset: word(each['startOffset']),
        endOffset: word(each['endOffset']),
      })),
    groups: listIn(topic, 'groups')
      .map(record)
      .map((each) => {
        const partitions = listIn(each, 'partitions').map(record);
        return {
          consumerGroup: word(each['group']),
          lag: String(partitions.reduce((sum, { lag }) => sum + BigInt(word(lag) || '0'), 0n)),
          partitions: partitions.map((of) => ({
            partition: number(of['partition']),
            committed: word(of['committed']),
            lag: word(of['lag']),
          })),
        };
      }),
  };
}

/** Keys, values and header values come in base64; what is UTF-8 is given as text. */
function toRecord(of: Json): RecordJson {
  return {
    topic: word(of['topic']),
    partition: number(of['partition']),
    offset: word(of['offset']),
    timeUnixNano: String(BigInt(Math.round(number(of['timestamp']))) * 1_000_000n),
    key: of['key'] === null ? null : textOrBase64(word(of['key'])),
    value: of['value'] === null ? null : textOrBase64(word(of['value'])),
    headers: listIn(of, 'headers').map((each) => {
      const [name, value] = Array.isArray(each) ? (each as unknown[]) : [];
      return { name: word(name), ...textOrBase64(word(value)) };
    }),
  };
}

function textOrBase64(base64: string): { readonly text: string } | { readonly base64: string } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64')) };
  } catch {
    return { base64 };
  }
}

function functionsOf(spec: Json): readonly string[] {
  const reference = record(spec['functionref']);
  const weights = record(reference['functionweights']);
  return reference['type'] === 'function-weights' ? Object.keys(weights) : [word(reference['name'])];
}

function partsOf(manifest: Json): { readonly metadata: Json; readonly spec: Json } {
  return { metadata: record(manifest['metadata']), spec: record(manifest['spec']) };
}

function nameOf(metadata: Json): { readonly name: string; readonly namespace: string } {
  return { name: word(metadata['name']), namespace: word(metadata['namespace']) };
}

function namesIn(list: unknown): readonly string[] {
  return Array.isArray(list) ? list.map((each) => word(record(each)['name'])) : [];
}

function listIn(of: unknown, key: string): readonly unknown[] {
  const list = record(of)[key];
  return Array.isArray(list) ? list : [];
}

function record(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
