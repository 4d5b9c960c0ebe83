import type { Readable } from 'node:stream';
import type { Worker as NodeWorker, WorkerOptions } from 'node:worker_threads';
import type { Tracing } from '../../span/tracing.ts';
import { passOn } from './capture-output.ts';
import { activeInvocation } from './invocation.ts';
import {
  THREAD_DATA,
  threadJournal,
  threadProgram,
  type ThreadCaller,
  type ThreadData,
} from './thread-data.ts';

type Base = Pick<ThreadData, 'journal' | 'otel' | 'markOutput'>;

/**
 * A `Worker` that the function starts traces as well: it loads thread.ts before its own code, and writes to a journal of its own.
 * What it prints has been told of there already and goes on to our output as it is. When it ends we say how, in an end file beside
 * its journal: its process lives on, so that nobody else could.
 *
 * `program` is ours, main.ts or what is made of it. Where there is nothing beside it for threads to load they stay untraced.
 */
export function captureWorkers(tracing: Tracing, base: Base, program: string): void {
  const threads = process.getBuiltinModule('node:worker_threads');
  const { existsSync } = process.getBuiltinModule('node:fs');
  const preload =
    program.endsWith('thread.ts') || program.endsWith('.thread.cjs') ? program : threadProgram(program);
  if (!existsSync(preload)) return;
  const { Worker, setEnvironmentData } = threads;

  class TracedWorker extends Worker {
    constructor(filename: string | URL, options: WorkerOptions = {}) {
      const streams = (['stdout', 'stderr'] as const).filter((name) => options[name] !== true);
      const data: ThreadData = { ...base, resource: tracing.resource, streams, caller: callerNow() };
      setEnvironmentData(THREAD_DATA, data);
      try {
        super(filename, {
          ...options,
          stdout: true,
          stderr: true,
          execArgv: [...(options.execArgv ?? process.execArgv), '--require', preload],
        });
      } finally {
        setEnvironmentData(THREAD_DATA, undefined);
      }
      for (const name of streams) passOnAll(this[name], name);
      sayItsEnd(this, threadJournal(base.journal, this.threadId));
    }

    #isTerminated = false;

    override terminate(): Promise<number> {
      this.#isTerminated = true;
      return super.terminate();
    }

    get [TERMINATED](): boolean {
      return this.#isTerminated;
    }
  }
  Object.defineProperty(TracedWorker, 'name', { value: 'Worker' });
  threads.Worker = TracedWorker;
  process.getBuiltinModule('node:module').syncBuiltinESMExports();
}

/** Calls back once, before whoever imports or requires `node:worker_threads` has it: to load it takes milliseconds that most starts save. */
export function whenThreadsAreAskedFor(action: () => void): void {
  const { registerHooks } = process.getBuiltinModule('node:module');
  let isAsked = false;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (!isAsked && (specifier === 'node:worker_threads' || specifier === 'worker_threads')) {
        isAsked = true;
        action();
      }
      return nextResolve(specifier, context);
    },
  });
}

const TERMINATED = Symbol('terminated');

/** The invocation that runs, and a word of shared memory that says when it is over. */
function callerNow(): ThreadCaller | undefined {
  const invocation = activeInvocation();
  if (invocation === undefined || invocation.isOver) return undefined;
  const isOpen = new Int32Array(new SharedArrayBuffer(4)).fill(1);
  invocation.whenOver(() => Atomics.store(isOpen, 0, 0));
  const { traceId, spanId, traceFlags } = invocation.span.spanContext();
  return { invocationId: invocation.id, span: { traceId, spanId, traceFlags }, isOpen };
}

function passOnAll(from: Readable, name: 'stdout' | 'stderr'): void {
  from.on('data', (bytes: Buffer) => {
    if (passOn(name, bytes)) return;
    from.pause();
    process[name].once('drain', () => from.resume());
  });
}

/** The end file of docs/journal.md, with `thread`, as the pid in the journal still lives. */
function sayItsEnd(worker: NodeWorker & { readonly [TERMINATED]: boolean }, journal: string): void {
  const { existsSync, renameSync, writeFileSync } = process.getBuiltinModule('node:fs');
  const { errorMonitor } = process.getBuiltinModule('node:events');
  let why: NodeJS.ErrnoException | undefined;
  worker.once(errorMonitor, (error: unknown) => {
    why = error instanceof Error ? error : new Error(String(error));
  });
  worker.once('exit', (exitCode) => {
    if (!existsSync(journal)) return;
    const isOutOfMemory = why?.code === 'ERR_WORKER_OUT_OF_MEMORY';
    const how = worker[TERMINATED] ? 'the thread was terminated' : `the thread ended with code ${exitCode}`;
    const end = {
      reason: isOutOfMemory ? 'oom' : 'exit',
      signal: null,
      exitCode,
      timeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
      message: why === undefined ? how : `${how}: ${why.name}: ${why.message}`,
      lastLines: [],
      thread: true,
    };
    const path = journal.replace(/\.journal$/, '.end');
    try {
      writeFileSync(`${path}.part`, JSON.stringify(end));
      renameSync(`${path}.part`, path);
    } catch {
      // A disk that is full: the journal is closed with its process, and says then that nobody saw it end.
    }
  });
}
