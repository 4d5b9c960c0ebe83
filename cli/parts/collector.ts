import { Failure } from '../../server/failure.ts';
import { isLoopback } from '../../server/listen.ts';
import type { Logger } from '../../server/log.ts';
import { startCollector, type ExtraPort } from '../../backend/collector/collector.ts';
import type { TailSampling } from '../../backend/collector/sampling/policies.ts';
import { startTailSampling } from '../../backend/collector/sampling/tail-sampler.ts';
import { openStore, type OpenStore } from '../../backend/store/open-store.ts';
import { DEFAULT_PORTS, makePlaces } from '../settings.ts';
import type { RunningPart } from './run.ts';

export interface CollectorPartOptions {
  readonly data: string;
  readonly host: string;
  readonly otlpHttpPort: number;
  /** Here and below: undefined is the default port if no other program has it. */
  readonly otlpGrpcPort: number | undefined;
  readonly jaegerHttpPort: number | undefined;
  readonly jaegerUdpPort: number | undefined;
  readonly zipkinPort: number | undefined;
  readonly samplingPort: number | undefined;
  readonly clickhouseUrl: string | undefined;
  /** Whole days kept, and how much of the disk all of it may take; undefined: without end. */
  readonly keepDays?: number | undefined;
  readonly maxDiskBytes?: number | undefined;
  /** What is kept of all that comes; undefined: everything. */
  readonly tailSampling?: TailSampling | undefined;
  readonly token: string | undefined;
}

export interface CollectorPart extends RunningPart {
  readonly store: OpenStore;
}

/** What takes spans in and stores them: in ClickHouse, where a backend elsewhere reads them, or below the data directory. */
export async function startCollectorPart(options: CollectorPartOptions, log: Logger): Promise<CollectorPart> {
  if (!isLoopback(options.host) && options.token === undefined)
    throw new Failure(
      'cli',
      'forbidden',
      `cannot listen on ${options.host} without a token: set SPOOR_TOKEN, or stay on 127.0.0.1`,
    );
  const retention = { maxDays: options.keepDays, maxBytes: options.maxDiskBytes };
  const tailSampling = options.tailSampling !== undefined;
  await using starting = new AsyncDisposableStack();
  const store = starting.use(
    await openStore(
      options.clickhouseUrl === undefined
        ? { dataDir: makePlaces(options.data).store, log, retention, tailSampling }
        : { url: options.clickhouseUrl, log, retention, tailSampling },
    ),
  );
  const sampler =
    options.tailSampling &&
    starting.use(startTailSampling({ store: store.sampling, policies: options.tailSampling, log }));
  const collector = starting.use(
    await startCollector({
      store: store.writer,
      host: options.host,
      httpPort: options.otlpHttpPort,
      grpcPort: askedOr(options.otlpGrpcPort, DEFAULT_PORTS.otlpGrpc),
      jaegerHttpPort: askedOr(options.jaegerHttpPort, DEFAULT_PORTS.jaegerHttp),
      jaegerUdpPort: askedOr(options.jaegerUdpPort, DEFAULT_PORTS.jaegerUdp),
      zipkinPort: askedOr(options.zipkinPort, DEFAULT_PORTS.zipkin),
      samplingPort: askedOr(options.samplingPort, DEFAULT_PORTS.sampling),
      token: options.token,
      metrics: sampler && (() => sampler.counts.text()),
      log,
    }),
  );
  const started = starting.move();
  return {
    store,
    endpoints: {
      otlpHttp: collector.url,
      ...(collector.grpcUrl === undefined ? {} : { otlpGrpc: collector.grpcUrl }),
      ...(collector.jaegerHttpUrl === undefined ? {} : { jaegerHttp: collector.jaegerHttpUrl }),
      ...(collector.jaegerUdpPort === undefined
        ? {}
        : { jaegerUdp: `udp://${options.host}:${collector.jaegerUdpPort}` }),
      ...(collector.zipkinUrl === undefined ? {} : { zipkin: collector.zipkinUrl }),
      ...(collector.samplingUrl === undefined ? {} : { sampling: collector.samplingUrl }),
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

function askedOr(port: number | undefined, fallback: number): ExtraPort {
  return port ?? { port: fallback, ifFree: true };
}
