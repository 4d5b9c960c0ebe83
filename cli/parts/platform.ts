import { join } from 'node:path';
import { letRequestsDieYoung } from '../../server/die-young.ts';
import type { Logger } from '../../server/log.ts';
import { environmentProgram } from '../../function/environment/node/bundle.ts';
import { pythonProgram } from '../../function/environment/python/program.ts';
import { registerGlobals, startTracing } from '../../function/span/tracing.ts';
import { DEFAULT_LIMITS } from '../../function/span/tracing-env.ts';
import type { ExecutorClient } from '../../platform/executor/client.ts';
import { startExecutor, type Executor } from '../../platform/executor/executor.ts';
import { openEmbeddedLog } from '../../platform/queue/embedded-log.ts';
import { openKafka, type KafkaOptions } from '../../platform/queue/kafka.ts';
import { metricsHandler, topicsHandler } from '../../platform/queue/topics-http.ts';
import { startRouter } from '../../platform/router/router.ts';
import { startCanaries } from '../../platform/spec/canary.ts';
import { startBuilder } from '../../platform/spec/builder.ts';
import { controlHandler } from '../../platform/spec/control.ts';
import { openRegistry } from '../../platform/spec/registry.ts';
import { startTriggers } from '../../platform/trigger/triggers.ts';
import { makePlaces } from '../settings.ts';
import { failureRate } from './canary-rate.ts';
import { kafkaInstanceId } from './kafka-options.ts';
import { VERSION } from '../version-number.ts';
import type { RunningPart } from './run.ts';

export interface PlatformPartOptions {
  readonly data: string;
  readonly host: string;
  readonly routerPort: number;
  readonly internalPort: number;
  /** Topics are there instead of in the embedded log. */
  readonly kafka: KafkaOptions | undefined;
}

/** Journals of the platform's own services are named so that whoever sees this process die can say how (docs/journal.md). */
export function platformJournal(journalDir: string, pid: number, service: string): string {
  return join(journalDir, `platform-${pid}-${service}.journal`);
}

/** A batch's span links to each of its records, 10,000 at most. */
export const MAX_LINKS = 10_000;

export const PLATFORM_SERVICES = ['router', 'executor', 'trigger', 'queue', 'builder', 'output'] as const;

export async function startPlatformPart(options: PlatformPartOptions, log: Logger): Promise<RunningPart> {
  letRequestsDieYoung();
  const places = makePlaces(options.data);
  await using starting = new AsyncDisposableStack();

  const tracingOf = (service: (typeof PLATFORM_SERVICES)[number]) =>
    starting.use(
      startTracing({
        journal: platformJournal(places.journals, process.pid, service),
        limits: { ...DEFAULT_LIMITS, linkCount: MAX_LINKS },
        resource: {
          'service.name': service,
          'service.instance.id': `${service}-${process.pid}`,
          'process.pid': process.pid,
        },
      }),
    );
  const tracing = {
    router: tracingOf('router'),
    executor: tracingOf('executor'),
    trigger: tracingOf('trigger'),
    queue: tracingOf('queue'),
    builder: tracingOf('builder'),
  };
  registerGlobals(tracing.router);

  const registry = starting.use(await openRegistry({ dataDir: places.platform, log }));
  starting.use(
    await startBuilder({
      registry,
      directory: join(places.platform, 'builds'),
      tracing: tracing.builder,
      log,
    }),
  );
  const queue = starting.use(
    options.kafka
      ? await openKafka({
          ...options.kafka,
          instanceId: options.kafka.instanceId ?? kafkaInstanceId(places.platform),
        })
      : await openEmbeddedLog({ path: join(places.platform, 'topics.db') }),
  );

  // Instances are told the router's address when they start, and warm ones start at once: the router listens first, and a
  // request that comes before the executor is there waits for it.
  const executorReady = Promise.withResolvers<ExecutorClient>();
  let executor: Executor | undefined;
  const control = controlHandler(registry, {
    log,
    tracing: tracing.builder,
    instances: () => executor?.instances() ?? [],
  });
  const router = await startRouter({
    catalog: registry,
    executor: {
      acquire: (fn, asked) =>
        executor?.acquire(fn, asked) ?? executorReady.promise.then((ready) => ready.acquire(fn, asked)),
    },
    tracing: tracing.router,
    host: options.host,
    port: options.routerPort,
    internalPort: options.internalPort,
    internalHandlers: [
      { prefix: '/control/', handle: control },
      { prefix: '/topics', handle: topicsHandler({ queue, tracing: tracing.queue }) },
      { prefix: '/metrics', handle: metricsHandler(queue) },
    ],
    async: { path: join(places.platform, 'async.db') },
    version: VERSION,
    log,
  });
  executor = starting.use(
    await startExecutor({
      catalog: registry,
      tracing: tracing.executor,
      journalDir: places.journals,
      runDir: places.run,
      programs: {
        node: async () => ({ command: process.execPath, args: [await environmentProgram()] }),
        // Asked for when the first Environment of Python is there.
        python: pythonProgram,
      },
      onWarm: (socketPath) => router.prepare(socketPath),
      instanceEnv: () => ({ SPOOR_INTERNAL_URL: router.internalUrl, SPOOR_ROUTER_URL: router.url }),
      // Its resource changes with whose line it is.
      output: tracingOf('output'),
      nodePath: join(import.meta.dirname, '../../node_modules'),
      log,
    }),
  );
  starting.use(router);
  executorReady.resolve(executor);
  starting.use(
    await startTriggers({
      catalog: registry,
      queue,
      invoker: router.client,
      tracing: tracing.trigger,
      dataDir: places.platform,
      log,
    }),
  );

  starting.use(
    startCanaries({
      registry,
      failureRate: (fn, sinceMs) => failureRate(places.endpoints, fn, sinceMs),
      tracing: tracing.trigger,
      log,
    }),
  );

  const started = starting.move();
  return {
    endpoints: { router: router.url, internal: router.internalUrl },
    // Reverse order of start: triggers stop taking records first, tracing closes last.
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
