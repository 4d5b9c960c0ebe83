import type { Context } from '@opentelemetry/api';
import type { FunctionReference, Reference } from '../spec/resources.ts';

/** What a trigger needs of the router: one call of one function on its internal listener. */
export interface FunctionInvoker {
  /** `context` goes on with the call as it is. Else it is in the headers. */
  readonly takesContext?: boolean;
  /** Resolves with whatever status the function or the router answered; rejects when there was no answer. */
  invoke(
    fn: string | Reference,
    options: {
      readonly method: string;
      readonly headers: Record<string, string | string[]>;
      readonly body: Buffer;
      readonly subpath?: string;
      readonly signal: AbortSignal;
      readonly timeoutMs: number;
      /** Of the attempt's span. */
      readonly context?: Context;
    },
  ): Promise<FunctionResponse>;
}

export interface FunctionResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

/** One of a reference's functions: the named one, or one by weight. `random` is in 0..1. */
export function pickFunction(reference: FunctionReference, random = Math.random()): string {
  if (reference.type === 'name') return reference.name;
  const weights = Object.entries(reference.functionweights);
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  let left = random * total;
  for (const [name, weight] of weights) {
    left -= weight;
    if (left < 0) return name;
  }
  return weights.at(-1)?.[0] ?? '';
}

export function headerOf(response: FunctionResponse, name: string): string | undefined {
  const value = response.headers[name] ?? response.headers[name.toLowerCase()];
  return typeof value === 'string' || value === undefined ? value : value.join(', ');
}
