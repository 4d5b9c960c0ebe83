import { mkdir, mkdtempDisposable, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { environmentProgram } from '../../../function/environment/node/bundle.ts';
import { pythonProgram } from '../../../function/environment/python/program.ts';
import { SERVICE_NAME } from '../../../function/span/attributes.ts';
import type { LogData, SpanData } from '../../../function/span/span-data.ts';
import { registerGlobals, startTracing } from '../../../function/span/tracing.ts';
import type { ExecutorClient } from '../../../platform/executor/client.ts';
import { startExecutor } from '../../../platform/executor/executor.ts';
import { openEmbeddedLog } from '../../../platform/queue/embedded-log.ts';
import { topicsHandler } from '../../../platform/queue/topics-http.ts';
import { startRouter } from '../../../platform/router/router.ts';
import type { EnvVar } from '../../../platform/spec/resources.ts';
import type { Logger } from '../../../server/log.ts';
import { watchTree } from '../watch-tree.ts';
import { JournalTail } from './journal-tail.ts';
import { OneFunction } from './one-function.ts';

export interface LocalRunOptions {
  /** File or folder of the function. */
  readonly file: string;
  readonly name: string;
  readonly language: 'node' | 'python';
  readonly entrypoint: string;
  readonly env: readonly EnvVar[];
  /** 0 picks a free one. */
  readonly port: number;
  /** Seconds. */
  readonly timeout: number;
  /** A trace has come to rest: its first span is the router's. */
  readonly onTrace: (spans: readonly SpanData[]) => void;
  /** A line that the function printed. */
  readonly onLog: (log: LogData) => void;
  /** Code has changed, and the next request is answered by it. */
  readonly onReload: (path: string) => void;
  readonly log: Logger;
}

export interface LocalRun extends AsyncDisposable {
  readonly url: string;
}

/** What is code: a function that writes data beside itself, or whose output goes there, must not call itself for ever. */
const CODE = /\.([cm]?[jt]s|py)$|(^|\/)(package\.json|requirements\.txt)$/;
/** Editors write a file in several steps. */
const SETTLE_MS = 10;
const POLL_MS = 8;
/** A trace is told when nothing was added to it for this long, ... */
const QUIET_MS = 16;
/** ... and at the latest after this, whole or not. */
const LONGEST_WAIT_MS = 1_500;

/**
 * One function, from the file it is written in: a router, an executor and a terminal instead of a platform and a backend.
 * When something beside the file changes, instances of the old code are replaced by warm ones that load the new.
 */
export async function startLocalRun(options: LocalRunOptions): Promise<LocalRun> {
  await using starting = new AsyncDisposableStack();
  const dir = starting.use(await mkdtempDisposable(join(tmpdir(), 'spoor-run-')));
  const file = resolve(options.file);
  const folder = (await stat(file)).isDirectory() ? file : dirname(file);
  const { log } = options;

  const journals = join(dir.path, 'journals');
  await mkdir(journals);
  const tracingOf = (service: string) =>
    starting.use(
      startTracing({ journal: join(journals, `${service}.journal`), resource: { [SERVICE_NAME]: service } }),
    );
  const tracing = { router: tracingOf('router'), executor: tracingOf('executor'), queue: tracingOf('queue') };
  registerGlobals(tracing.router);

  const traces = new SettlingTraces(options.onTrace);
  const tail = new JournalTail(journals, { onSpan: (span) => traces.add(span), onLog: options.onLog });
  starting.defer(() => tail[Symbol.dispose]());
  const timer = setInterval(() => {
    tail.poll();
    traces.tell();
  }, POLL_MS);
  starting.defer(() => clearInterval(timer));

  const fn = new OneFunction({ ...options, path: file });
  const queue = starting.use(await openEmbeddedLog({ path: join(dir.path, 'topics.db') }));
  const executorReady = Promise.withResolvers<ExecutorClient>();
  const router = await startRouter({
    catalog: fn,
    executor: {
      acquire: async (reference, lease) => (await executorReady.promise).acquire(reference, lease),
    },
    tracing: tracing.router,
    port: options.port,
    internalPort: 0,
    internalHandlers: [{ prefix: '/topics', handle: topicsHandler({ queue, tracing: tracing.queue }) }],
    log,
  });
  executorReady.resolve(
    starting.use(
      await startExecutor({
        catalog: fn,
        tracing: tracing.executor,
        journalDir: journals,
        runDir: join(dir.path, 'run'),
        programs: {
          node: async () => ({ command: process.execPath, args: [await environmentProgram()] }),
          python: pythonProgram,
        },
        onWarm: (socketPath) => router.prepare(socketPath),
        instanceEnv: () => ({ SPOOR_INTERNAL_URL: router.internalUrl, SPOOR_ROUTER_URL: router.url }),
        nodePath: join(import.meta.dirname, '../../../node_modules'),
        log,
      }),
    ),
  );
  starting.use(router);

  let settling: NodeJS.Timeout | undefined;
  const watcher = await watchTree(folder, (path) => {
    if (path !== file && !CODE.test(path)) return;
    clearTimeout(settling);
    settling = setTimeout(() => {
      fn.reload();
      options.onReload(path);
    }, SETTLE_MS);
  });
  starting.defer(() => {
    watcher.close();
    clearTimeout(settling);
  });

  const started = starting.move();
  return { url: router.url, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

/** Spans as they come, by trace; told once they have come to rest. */
class SettlingTraces {
  readonly #traces = new Map<string, { spans: SpanData[]; firstMs: number; lastMs: number }>();
  readonly #tell: (spans: readonly SpanData[]) => void;

  constructor(tell: (spans: readonly SpanData[]) => void) {
    this.#tell = tell;
  }

  add(span: SpanData): void {
    const now = performance.now();
    const known = this.#traces.get(span.traceId);
    if (known) {
      known.spans.push(span);
      known.lastMs = now;
    } else this.#traces.set(span.traceId, { spans: [span], firstMs: now, lastMs: now });
  }

  tell(): void {
    const now = performance.now();
    for (const [traceId, { spans, firstMs, lastMs }] of this.#traces) {
      if (now - lastMs < QUIET_MS) continue;
      const ids = new Set(spans.map(({ spanId }) => spanId));
      // The caller's span may be elsewhere: one without its parent here is the first.
      const first = spans.filter(({ parentSpanId }) => !ids.has(parentSpanId));
      const isWhole = first.length === 1 && first[0]?.resource[SERVICE_NAME] === 'router';
      if (!isWhole && now - firstMs < LONGEST_WAIT_MS) continue;
      this.#traces.delete(traceId);
      this.#tell(spans);
    }
  }
}
