import type { Environment } from '../spec/resources.ts';
import { ASKED_TO_END, type Instance } from './instance.ts';

/** v1 and v2 know no poolsize (fission.md, section 4). */
const FIXED_POOL_SIZE = 3;
/** A pool is filled up a moment after an instance was taken, so that the new process does not compete with the request for the CPU. */
const REFILL_DELAY_MS = 50;
/**
 * From one start to the next: the event loop stands still while the process is forked for a new one (9 ms), and who is being served
 * gets a turn between two of them.
 */
const APART_MS = 10;
const BACK_OFF_MIN_MS = 100;
const BACK_OFF_MAX_MS = 10_000;

export interface EnvironmentPoolOptions {
  readonly environment: Environment;
  /** Starts a generic instance; undefined when the machine has no room for one now. */
  readonly start: (environment: Environment) => Promise<Instance> | undefined;
  /** An instance waits for its function from now on. */
  readonly onWarm: (instance: Instance) => void;
}

/** The warm generic instances of one environment: filled up when one is taken, with back-off when they keep dying. */
export class EnvironmentPool {
  readonly environment: Environment;
  readonly #start: EnvironmentPoolOptions['start'];
  readonly #onWarm: EnvironmentPoolOptions['onWarm'];
  readonly #warm: Instance[] = [];
  /** Not listening yet. */
  readonly #starting: Instance[] = [];
  /** Not even spawned yet. */
  #spawning = 0;
  #backOffMs = 0;
  #refill: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: EnvironmentPoolOptions) {
    this.environment = options.environment;
    this.#start = options.start;
    this.#onWarm = options.onWarm;
    this.#fill();
  }

  get warm(): readonly Instance[] {
    return this.#warm;
  }

  /** A warm instance, which is then the caller's; undefined when there is none. */
  take(): Instance | undefined {
    const instance = this.#warm.shift();
    if (instance) this.#backOffMs = 0;
    this.#fillLater(REFILL_DELAY_MS);
    return instance;
  }

  /** An instance that does not listen yet but is nearer to it than one started now. */
  takeStarting(): Instance | undefined {
    const instance = this.#starting.shift();
    if (instance) this.#fillLater(REFILL_DELAY_MS);
    return instance;
  }

  get hasStarting(): boolean {
    return this.#starting.length > 0;
  }

  /** No more are started. The warm ones are the caller's to end. */
  stop(): Instance[] {
    this.#stopped = true;
    clearTimeout(this.#refill);
    return this.#warm.splice(0);
  }

  #fillLater(delayMs: number): void {
    this.#fillIn(Math.max(delayMs, this.#backOffMs));
  }

  #fillIn(ms: number): void {
    if (this.#stopped) return;
    this.#refill ??= setTimeout(() => {
      this.#refill = undefined;
      this.#fill();
    }, ms).unref();
  }

  #fill(): void {
    const { spec } = this.environment;
    let size = spec.version < 3 ? FIXED_POOL_SIZE : spec.poolsize;
    if (spec.allowedFunctionsPerContainer === 'infinite') size = Math.min(size, 1);
    if (this.#stopped || this.#warm.length + this.#starting.length + this.#spawning >= size) return;
    const starting = this.#start(this.environment);
    if (!starting) {
      this.#fillLater(REFILL_DELAY_MS);
      return;
    }
    this.#spawning += 1;
    void this.#add(starting);
    this.#fillIn(APART_MS);
  }

  async #add(starting: Promise<Instance>): Promise<void> {
    let instance: Instance;
    try {
      instance = await starting;
    } catch {
      this.#backOff();
      return;
    } finally {
      this.#spawning -= 1;
    }
    this.#starting.push(instance);
    const listens = await instance.listening.then(
      () => true,
      () => false,
    );
    const position = this.#starting.indexOf(instance);
    if (position < 0) return; // taken meanwhile
    this.#starting.splice(position, 1);
    if (!listens) {
      this.#backOff();
    } else if (this.#stopped) {
      await instance.terminate('its environment is gone');
    } else {
      this.#warm.push(instance);
      this.#onWarm(instance);
      void instance.ended.then(() => this.#lost(instance));
      void this.#endWhenDraining(instance);
    }
  }

  async #endWhenDraining(instance: Instance): Promise<void> {
    await instance.draining;
    if (this.#lost(instance)) await instance.terminate(ASKED_TO_END);
  }

  /** A warm instance that ends untouched counts as a crash; one that was taken is no longer ours: false. */
  #lost(instance: Instance): boolean {
    const index = this.#warm.indexOf(instance);
    if (index < 0) return false;
    this.#warm.splice(index, 1);
    this.#backOff();
    return true;
  }

  #backOff(): void {
    this.#backOffMs = Math.min(BACK_OFF_MAX_MS, Math.max(BACK_OFF_MIN_MS, this.#backOffMs * 2));
    clearTimeout(this.#refill);
    this.#refill = undefined;
    this.#fillLater(this.#backOffMs);
  }
}
