import { readFile } from 'node:fs/promises';
import type { Logger } from '../../server/log.ts';
import { startCollector, type ExtraPort } from '../../backend/collector/collector.ts';
import type { TailSampling } from '../../backend/collector/sampling/policies.ts';
import { startTailSampling } from '../../backend/collector/sampling/tail-sampler.ts';
import { openStore } from '../../backend/store/open-store.ts';
import { startQuery } from '../../backend/query/query.ts';
import { DEFAULT_PORTS, makePlaces } from '../settings.ts';
import type { RunningPart } from './run.ts';

export interface BackendPartOptions {
  readonly data: string;
  readonly host: string;
  readonly queryPort: number;
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
  readonly uiDir: string | undefined;
  readonly token: string | undefined;
}

export async function startBackendPart(options: BackendPartOptions, log: Logger): Promise<RunningPart> {
  const places = makePlaces(options.data);
  const retention = { maxDays: options.keepDays, maxBytes: options.maxDiskBytes };
  const tailSampling = options.tailSampling !== undefined;
  await using starting = new AsyncDisposableStack();
  const store = starting.use(
    await openStore(
      options.clickhouseUrl === undefined
        ? { dataDir: places.store, log, retention, tailSampling }
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
  const query = starting.use(
    await startQuery({
      reader: store.reader,
      host: options.host,
      port: options.queryPort,
      uiDir: options.uiDir,
      platform: () => internalUrl(places.endpoints),
      token: options.token,
      log,
    }),
  );
  const started = starting.move();
  return {
    endpoints: {
      query: query.url,
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

/** As `spoor up` wrote it beside the data, or SPOOR_SERVER names it: read anew each time, since the platform comes and goes. */
async function internalUrl(endpoints: string): Promise<string | undefined> {
  const named = process.env['SPOOR_SERVER'];
  if (named !== undefined && named !== '') return named.replace(/\/+$/, '');
  try {
    const { internal } = JSON.parse(await readFile(endpoints, 'utf8')) as { internal?: unknown };
    return typeof internal === 'string' ? internal : undefined;
  } catch {
    return undefined;
  }
}

function askedOr(port: number | undefined, fallback: number): ExtraPort {
  return port ?? { port: fallback, ifFree: true };
}
