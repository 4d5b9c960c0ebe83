/**
 * OpenTelemetry's context on one AsyncLocalStorage. One for the whole process, because each further one is paid at every
 * run(), and because the tracers of several parts in one process must see each other's active span.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { ROOT_CONTEXT, type Context, type ContextManager } from '@opentelemetry/api';

const storage = new AsyncLocalStorage<Context>();

let fallback = () => ROOT_CONTEXT;

/** What is active where nobody has said anything: in a thread, what it was started for. */
export function fallBackTo(context: () => Context): void {
  fallback = context;
}

export const contextManager: ContextManager = {
  active: () => storage.getStore() ?? fallback(),

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    if (thisArg === undefined) return storage.run(context ?? ROOT_CONTEXT, fn, ...args);
    return storage.run(context ?? ROOT_CONTEXT, () => fn.apply(thisArg, args));
  },

  bind<T>(context: Context, target: T): T {
    if (target instanceof EventEmitter) return bindEmitter(context, target) as T;
    if (typeof target === 'function') return bindFunction(context, target as never) as T;
    return target;
  },

  enable: () => contextManager,

  /** Nothing is switched off: another tracer in this process may live on the same storage. */
  disable: () => contextManager,
};

type Listener = (this: unknown, ...args: unknown[]) => unknown;

function bindFunction(context: Context, target: Listener): Listener {
  const bound: Listener = function (this: unknown, ...args) {
    return storage.run(context, () => target.apply(this, args));
  };
  Object.defineProperty(bound, 'length', { configurable: true, value: target.length });
  return bound;
}

const ADDERS = ['addListener', 'on', 'once', 'prependListener', 'prependOnceListener'] as const;
const REMOVERS = ['removeListener', 'off'] as const;
/** Where a bound emitter keeps what each listener was wrapped as, so that removing it by its own name still works. */
const BOUND = Symbol('spoor.bound-listeners');

function bindEmitter(context: Context, emitter: EventEmitter & { [BOUND]?: unknown }): EventEmitter {
  if (emitter[BOUND]) return emitter;
  const wrappedOf = new WeakMap<Listener, Listener>();
  Object.defineProperty(emitter, BOUND, { value: wrappedOf });
  // Node's once() calls on() of the emitter itself: what is bound already must not be bound again.
  const isBound = new WeakSet<Listener>();
  for (const name of ADDERS) {
    const original = emitter[name].bind(emitter) as (
      event: string | symbol,
      listener: Listener,
    ) => EventEmitter;
    emitter[name] = (event: string | symbol, listener: Listener) => {
      if (isBound.has(listener) || isBound.has((listener as { listener?: Listener }).listener ?? listener))
        return original(event, listener);
      const bound = wrappedOf.get(listener) ?? bindFunction(context, listener);
      isBound.add(bound);
      wrappedOf.set(listener, bound);
      return original(event, bound);
    };
  }
  for (const name of REMOVERS) {
    const original = emitter[name].bind(emitter) as (
      event: string | symbol,
      listener: Listener,
    ) => EventEmitter;
    emitter[name] = (event: string | symbol, listener: Listener) =>
      original(event, wrappedOf.get(listener) ?? listener);
  }
  return emitter;
}
