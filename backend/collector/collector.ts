import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Failure } from '../../server/failure.ts';
import { listen } from '../../server/listen.ts';
import type { Logger } from '../../server/log.ts';
import { closeHttpServer } from '../../server/stop.ts';
import type { TraceWriter } from '../store/store.ts';
import { Ingest, type CollectorLimits } from './ingest.ts';
import { JaegerHttpReceiver, startJaegerUdp } from './jaeger-receivers.ts';
import { MetricsEndpoint } from './metrics-endpoint.ts';
import { startOtlpGrpc } from './otlp-grpc.ts';
import { OtlpHttpReceiver } from './otlp-http.ts';
import { SamplingReceiver, type SamplingStrategies } from './sampling.ts';
import { TokenGate } from './token.ts';
import { ZipkinReceiver } from './zipkin-receiver.ts';

export interface CollectorOptions {
  readonly store: TraceWriter;
  readonly host?: string;
  /** OTLP over HTTP. Here and below: 0 picks a free port. */
  readonly httpPort: number;
  /** OTLP over gRPC, 4317. Here and below: not started when undefined. */
  readonly grpcPort?: ExtraPort | undefined;
  /** Jaeger's Thrift over HTTP, 14268: `POST /api/traces`. */
  readonly jaegerHttpPort?: ExtraPort | undefined;
  /** Jaeger's Thrift over UDP, 6831: compact or binary. */
  readonly jaegerUdpPort?: ExtraPort | undefined;
  /** Zipkin, 9411: `POST /api/v2/spans`. */
  readonly zipkinPort?: ExtraPort | undefined;
  /** Remote sampling, 5778: `GET /sampling?service=NAME`. */
  readonly samplingPort?: ExtraPort | undefined;
  /** What clients that ask are told to sample. Default: everything. */
  readonly samplingStrategies?: SamplingStrategies | undefined;
  readonly log: Logger;
  /** When set, senders need `Authorization: Bearer TOKEN`; UDP, which has none, is then not served. */
  readonly token?: string;
  readonly limits?: Partial<CollectorLimits>;
  /** Answered to `GET /metrics` beside OTLP over HTTP, in Prometheus' text format. */
  readonly metrics?: (() => string) | undefined;
}

/** A port nobody may have asked for: `ifFree` makes it a warning, not a failure, that another program has it. */
export type ExtraPort = number | { readonly port: number; readonly ifFree: true };

export interface Collector extends AsyncDisposable {
  /** Base URL of OTLP over HTTP: `/v1/traces` and `/v1/logs` stand below it. */
  readonly url: string;
  readonly port: number;
  /** Where each of the others listens; undefined when it does not. */
  readonly grpcUrl: string | undefined;
  readonly jaegerHttpUrl: string | undefined;
  readonly jaegerUdpPort: number | undefined;
  readonly zipkinUrl: string | undefined;
  readonly samplingUrl: string | undefined;
}

/** Receives spans in every format we know, through one group commit. A sender is told "stored" only when it is. */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const { host, log } = options;
  const ingest = new Ingest(options.store, options.limits);
  const gate = new TokenGate(options.token);
  await using starting = new AsyncDisposableStack();
  // Last of all, so that what was accepted before the listeners closed is written.
  starting.defer(() => ingest.drain());

  const http = async (name: string, port: number, receiver: HttpReceiver) => {
    const server = createServer({ requestTimeout: 60_000 }, (request, response) => {
      void receiver.handle(request, response);
    });
    const listening = await listen(server, { host, port }, 'collector');
    starting.defer(async () => {
      const closed = closeHttpServer(server);
      await ingest.drain();
      await closed;
    });
    log.info({ url: listening.url }, `receiving ${name}`);
    return listening;
  };
  const extra = async <T>(
    name: string,
    asked: ExtraPort | undefined,
    start: (port: number) => Promise<T>,
  ): Promise<T | undefined> => {
    if (asked === undefined) return undefined;
    if (typeof asked === 'number') return await start(asked);
    try {
      return await start(asked.port);
    } catch (error) {
      if (!(error instanceof Failure) || error.reason !== 'conflict') throw error;
      log.warn({ port: asked.port }, `not receiving ${name}: another program has its port`);
      return undefined;
    }
  };

  const otlpReceiver = new OtlpHttpReceiver(ingest, gate, log);
  const metrics = options.metrics && new MetricsEndpoint(options.metrics, gate);
  const otlp = await http('OTLP over HTTP', options.httpPort, {
    handle: (request, response) =>
      (metrics && isForMetrics(request) ? metrics : otlpReceiver).handle(request, response),
  });
  const grpc = await extra('OTLP over gRPC', options.grpcPort, async (port) =>
    starting.use(await startOtlpGrpc({ ingest, gate, log, host, port })),
  );
  const jaegerHttp = await extra('Jaeger over HTTP', options.jaegerHttpPort, (port) =>
    http('Jaeger over HTTP', port, new JaegerHttpReceiver(ingest, gate, log)),
  );
  const jaegerUdp = await extra(
    'Jaeger over UDP',
    options.token === undefined ? options.jaegerUdpPort : undefined,
    async (port) => starting.use(await startJaegerUdp({ ingest, log, host, port })),
  );
  const zipkin = await extra('Zipkin', options.zipkinPort, (port) =>
    http('Zipkin', port, new ZipkinReceiver(ingest, gate, log)),
  );
  const sampling = await extra('questions of samplers', options.samplingPort, (port) =>
    http('questions of samplers', port, new SamplingReceiver(options.samplingStrategies)),
  );
  const started = starting.move();
  return {
    url: otlp.url,
    port: otlp.port,
    grpcUrl: grpc?.url,
    jaegerHttpUrl: jaegerHttp?.url,
    jaegerUdpPort: jaegerUdp?.port,
    zipkinUrl: zipkin?.url,
    samplingUrl: sampling?.url,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

function isForMetrics({ method, url }: IncomingMessage): boolean {
  return method === 'GET' && url === '/metrics';
}

interface HttpReceiver {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
}
