import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { listen } from '../../../server/listen.ts';
import { silentLog, type Logger } from '../../../server/log.ts';
import { readBody } from '../../../server/read-body.ts';
import { closeHttpServer } from '../../../server/stop.ts';
import { openEmbeddedLog } from '../../queue/embedded-log.ts';
import type { Queue, QueueRecord } from '../../queue/queue.ts';
import type { Change } from '../../spec/catalog.ts';
import {
  keyOf,
  type Kind,
  type MessageQueueTrigger,
  type Resource,
  type TimeTrigger,
} from '../../spec/resources.ts';
import type { FunctionInvoker } from '../invoker.ts';
import { startTriggers } from '../triggers.ts';
import { recordedTracing } from './recorded-tracing.ts';

export interface TestRequest {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** As pairs, with repeats. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

export interface TestAnswer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** A real log, or whatever queue is given, and a real HTTP server that stands for router and function. */
export async function startTestPlatform(
  fn: (request: TestRequest) => TestAnswer | Promise<TestAnswer>,
  options: {
    readonly wrap?: (queue: Queue) => Queue;
    /** Default: an embedded log of its own. */
    readonly queue?: Queue;
    readonly log?: Logger;
    readonly partitions?: number;
    /** Of an earlier platform that is no more. */
    readonly folder?: string;
  } = {},
) {
  await using starting = new AsyncDisposableStack();
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'spoor-trigger-')));
  starting.defer(() => rm(folder, { recursive: true, force: true }));
  const log =
    options.queue ??
    starting.use(
      await openEmbeddedLog({ path: join(folder, 'topics.db'), partitions: options.partitions ?? 1 }),
    );
  const queue = options.wrap?.(log) ?? log;
  const requests: TestRequest[] = [];
  const answer = async (incoming: IncomingMessage, response: ServerResponse) => {
    const body = await readBody(incoming, 16 * 1024 * 1024, 'function');
    const { url: path = '', method = '', headers, rawHeaders } = incoming;
    const seen = { path, method, headers, rawHeaders, body };
    requests.push(seen);
    const said = await fn(seen);
    response.writeHead(said.status ?? 200, said.headers).end(said.body ?? '');
  };
  const server = createServer((incoming, response) => {
    answer(incoming, response).catch((error: Error) => response.destroy(error));
  });
  const { url } = await listen(server, { port: 0 }, 'router');
  starting.defer(() => closeHttpServer(server, 0));
  const { tracing, spans } = recordedTracing();
  const catalog = new TestCatalog();
  const start = () =>
    startTriggers({
      catalog,
      queue,
      invoker: httpInvoker(url),
      tracing,
      dataDir: folder,
      log: options.log ?? silentLog(),
    });
  let triggers = starting.use(await start());
  const stack = starting.move();
  return {
    queue: log,
    catalog,
    requests,
    spans,
    folder,
    url,
    server,
    get triggers() {
      return triggers;
    },
    async restart() {
      await triggers[Symbol.asyncDispose]();
      triggers = await start();
      stack.use(triggers);
    },
    /** Resolves with the first `count` records of the topic, in the order of their offsets, when they are there. */
    records: (topic: string, count: number) => firstRecords(log, topic, count),
    /** Resolves when the group has nothing left to do. */
    async idle(topic: string, group: string) {
      for (;;) {
        const found = (await log.topics()).find(({ name }) => name === topic);
        const partitions = found?.groups.find((each) => each.group === group)?.partitions;
        if (partitions?.every(({ lag }) => lag === 0n)) return;
        await once(AbortSignal.timeout(5), 'abort');
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function firstRecords(queue: Queue, topic: string, count: number): Promise<QueueRecord[]> {
  const found: QueueRecord[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  await using _subscription = await queue.subscribe({
    topic,
    group: `test-${Math.random()}`,
    offsetReset: 'earliest',
    maxBatchSize: 1_000,
    onRecords: async (records) => {
      found.push(...records);
      if (found.length >= count) resolve();
    },
    onError: (error) => {
      throw error;
    },
  });
  await promise;
  return found;
}

export function httpInvoker(url: string): FunctionInvoker {
  return {
    async invoke(fn, { method, headers, body, subpath = '', signal, timeoutMs }) {
      const name = typeof fn === 'string' ? fn : keyOf(fn);
      const response = await request(`${url}/fission-function/${name}${subpath}`, {
        method: method as 'POST',
        headers,
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      return {
        status: response.statusCode,
        headers: response.headers,
        body: Buffer.from(await response.body.arrayBuffer()),
      };
    },
  };
}

export class TestCatalog {
  readonly #resources = new Map<string, Resource>();
  readonly #listeners = new Set<(change: Change) => void>();

  list<K extends Kind>(kind: K) {
    return [...this.#resources.values()].filter(
      (each): each is Extract<Resource, { kind: K }> => each.kind === kind,
    );
  }

  onChange(listener: (change: Change) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  put(resource: Resource): void {
    const previous = this.#resources.get(resource.metadata.name);
    this.#resources.set(resource.metadata.name, resource);
    for (const listener of this.#listeners) listener({ type: 'put', resource, previous });
  }

  delete(resource: Resource): void {
    this.#resources.delete(resource.metadata.name);
    for (const listener of this.#listeners) listener({ type: 'delete', resource });
  }
}

export function mqTrigger(spec: Partial<MessageQueueTrigger['spec']> = {}): MessageQueueTrigger {
  return {
    kind: 'MessageQueueTrigger',
    metadata: metadata('on-greeting'),
    spec: {
      functionref: { type: 'name', name: 'image' },
      messageQueueType: 'kafka',
      mqtkind: 'fission',
      topic: 'greetings',
      respTopic: 'cards',
      errorTopic: 'greetings-errors',
      maxRetries: 0,
      contentType: 'application/json',
      secret: '',
      ...spec,
      metadata: { retryBackoffMs: '1', offsetResetPolicy: 'earliest', consumerGroup: 'g', ...spec.metadata },
    },
  };
}

export function timeTrigger(spec: Partial<TimeTrigger['spec']> = {}): TimeTrigger {
  return {
    kind: 'TimeTrigger',
    metadata: metadata('every-second'),
    spec: {
      cron: '* * * * * *',
      functionref: { type: 'name', name: 'tick' },
      method: 'POST',
      subpath: '',
      ...spec,
    },
  };
}

function metadata(name: string) {
  return {
    name,
    namespace: 'default',
    uid: `uid-of-${name}`,
    generation: 1,
    resourceVersion: '1',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: {},
    annotations: {},
  };
}
