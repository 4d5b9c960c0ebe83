import { getPriority, setPriority } from 'node:os';
import type { Logger } from '../../server/log.ts';

/** Nice levels: where another process wants the same core, it gets three times the CPU of this one. */
const STEP = 5;
/** The fullest journal, as a share of its segments, at which the agent comes forward, and at which it steps back again. */
const FORWARD_AT = 1 / 4;
const BACK_AT = 1 / 16;

/**
 * Lets the processes that serve requests go first while their journals have room, so that the agent's work falls into the gaps
 * between theirs. It comes forward before a journal is full. Only where it may: a process that has stepped back needs CAP_SYS_NICE or
 * RLIMIT_NICE to return, and one that has neither stays where it is.
 *
 * It is the priority of this process's main thread, so there is one for each process.
 */
export class Background implements Disposable {
  readonly #usual = getPriority();
  readonly #canReturn: boolean;
  #isBack = false;
  #isOver = false;

  constructor(log: Logger) {
    this.#canReturn = mayReturn(this.#usual);
    if (!this.#canReturn)
      log.debug('the agent keeps its priority: it may not raise it again once it is lowered');
    this.note(0);
  }

  /** How full the fullest journal is, 0 to 1. */
  note(fullness: number): void {
    if (!this.#canReturn || this.#isOver || (this.#isBack ? fullness < FORWARD_AT : fullness > BACK_AT))
      return;
    this.#isBack = !this.#isBack;
    setPriority(Math.min(19, this.#usual + (this.#isBack ? STEP : 0)));
  }

  /** Comes forward for good. */
  [Symbol.dispose](): void {
    this.note(1);
    this.#isOver = true;
  }
}

/** Whether this process may raise its priority again. One step down is what it costs to find out where it may not. */
export function mayReturn(usual: number): boolean {
  try {
    setPriority(usual + 1);
    setPriority(usual);
    return true;
  } catch {
    return false;
  }
}
