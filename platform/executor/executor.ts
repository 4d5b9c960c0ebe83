import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Context, Tracer } from '@opentelemetry/api';
import type { Tracing } from '../../function/span/tracing.ts';
import { Failure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import type { Catalog, Change } from '../spec/catalog.ts';
import { runtimeOf, type Runtime } from '../spec/runtime.ts';
import {
  keyOf,
  type Environment,
  type FunctionResource,
  type Reference,
  type ResourceLimits,
} from '../spec/resources.ts';
import { Cgroups } from './cgroup.ts';
import type { ExecutorClient, Lease } from './client.ts';
import { coldStart, limitsOf, needsOwnProcess, type Specialized } from './cold-start.ts';
import { EnvironmentPool } from './environment-pool.ts';
import { FunctionPool } from './function-pool.ts';
import { Instance, type Program, type StartOptions } from './instance.ts';
import { outputTo } from './output-log.ts';
import { endOrphans } from './orphans.ts';
import { versionOf } from './version.ts';

/** Idle instances are looked for this often. */
const REAP_INTERVAL_MS = 1_000;
/** Processes of instances at a time, for each core: past it requests wait for one that comes free. */
const INSTANCES_PER_CORE = 32;
/** Processes that start at the same time, for each core: starting is all CPU. */
const STARTS_PER_CORE = 1;
/** A stopping executor gives requests in flight this long. */
const DRAIN_MS = 10_000;

export interface ExecutorOptions {
  readonly catalog: Catalog;
  /** Of service `executor`. */
  readonly tracing: { tracer(): Tracer };
  /** Where instances create their journals, and the executor their end files. */
  readonly journalDir: string;
  /** For sockets and records of instances; at most 96 bytes long, for the path of a unix socket is short. */
  readonly runDir: string;
  /** What every instance is told: SPOOR_INTERNAL_URL and the like. Asked at each start. */
  readonly instanceEnv: () => Readonly<Record<string, string>>;
  /** How to run the environment server of each language. */
  readonly programs: { readonly [R in Runtime]?: () => Promise<Program> };
  /** NODE_PATH of instances, so that user code can require what the platform brings along. */
  readonly nodePath?: string;
  /** Where lines that instances print past their environment are told, under the name of their function; absent: in `log` alone. */
  readonly output?: Pick<Tracing, 'log' | 'setResource'>;
  /** Processes of instances at a time, all environments together. */
  readonly maxInstances?: number;
  /** Told the socket of an instance that waits for a function: the first request may find a connection to it. */
  readonly onWarm?: (socketPath: string) => void;
  /** A cgroup of version 2 that the platform may fill; by default its own one, if that is so. */
  readonly cgroupRoot?: string;
  readonly log: Logger;
}

export interface InstanceInfo {
  readonly id: string;
  readonly environment: Reference;
  /** `warm` waits for a function, `busy` is starting, loading or ending. */
  readonly state: 'warm' | 'ready' | 'busy';
  /** undefined for a warm generic instance. */
  readonly fn: Reference | undefined;
  readonly pid: number | undefined;
  /** Requests it is serving now. */
  readonly active: number;
  readonly startedAtMs: number;
}

export interface Executor extends ExecutorClient, AsyncDisposable {
  /** Every living instance: warm, serving and on its way out. */
  instances(): readonly InstanceInfo[];
}

/** Starts the executor: the pools of every environment in the catalog begin to fill at once. */
export async function startExecutor(options: ExecutorOptions): Promise<Executor> {
  mkdirSync(options.runDir, { recursive: true, mode: 0o700 });
  mkdirSync(options.journalDir, { recursive: true });
  return new PoolExecutor(options);
}

class PoolExecutor implements Executor {
  readonly #options: ExecutorOptions;
  readonly #tracer: Tracer;
  readonly #environments = new Map<string, EnvironmentPool>();
  readonly #functions = new Map<string, FunctionPool>();
  readonly #instances = new Set<Instance>();
  readonly #maxInstances: number;
  readonly #maxStarts = Math.max(2, availableParallelism() * STARTS_PER_CORE);
  #starts = 0;
  #hasWarned = false;
  #isStopping = false;
  readonly #orphans: Disposable;
  readonly #changes: Disposable;
  readonly #onOutput: StartOptions['onOutput'];
  readonly #reaper: NodeJS.Timeout;
  /** Opened for the first instance that has limits. */
  #cgroups: { readonly found: Cgroups | undefined } | undefined;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#tracer = options.tracing.tracer();
    this.#maxInstances = options.maxInstances ?? availableParallelism() * INSTANCES_PER_CORE;
    this.#orphans = endOrphans(options.runDir, options.log);
    for (const environment of options.catalog.list('Environment')) this.#putEnvironment(environment);
    this.#changes = options.catalog.onChange((change) => this.#changed(change));
    this.#onOutput = outputTo(options.output, options.log);
    this.#reaper = setInterval(() => this.#reap(), REAP_INTERVAL_MS).unref();
  }

  acquire(fn: Reference, options: { context: Context; signal: AbortSignal }): Promise<Lease> {
    const key = keyOf(fn);
    let pool = this.#functions.get(key);
    if (!pool) {
      if (this.#isStopping) return Promise.reject(stopping());
      const resource = this.#options.catalog.get('Function', fn);
      if (!resource) {
        return Promise.reject(
          new Failure('executor', 'not_found', `cannot find function [${key}]: no such function`),
        );
      }
      pool = this.#openPool(resource);
      this.#functions.set(key, pool);
    }
    return pool.acquire(options);
  }

  instances(): readonly InstanceInfo[] {
    const serving = new Map<Instance, { fn: Reference; active: number }>();
    for (const pool of this.#functions.values()) {
      const { name, namespace } = pool.fn.metadata;
      for (const { instance, active } of pool.members)
        serving.set(instance, { fn: { name, namespace }, active });
    }
    const warm = new Set(this.#environments.values().flatMap((pool) => pool.warm));
    return Array.from(this.#instances, (instance) => {
      const { name, namespace } = instance.environment.metadata;
      return {
        id: instance.id,
        environment: { name, namespace },
        state: warm.has(instance) ? 'warm' : serving.has(instance) ? 'ready' : 'busy',
        fn: serving.get(instance)?.fn,
        pid: instance.pid,
        active: serving.get(instance)?.active ?? 0,
        startedAtMs: instance.startedAtMs,
      };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    this.#changes[Symbol.dispose]();
    this.#orphans[Symbol.dispose]();
    clearInterval(this.#reaper);
    for (const pool of this.#environments.values()) pool.stop();
    for (const pool of this.#functions.values()) pool.close(stopping(), 'the platform stops');
    await this.#drained();
    await Promise.all(Array.from(this.#instances, (instance) => instance.terminate('the platform stops')));
  }

  async #drained(): Promise<void> {
    const deadline = Date.now() + DRAIN_MS;
    const active = () => this.#functions.values().reduce((sum, pool) => sum + pool.active, 0);
    while (active() > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  #openPool(fn: FunctionResource): FunctionPool {
    return new FunctionPool({
      fn,
      version: versionOf(fn, this.#options.catalog),
      tracer: this.#tracer,
      canStart: (fn) => this.#canStart(fn),
      coldStart: (fn, context) => this.#coldStart(fn, context),
    });
  }

  async #coldStart(fn: FunctionResource, context: Context): Promise<Specialized> {
    const environment = this.#options.catalog.get('Environment', fn.spec.environment);
    if (!environment) {
      throw new Failure(
        'executor',
        'specialization_failed',
        `cannot start function [${fn.metadata.name}]: there is no environment [${keyOf(fn.spec.environment)}]`,
      );
    }
    return coldStart({
      fn,
      environment,
      context,
      catalog: this.#options.catalog,
      tracer: this.#tracer,
      take: () => this.#environments.get(keyOf(environment.metadata))?.take(),
      start: async () => this.#takeStarting(environment, fn) ?? this.#start(environment, fn),
    });
  }

  #takeStarting(environment: Environment, fn: FunctionResource): Instance | undefined {
    if (needsOwnProcess(fn, environment)) return undefined;
    return this.#environments.get(keyOf(environment.metadata))?.takeStarting();
  }

  /** A warm instance costs nothing; a new one needs a place among the processes and among those that start. */
  #canStart(fn: FunctionResource): boolean {
    if (this.#isStopping) return false;
    const environment = this.#options.catalog.get('Environment', fn.spec.environment);
    if (!environment) return true; // the cold start says so
    const pool = this.#environments.get(keyOf(environment.metadata));
    if (pool && (pool.warm.length > 0 || pool.hasStarting) && !needsOwnProcess(fn, environment)) return true;
    if (this.#starts >= this.#maxStarts) return false;
    if (this.#instances.size < this.#maxInstances) return true;
    this.#endOldestIdle();
    return false;
  }

  async #start(environment: Environment, fn?: FunctionResource): Promise<Instance> {
    const { journalDir, runDir, nodePath, log } = this.#options;
    this.#starts += 1;
    let listening: Promise<void> | undefined;
    try {
      const language = languageOf(environment);
      const program = this.#options.programs[language];
      if (!program) {
        throw new Failure(
          'executor',
          'specialization_failed',
          `cannot run environment [${environment.metadata.name}]: this machine has no ${language} environment`,
        );
      }
      const command = await program();
      if (this.#isStopping) throw stopping();
      const limits = fn ? limitsOf(fn, environment) : environment.spec.resources;
      const instance = new Instance({
        environment,
        language,
        program: command,
        journalDir,
        runDir,
        env: this.#options.instanceEnv(),
        functionEnv: fn?.spec.env,
        limits,
        cgroups: this.#cgroupsFor(limits),
        nodePath,
        onOutput: this.#onOutput,
        log,
      });
      this.#instances.add(instance);
      void this.#forgetWhenEnded(instance);
      listening = instance.listening;
      return instance;
    } finally {
      void this.#started(listening);
    }
  }

  #cgroupsFor({ memoryLimitBytes, cpuLimit }: ResourceLimits): Cgroups | undefined {
    if (memoryLimitBytes === undefined && cpuLimit === undefined) return undefined;
    this.#cgroups ??= { found: Cgroups.open(this.#options.cgroupRoot) };
    const { found } = this.#cgroups;
    if (found === undefined && cpuLimit !== undefined && !this.#hasWarned) {
      this.#hasWarned = true;
      this.#options.log.warn('there is no cgroup of version 2 to be had: limits of CPU are not kept');
    }
    return found;
  }

  /** A start is over when the instance listens or has died; whoever asked for it hears which from the instance. */
  async #started(listening: Promise<void> | undefined): Promise<void> {
    await listening?.catch(() => {});
    this.#starts -= 1;
    this.#pump();
  }

  async #forgetWhenEnded(instance: Instance): Promise<void> {
    await instance.ended;
    this.#instances.delete(instance);
    this.#pump();
  }

  /** Something came free: whoever waits may start now. */
  #pump(): void {
    if (this.#isStopping) return;
    for (const pool of this.#functions.values()) if (pool.hasWaiters) pool.pump();
  }

  #endOldestIdle(): void {
    let oldest: ReturnType<FunctionPool['oldestIdle']>;
    for (const pool of this.#functions.values()) {
      const idle = pool.oldestIdle();
      if (idle && (!oldest || idle.lastUsedMs < oldest.lastUsedMs)) oldest = idle;
    }
    oldest?.retire();
  }

  #reap(): void {
    const now = Date.now();
    for (const [key, pool] of this.#functions) {
      pool.reap(now);
      if (pool.isIdle) this.#functions.delete(key);
    }
  }

  #changed(change: Change): void {
    const { resource } = change;
    if (resource.kind === 'Environment') {
      if (change.type === 'delete') this.#dropEnvironment(keyOf(resource.metadata));
      else this.#putEnvironment(resource);
    }
    if (resource.kind === 'Function') {
      const key = keyOf(resource.metadata);
      if (change.type === 'delete') {
        const gone = new Failure('executor', 'not_found', `cannot find function [${key}]: it was deleted`);
        this.#functions.get(key)?.close(gone, 'its function was deleted');
        this.#functions.delete(key);
      }
    }
    if (resource.kind === 'Function' || resource.kind === 'Package' || resource.kind === 'Environment')
      this.#refreshVersions();
  }

  #refreshVersions(): void {
    const { catalog } = this.#options;
    for (const pool of this.#functions.values()) {
      const fn = catalog.get('Function', pool.fn.metadata);
      if (fn) pool.change(fn, versionOf(fn, catalog));
    }
  }

  #putEnvironment(environment: Environment): void {
    const key = keyOf(environment.metadata);
    if (this.#environments.get(key)?.environment.metadata.generation === environment.metadata.generation)
      return;
    this.#dropEnvironment(key);
    const pool = new EnvironmentPool({
      environment,
      start: (environment) =>
        this.#starts < this.#maxStarts && this.#instances.size < this.#maxInstances
          ? this.#start(environment)
          : undefined,
      onWarm: (instance) => this.#prepare(instance),
    });
    this.#environments.set(key, pool);
  }

  #prepare(instance: Instance): void {
    // A connection that says nothing would take a thread of Python's server.
    if (instance.language !== 'node') return;
    instance.dialAhead();
    this.#options.onWarm?.(instance.socketPath);
  }

  #dropEnvironment(key: string): void {
    const pool = this.#environments.get(key);
    this.#environments.delete(key);
    for (const instance of pool?.stop() ?? []) void instance.terminate('its environment is gone');
  }
}

/** As runtimeOf; on the road of an invocation its failure is one of the cold start. */
function languageOf(environment: Environment): Runtime {
  try {
    return runtimeOf(environment);
  } catch (error) {
    throw new Failure('executor', 'specialization_failed', (error as Error).message, { cause: error });
  }
}

function stopping(): Failure {
  return new Failure('executor', 'executor_unavailable', 'cannot start an instance: the platform stops');
}
