import { type Context, type SpanContext, type Tracer } from '@opentelemetry/api';
import { FAAS_INSTANCE, FAAS_NAME, SPOOR_POOL_HIT } from '../../function/span/attributes.ts';
import { Failure, toFailure } from '../../server/failure.ts';
import type { Catalog } from '../spec/catalog.ts';
import type { Environment, FunctionResource, ResourceLimits } from '../spec/resources.ts';
import { ASKED_TO_END, type Instance } from './instance.ts';
import { writeMounts } from './mounts.ts';
import { failSpan, nowMs, recordSpan } from './phase.ts';

/** Instances tried for one cold start, as long as each of them was asked to end meanwhile. */
const MAX_INSTANCES = 3;

export interface ColdStartOptions {
  readonly fn: FunctionResource;
  readonly environment: Environment;
  readonly catalog: Catalog;
  readonly tracer: Tracer;
  /** The span of the invocation that asked. */
  readonly context: Context;
  /** A warm generic instance, if there is one. */
  readonly take: () => Instance | undefined;
  /** A new one; it may not listen yet. */
  readonly start: () => Promise<Instance>;
}

export interface Specialized {
  readonly instance: Instance;
  /** Of the span `load function`: what those who waited for this start link to. */
  readonly span: SpanContext;
}

/**
 * What stands between a function that has no free instance and one that has: fetch its package, take or start an instance, load
 * the function into it. Each that really happened is a span below the invocation with its own status; all of them together are
 * bounded by the function's specializationTimeout. Throws a Failure.
 */
export async function coldStart(options: ColdStartOptions): Promise<Specialized> {
  const { fn } = options;
  const timeoutMs = fn.spec.specializationTimeout * 1_000;
  const deadline = AbortSignal.timeout(timeoutMs);
  const path = await fetchPackage(options);
  for (let attempt = 1; ; attempt++) {
    const { instance, poolHit } = await getInstance(options, deadline, timeoutMs);
    try {
      const span = await load(options, { instance, poolHit, path, deadline, timeoutMs });
      return { instance, span };
    } catch (error) {
      // It was asked to end between its place in the pool and its function: the fault is neither's, and no request was served.
      if (!instance.isDraining || deadline.aborted || attempt === MAX_INSTANCES) throw error;
    }
  }
}

interface Load {
  readonly instance: Instance;
  readonly poolHit: boolean;
  readonly path: string;
  readonly deadline: AbortSignal;
  readonly timeoutMs: number;
}

async function load(options: ColdStartOptions, into: Load): Promise<SpanContext> {
  const { fn, environment, tracer, catalog, context } = options;
  const { instance, poolHit, path, deadline, timeoutMs } = into;
  const attributes = {
    [FAAS_NAME]: fn.metadata.name,
    [FAAS_INSTANCE]: instance.id,
    [SPOOR_POOL_HIT]: poolHit,
  };
  const span = tracer.startSpan('load function', { attributes }, context);
  try {
    instance.fn = fn.metadata;
    writeMounts(instance.folder, fn, catalog);
    await instance.specialize(loadRequest(fn, environment, path), deadline);
    if (instance.isDraining)
      throw new Failure(
        'executor',
        'specialization_failed',
        `cannot use this instance of function [${fn.metadata.name}]: ${ASKED_TO_END}`,
      );
    return span.spanContext();
  } catch (error) {
    const failure = deadline.aborted ? tooSlow(fn, timeoutMs, error) : toFailure(error, 'executor');
    // A process that has half a function in it is of no use to anyone.
    instance.kill({
      reason: deadline.aborted ? 'timeout' : 'shutdown',
      message: deadline.aborted
        ? `killed after ${timeoutMs} ms: specialization timeout`
        : 'the function could not be loaded',
    });
    failSpan(span, failure);
    throw failure;
  } finally {
    span.end();
  }
}

async function fetchPackage(options: ColdStartOptions): Promise<string> {
  const { fn, tracer, context } = options;
  const startMs = nowMs();
  const attributes = { [FAAS_NAME]: fn.metadata.name };
  try {
    const { path, wasCached } = await options.catalog.fetchPackage(fn.spec.package.packageref);
    if (!wasCached) recordSpan(tracer, 'fetch package', { context, startMs, attributes });
    return path;
  } catch (error) {
    const failure =
      error instanceof Failure
        ? error
        : new Failure(
            'fetcher',
            'specialization_failed',
            `cannot fetch package [${fn.spec.package.packageref.name}]: ${(error as Error).message}`,
            { cause: error },
          );
    recordSpan(tracer, 'fetch package', { context, startMs, attributes, failure });
    throw failure;
  }
}

async function getInstance(
  options: ColdStartOptions,
  deadline: AbortSignal,
  timeoutMs: number,
): Promise<{ instance: Instance; poolHit: boolean }> {
  const { fn, tracer, context } = options;
  const warm = needsOwnProcess(fn, options.environment) ? undefined : options.take();
  if (warm) return { instance: warm, poolHit: true };
  const span = tracer.startSpan('start instance', { attributes: { [FAAS_NAME]: fn.metadata.name } }, context);
  let instance: Instance | undefined;
  try {
    instance = await options.start();
    span.setAttribute(FAAS_INSTANCE, instance.id);
    await untilAborted(instance.listening, deadline);
    return { instance, poolHit: false };
  } catch (error) {
    const failure = deadline.aborted ? tooSlow(fn, timeoutMs, error) : toFailure(error, 'executor');
    instance?.kill({ reason: 'timeout', message: `killed after ${timeoutMs} ms: specialization timeout` });
    failSpan(span, failure);
    throw failure;
  } finally {
    span.end();
  }
}

/** Environment variables and limits are given when a process starts; a generic one has started without the function's. */
export function needsOwnProcess(fn: FunctionResource, environment: Environment): boolean {
  const own = limitsOf(fn, environment);
  const generic = environment.spec.resources;
  return (
    fn.spec.env.length > 0 ||
    own.memoryLimitBytes !== generic.memoryLimitBytes ||
    own.cpuLimit !== generic.cpuLimit
  );
}

/** The function's own, else its environment's. */
export function limitsOf(fn: FunctionResource, environment: Environment): ResourceLimits {
  return { ...environment.spec.resources, ...fn.spec.resources };
}

/** Fission's FunctionLoadRequest, exact case (fission.md 1.1). */
function loadRequest(fn: FunctionResource, environment: Environment, path: string) {
  return {
    filepath: path,
    functionName: fn.spec.package.functionName,
    url: '',
    FunctionMetadata: fn.metadata,
    envVersion: environment.spec.version,
  };
}

function tooSlow(fn: FunctionResource, timeoutMs: number, cause: unknown): Failure {
  return new Failure(
    'executor',
    'specialization_failed',
    `cannot specialize function [${fn.metadata.name}]: not done after ${timeoutMs} ms (specializationTimeout)`,
    { cause },
  );
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
