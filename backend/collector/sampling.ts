import type { IncomingMessage, ServerResponse } from 'node:http';
import { Failure } from '../../server/failure.ts';
import { answerPlainly } from './plain-http.ts';

/** As Jaeger's strategies file has it (jaegertracing.io, "Remote Sampling", "File-based Sampling Configuration"). */
export interface SamplingStrategies {
  readonly default_strategy?: SamplingStrategy;
  readonly service_strategies?: readonly (SamplingStrategy & { readonly service: string })[];
}

export interface SamplingStrategy {
  readonly type: 'probabilistic' | 'ratelimiting';
  /** A share of traces, or traces a second. */
  readonly param: number;
  readonly operation_strategies?: readonly {
    readonly operation: string;
    readonly type: 'probabilistic';
    readonly param: number;
  }[];
}

const EVERYTHING: SamplingStrategy = { type: 'probabilistic', param: 1 };

/** Tells clients what to sample: `GET ANY_PATH?service=NAME`, as Jaeger on port 5778. */
export class SamplingReceiver {
  readonly #strategies: SamplingStrategies;

  constructor(strategies: SamplingStrategies = {}) {
    this.#strategies = strategies;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await answerPlainly(request, response, undefined, async () => {
      const services = new URL(request.url ?? '/', 'http://sampling').searchParams.getAll('service');
      if (services.length !== 1 || services[0] === '')
        throw new Failure(
          'collector',
          'bad_request',
          `cannot say what to sample for ${services.length} services: 'service' parameter must occur once`,
        );
      return { status: 200, json: this.#answer(services[0] as string) };
    });
  }

  #answer(service: string): unknown {
    const { service_strategies: own = [], default_strategy: fallback = EVERYTHING } = this.#strategies;
    const strategy = own.find((one) => one.service === service) ?? fallback;
    if (strategy.type === 'ratelimiting')
      return {
        strategyType: 'RATE_LIMITING',
        rateLimitingSampling: { maxTracesPerSecond: Math.round(strategy.param) },
      };
    const operations = strategy.operation_strategies ?? [];
    return {
      strategyType: 'PROBABILISTIC',
      probabilisticSampling: { samplingRate: strategy.param },
      ...(operations.length === 0
        ? {}
        : {
            operationSampling: {
              defaultSamplingProbability: strategy.param,
              defaultLowerBoundTracesPerSecond: 0,
              perOperationStrategies: operations.map(({ operation, param }) => ({
                operation,
                probabilisticSampling: { samplingRate: param },
              })),
            },
          }),
    };
  }
}
