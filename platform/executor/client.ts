import type { Context } from '@opentelemetry/api';
import type { Reference } from '../spec/resources.ts';

/**
 * What the router needs of the executor: an instance for one request. In one process this is the executor itself;
 * the interface is all the router knows.
 */
export interface ExecutorClient {
  /**
   * Waits for an instance of `fn` with room for one more request, starting and specializing one when none is there. What it
   * had to do becomes spans of service `executor` below the span in `context`.
   *
   * Throws a Failure: `not_found`, `capacity_exceeded`, `specialization_failed`, `executor_unavailable`, `client_disconnect`.
   */
  acquire(
    fn: Reference,
    options: { readonly context: Context; readonly signal: AbortSignal },
  ): Promise<Lease>;
}

/** One request's place in an instance. Exactly one of its ends must be said. */
export interface Lease {
  readonly instanceId: string;
  readonly socketPath: string;
  /** True for the first request of an instance. */
  readonly coldStart: boolean;
  /** The function as it was when this instance was specialized, for headers and time-outs. */
  readonly functionUid: string;
  readonly functionResourceVersion: string;
  readonly functionTimeoutMs: number;
  /** Resolves when the instance dies while leased; never rejects. */
  readonly died: Promise<InstanceEnd>;
  /** Resolves when the instance says that it takes no new request (docs/instance.md, `draining`); for most it never does. */
  readonly draining: Promise<void>;
  /** It has said so. */
  readonly isDraining: boolean;
  /** The answer is complete (whatever its status). */
  release(): void;
  /** The function ran past its time-out: the instance is killed and its open spans say `timeout`. */
  timeout(): void;
}

/** How an instance ended; the same words as the journal's end file (docs/journal.md). */
export interface InstanceEnd {
  readonly reason: 'exit' | 'signal' | 'oom' | 'timeout' | 'shutdown' | 'lost';
  readonly signal: string | null;
  readonly exitCode: number | null;
  readonly timeUnixNano: bigint;
  readonly message: string;
  readonly lastLines: readonly string[];
}
