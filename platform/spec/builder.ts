import { randomUUID } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { context, ROOT_CONTEXT, trace, type SpanContext, type Tracer } from '@opentelemetry/api';
import { Failure, toFailure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import { BuildLog } from './build-log.ts';
import { build, recordFailure, removeFolder } from './build.ts';
import { isSameSource } from './package-source.ts';
import type { Registry } from './registry.ts';
import { keyOf, type Package } from './resources.ts';

/** Builds that run at a time. */
const MAX_BUILDS = 2;
const TIMEOUT_MS = 600_000;

export interface BuilderOptions {
  readonly registry: Registry;
  /** Where builds happen; emptied at start. */
  readonly directory: string;
  /** Of service `builder`. */
  readonly tracing: { tracer(): Tracer };
  /** Longest time of one program of a build; default ten minutes. */
  readonly timeoutMs?: number;
  readonly log: Logger;
}

/**
 * Builds every package that has a source and no deployment archive, as soon as it is kept: pending → running → succeeded or
 * failed, the log in its status. A build is a trace of its own, `build PACKAGE`. What was running when the platform died is
 * built again.
 *
 *     put(source) ─▶ waiting ─▶ running ─▶ put(deployment, succeeded)
 *                       ▲          ├─────▶ put(failed, log)
 *                       └──────────┴ source changed meanwhile: what was built is thrown away
 */
export async function startBuilder(options: BuilderOptions): Promise<AsyncDisposable> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  for (const name of await readdir(options.directory)) await removeFolder(join(options.directory, name));
  return new Builder(options);
}

interface Waiting {
  readonly pkg: Package;
  /** What asked for it, if that is traced. */
  readonly cause: SpanContext | undefined;
}

class Builder implements AsyncDisposable {
  readonly #options: BuilderOptions;
  readonly #tracer: Tracer;
  readonly #waiting = new Map<string, Waiting>();
  readonly #running = new Map<string, { readonly abort: AbortController; readonly done: Promise<void> }>();
  readonly #changes: Disposable;
  #isStopping = false;

  constructor(options: BuilderOptions) {
    this.#options = options;
    this.#tracer = options.tracing.tracer();
    this.#changes = options.registry.onChange((change) => {
      if (change.resource.kind !== 'Package') return;
      if (change.type === 'put') this.#consider(change.resource);
      else this.#forget(keyOf(change.resource.metadata));
    });
    for (const pkg of options.registry.list('Package')) this.#consider(pkg);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    this.#changes[Symbol.dispose]();
    this.#waiting.clear();
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort();
    await Promise.all(running.map(({ done }) => done));
  }

  #consider(pkg: Package): void {
    const key = keyOf(pkg.metadata);
    const { buildstatus } = pkg.status;
    const wanted = pkg.spec.source && !pkg.spec.deployment && buildstatus !== 'failed';
    if (!wanted) {
      this.#waiting.delete(key);
      return;
    }
    // Our own word that it runs.
    if (buildstatus === 'running' && this.#running.has(key)) return;
    // Its source may be another than the one that is being built.
    this.#running.get(key)?.abort.abort();
    this.#waiting.set(key, { pkg, cause: trace.getSpanContext(context.active()) });
    // After who put it has been answered, and after the other listeners.
    queueMicrotask(() => this.#pump());
  }

  #forget(key: string): void {
    this.#waiting.delete(key);
    this.#running.get(key)?.abort.abort();
  }

  #pump(): void {
    for (const [key, waiting] of this.#waiting) {
      if (this.#isStopping || this.#running.size >= MAX_BUILDS) return;
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      const abort = new AbortController();
      // Begun when it stands among the running: its first word comes back here as a change.
      const done = Promise.resolve()
        .then(() => this.#build(waiting, abort.signal))
        .catch((error: unknown) =>
          this.#options.log.error({ err: error, package: key }, 'cannot record a build'),
        )
        .finally(() => {
          this.#running.delete(key);
          this.#pump();
        });
      this.#running.set(key, { abort, done });
    }
  }

  async #build({ pkg, cause }: Waiting, signal: AbortSignal): Promise<void> {
    const { registry, log } = this.#options;
    const { name, namespace } = pkg.metadata;
    const span = this.#tracer.startSpan(`build ${name}`, {
      root: true,
      links: cause ? [{ context: cause }] : [],
      attributes: {
        'spoor.package.name': name,
        'spoor.package.namespace': namespace,
        'spoor.package.environment': pkg.spec.environment.name,
        'spoor.build.command': pkg.spec.buildcmd,
      },
    });
    const buildLog = new BuildLog();
    buildLog.line(`building ${name}, trace ${span.spanContext().traceId}`);
    const directory = join(this.#options.directory, randomUUID());
    const startedAt = Date.now();
    try {
      await this.#say(pkg, signal, { buildstatus: 'running', buildlog: buildLog.toString() });
      const environment = registry.get('Environment', pkg.spec.environment);
      if (!environment)
        throw new Failure(
          'spec',
          'not_found',
          `cannot build ${name}: there is no environment '${pkg.spec.environment.name}'`,
        );
      await mkdir(directory, { mode: 0o700 });
      const bytes = await build({
        pkg,
        environment,
        readSource: () => registry.readArchive(pkg.metadata, 'source'),
        directory,
        log: buildLog,
        tracer: this.#tracer,
        context: trace.setSpan(ROOT_CONTEXT, span),
        timeoutMs: this.#options.timeoutMs ?? TIMEOUT_MS,
        signal,
      });
      const deployment = { type: 'kept' as const, ...(await registry.keepArchive(bytes)) };
      buildLog.line(`succeeded in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
      await this.#say({ ...pkg, spec: { ...pkg.spec, deployment } }, signal, {
        buildstatus: 'succeeded',
        buildlog: buildLog.toString(),
      });
      log.info({ package: name, durationMs: Date.now() - startedAt }, 'package built');
    } catch (error) {
      recordFailure(span, error);
      // A platform that stops builds it again when it starts; a source that changed is waiting for its own turn.
      if (signal.aborted) return;
      const failure = toFailure(error, 'spec');
      buildLog.line(failure.message);
      await this.#say(pkg, signal, { buildstatus: 'failed', buildlog: buildLog.toString() });
      log.warn({ package: name, why: failure.message }, 'a package cannot be built');
    } finally {
      span.end();
      await removeFolder(directory);
    }
  }

  /** Only of the source that was built: it may have been changed or deleted meanwhile. */
  async #say(pkg: Package, signal: AbortSignal, status: Package['status']): Promise<void> {
    const current = this.#options.registry.get('Package', pkg.metadata);
    if (signal.aborted || !current || !isSameSource(current, pkg)) return;
    await this.#options.registry.put({ ...current, spec: pkg.spec, status });
  }
}
