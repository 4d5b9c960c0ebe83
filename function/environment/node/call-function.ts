import { Fault } from './fault.ts';
import type { FunctionContext } from './function-context.ts';
import type { FunctionResponse } from './function-response.ts';
import type { UserFunction } from './load-function.ts';

/**
 * Calls the function in the style that its number of parameters asks for, and answers with what it gives back:
 *
 *     0  ()                   returns { status, body, headers }, or a promise of it
 *     1  (context)            the same
 *     2  (context, callback)  calls back with (status, body, headers)
 *
 * A function may also answer through `context.response` itself; then what it returns is ignored.
 * Returns a promise when there is something to wait for. Throws (or rejects with) what the function threw, or a Fault when its
 * answer is none: where Fission's environment then answers never, the client is told.
 */
export function callFunction(fn: UserFunction, context: FunctionContext): Promise<void> | undefined {
  if (fn.length >= 2) return callWithCallback(fn, context);
  const result = fn.length === 0 ? fn() : fn(context);
  if (isThenable(result)) return Promise.resolve(result).then((value) => answer(context.response, value));
  answer(context.response, result);
  return undefined;
}

function callWithCallback(fn: UserFunction, context: FunctionContext): Promise<void> {
  return new Promise((resolve, reject) => {
    let called = false;
    // A second answer is ignored: the first is on its way.
    const answerOnce = (given: Answer) => {
      if (called) return;
      called = true;
      try {
        answer(context.response, given);
        resolve();
      } catch (error) {
        reject(error);
      }
    };
    const result = fn(context, (status?: unknown, body?: unknown, headers?: unknown) =>
      answerOnce({ status, body, headers }),
    );
    if (!isThenable(result)) return;
    Promise.resolve(result).then((value) => {
      const given = (value ?? {}) as Answer;
      if (given.status !== undefined) answerOnce(given);
    }, reject);
  });
}

interface Answer {
  readonly status?: unknown;
  readonly body?: unknown;
  readonly headers?: unknown;
}

function answer(response: FunctionResponse, value: unknown): void {
  if (response.headersSent || response.writableEnded) return;
  if (value === null || value === undefined)
    throw new Fault(
      'function_error',
      `the function returned ${String(value)}: it must return { status, body }`,
    );
  const { status, body, headers } = value as Answer;
  if (status === undefined || status === null)
    throw new Fault('function_error', 'the function gave no status: it must give { status, body }');
  try {
    if (headers !== null && headers !== undefined) response.set(headers as Record<string, string>);
    response.functionDone = true;
    response.status(status as number).send(body);
  } catch (error) {
    throw new Fault('function_error', `cannot send what the function gave: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value !== null && typeof value === 'object' && typeof (value as PromiseLike<unknown>).then === 'function'
  );
}
