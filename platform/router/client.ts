import type { Context } from '@opentelemetry/api';
import { Pool } from 'undici';
import { Failure } from '../../server/failure.ts';
import type { Reference } from '../spec/resources.ts';

/** More than a function may answer to a trigger, for the whole of it is held in memory. */
export const BODY_LIMIT_BYTES = 64 * 1024 * 1024;
export const DEFAULT_TIMEOUT_MS = 10 * 60_000;
const CONNECTIONS = 256;

export interface RouterClient extends AsyncDisposable {
  /** A call's `context` goes on with it as it is; to others it is said in headers. */
  readonly takesContext?: boolean;
  /**
   * Calls a function through the router's internal listener and reads the whole answer. Resolves for every status; throws a
   * Failure `unavailable` when there is no answer, `function_timeout` after `timeoutMs`, `client_disconnect` when `signal` says so,
   * `body_too_large` past 64 MiB.
   */
  invoke(fn: string | Reference, call?: Call): Promise<Answer>;
}

export interface Call {
  /** Default POST. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Uint8Array;
  /** With or without its leading `/`. */
  readonly subpath?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  /** What the call goes on from, in place of what its headers say; for a client that takes it. */
  readonly context?: Context;
}

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer;
}

export function createRouterClient(options: { readonly internalUrl: string }): RouterClient {
  const pool = new Pool(options.internalUrl, {
    connections: CONNECTIONS,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    async invoke(fn, call = {}) {
      const timeout = AbortSignal.timeout(call.timeoutMs ?? DEFAULT_TIMEOUT_MS);
      const signal = call.signal ? AbortSignal.any([call.signal, timeout]) : timeout;
      try {
        const answer = await pool.request({
          method: call.method ?? 'POST',
          path: pathOf(fn, call.subpath),
          headers: call.headers ?? {},
          body: call.body ?? null,
          signal,
        });
        return {
          status: answer.statusCode,
          headers: withoutHoles(answer.headers),
          body: await readAll(answer.body),
        };
      } catch (error) {
        throw failureOf(error, fn, timeout, call);
      }
    },
    async [Symbol.asyncDispose]() {
      await pool.destroy();
    },
  };
}

export function pathOf(fn: string | Reference, subpath = ''): string {
  const { name, namespace } = typeof fn === 'string' ? { name: fn, namespace: 'default' } : fn;
  const sub = subpath === '' || subpath.startsWith('/') || subpath.startsWith('?') ? subpath : `/${subpath}`;
  return `/fission-function/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}${sub}`;
}

async function readAll(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > BODY_LIMIT_BYTES)
      throw new Failure(
        'router',
        'body_too_large',
        `cannot read the answer: it is larger than ${BODY_LIMIT_BYTES} bytes`,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function withoutHoles(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) kept[name] = value;
  return kept;
}

function failureOf(error: unknown, fn: string | Reference, timeout: AbortSignal, call: Call): Failure {
  if (error instanceof Failure) return error;
  const name = typeof fn === 'string' ? fn : fn.name;
  const options = { cause: error };
  if (call.signal?.aborted)
    return new Failure('router', 'client_disconnect', `cannot call function [${name}]: stopped`, options);
  if (timeout.aborted)
    return new Failure(
      'timeout',
      'function_timeout',
      `cannot call function [${name}]: no answer after ${call.timeoutMs ?? DEFAULT_TIMEOUT_MS} ms`,
      options,
    );
  return new Failure(
    'router',
    'unavailable',
    `cannot call function [${name}]: ${(error as Error).message}`,
    options,
  );
}
