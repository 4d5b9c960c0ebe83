import type { Attributes, SpanContext } from '@opentelemetry/api';

/**
 * What a thread is told by the one that started it, as environment data
 * (https://nodejs.org/api/worker_threads.html#workersetenvironmentdatakey-value), which is the function's to use as well; but not
 * this key.
 */
export const THREAD_DATA = 'spoor.thread';

export interface ThreadData {
  /** The journal of the process. */
  readonly journal: string;
  readonly resource: Attributes;
  /** Environment variables that begin with OTEL_. */
  readonly otel: Readonly<Record<string, string>>;
  readonly markOutput: boolean;
  /** Those of its streams that end in ours, and not with whoever started it. */
  readonly streams: readonly ('stdout' | 'stderr')[];
  /** The invocation that started it. */
  readonly caller: ThreadCaller | undefined;
}

export interface ThreadCaller {
  readonly invocationId: string;
  readonly span: Pick<SpanContext, 'traceId' | 'spanId' | 'traceFlags'>;
  /** One word of shared memory: 1 while the invocation is open. */
  readonly isOpen: Int32Array;
}

/** The journal of a thread stands beside its process': the agent knows by the name that they die together (docs/journal.md). */
export function threadJournal(processJournal: string, threadId: number): string {
  return `${processJournal.replace(/\.journal$/, '')}.thread-${threadId}.journal`;
}

/** Path of what a thread loads before anything else; beside the program, as a source or bundled. */
export function threadProgram(program: string): string {
  return program.endsWith('.ts')
    ? program.replace(/[^/]*\.ts$/, 'thread.ts')
    : program.replace(/\.cjs$/, '.thread.cjs');
}
