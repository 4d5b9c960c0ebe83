import { join } from 'node:path';
import type { Tracing } from '../../function/span/tracing.ts';
import type { Logger } from '../../server/log.ts';
import type { Queue } from '../queue/queue.ts';
import type { Catalog } from '../spec/catalog.ts';
import { keyOf, type MessageQueueTrigger, type Resource, type TimeTrigger } from '../spec/resources.ts';
import { Firings } from './firings.ts';
import type { FunctionInvoker } from './invoker.ts';
import { startMessageQueueTrigger } from './message-queue.ts';
import { startTimer } from './timer.ts';

export interface TriggersOptions {
  readonly catalog: Pick<Catalog, 'list' | 'onChange'>;
  readonly queue: Queue;
  readonly invoker: FunctionInvoker;
  /** Of service `trigger`. */
  readonly tracing: Tracing;
  /** Keeps `timers.db`. */
  readonly dataDir: string;
  readonly log: Logger;
  /** IANA name, for crons that name none; default UTC. */
  readonly timeZone?: string;
}

export interface Triggers extends AsyncDisposable {
  /** Why a trigger that was declared does not run, by `namespace/name`. */
  readonly faults: ReadonlyMap<string, Error>;
  /** Resolves when every change told so far has been followed. */
  settled(): Promise<void>;
}

/**
 * Runs what the catalog declares: each MessageQueueTrigger and TimeTrigger from when it is put until it is deleted. A
 * trigger that cannot start (a bad cron, a bad topic name) is a fault of its own; the others run.
 */
export async function startTriggers(options: TriggersOptions): Promise<Triggers> {
  const running = new RunningTriggers(options);
  // Listen first: what is put while the list is read comes twice, and the second time replaces the first.
  running.listen();
  for (const kind of ['MessageQueueTrigger', 'TimeTrigger'] as const)
    for (const trigger of options.catalog.list(kind)) running.put(trigger);
  await running.settled();
  return running;
}

type Trigger = MessageQueueTrigger | TimeTrigger;

class RunningTriggers implements Triggers {
  readonly faults = new Map<string, Error>();
  readonly #options: TriggersOptions;
  readonly #firings: Firings;
  readonly #running = new Map<string, AsyncDisposable>();
  /** Changes of one trigger are followed one after another; of different triggers, at once. */
  readonly #changes = new Map<string, Promise<void>>();
  #listening: Disposable | undefined;
  #stopped = false;

  constructor(options: TriggersOptions) {
    this.#options = options;
    this.#firings = new Firings(join(options.dataDir, 'timers.db'));
  }

  listen(): void {
    this.#listening = this.#options.catalog.onChange((change) => {
      const { resource } = change;
      if (!isTrigger(resource)) return;
      if (change.type === 'delete') this.#change(resource, undefined);
      else if (!change.previous || hasChanged(resource, change.previous)) this.put(resource);
    });
  }

  put(trigger: Trigger): void {
    this.#change(trigger, () => this.#start(trigger));
  }

  async settled(): Promise<void> {
    while (this.#changes.size > 0) await Promise.all(this.#changes.values());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#listening?.[Symbol.dispose]();
    await this.settled();
    await Promise.all([...this.#running.values()].map((trigger) => trigger[Symbol.asyncDispose]()));
    this.#firings[Symbol.dispose]();
  }

  #change(trigger: Trigger, start: (() => Promise<AsyncDisposable>) | undefined): void {
    if (this.#stopped) return;
    const id = `${trigger.kind} ${keyOf(trigger.metadata)}`;
    const change = (async () => {
      await this.#changes.get(id);
      await this.#running.get(id)?.[Symbol.asyncDispose]();
      this.#running.delete(id);
      this.faults.delete(keyOf(trigger.metadata));
      if (!start) return;
      try {
        this.#running.set(id, await start());
      } catch (error) {
        const fault = error instanceof Error ? error : new Error(String(error));
        this.faults.set(keyOf(trigger.metadata), fault);
        this.#options.log.error(
          { trigger: keyOf(trigger.metadata), error: fault.message },
          'cannot start a trigger',
        );
      }
    })();
    const ended = change.finally(() => {
      if (this.#changes.get(id) === ended) this.#changes.delete(id);
    });
    this.#changes.set(id, ended);
  }

  async #start(trigger: Trigger): Promise<AsyncDisposable> {
    if (trigger.kind === 'MessageQueueTrigger') return startMessageQueueTrigger(trigger, this.#options);
    return startTimer(trigger, { ...this.#options, firings: this.#firings });
  }
}

function isTrigger(resource: Resource): resource is Trigger {
  return resource.kind === 'MessageQueueTrigger' || resource.kind === 'TimeTrigger';
}

/** A put that only touches labels or annotations interrupts nothing. */
function hasChanged(resource: Resource, previous: Resource): boolean {
  return JSON.stringify(resource.spec) !== JSON.stringify(previous.spec);
}
