import { readFileSync, writeFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import type { Logger } from '../../server/log.ts';

/** Nice levels: where another process wants the same core, it gets three times the CPU of this one. */
const STEP = 5;
/** The fullest journal, as a share of its segments, at which the agent comes forward, and at which it steps back again. */
const FORWARD_AT = 1 / 4;
const BACK_AT = 1 / 16;

/**
 * Lets the processes that serve requests go first while their journals have room, so that the agent's work falls into the gaps
 * between theirs. It comes forward before a journal is full. Only where it may come forward again: see `levers`.
 *
 * It is the priority of this process, so there is one for each process.
 */
export class Background implements Disposable {
  readonly #levers = levers();
  #isBack = false;
  #isOver = false;

  constructor(log: Logger) {
    if (this.#levers.length === 0)
      log.debug('the agent keeps its priority: it may not raise it again once it is lowered');
    this.note(0);
  }

  /** How full the fullest journal is, 0 to 1. */
  note(fullness: number): void {
    if (this.#levers.length === 0 || this.#isOver) return;
    if (this.#isBack ? fullness < FORWARD_AT : fullness > BACK_AT) return;
    const isBack = !this.#isBack;
    // One that did not move is tried again at the next look.
    if (this.#levers.map((move) => move(isBack ? STEP : 0)).every(Boolean)) this.#isBack = isBack;
  }

  /** Comes forward for good. */
  [Symbol.dispose](): void {
    this.note(1);
    this.#isOver = true;
  }
}

/** Steps so many nice levels back from where it was, 0: returns there. False when it could not. */
type Lever = (step: number) => boolean;

/**
 * The kernel first shares a core among sessions and then, by priority, among the processes of each (sched(7), autogroup; not in a
 * container with a CPU limit). The parts of Spoor have a session each, so both are moved: the process's own priority where it may raise
 * it again (CAP_SYS_NICE or RLIMIT_NICE), and that of its session, which anybody may, if it leads one.
 */
function levers(): Lever[] {
  const usual = getPriority();
  const found: Lever[] = [];
  if (mayReturn(usual)) found.push((step) => tried(() => setPriority(Math.min(19, usual + step))));
  if (leadsSession() && tried(() => writeFileSync(AUTOGROUP, '0')))
    found.push((step) => tried(() => writeFileSync(AUTOGROUP, String(step))));
  return found;
}

const AUTOGROUP = '/proc/self/autogroup';

/** Whether this process may raise its priority again. One step down is what it costs to find out where it may not. */
export function mayReturn(usual: number): boolean {
  return tried(() => {
    setPriority(usual + 1);
    setPriority(usual);
  });
}

/** Else the priority of its session is that of a person's shell, too. */
function leadsSession(): boolean {
  try {
    // proc_pid_stat(5): pid, (name), state, parent, group, session.
    const [, , , session] = readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return session === String(process.pid);
  } catch {
    return false;
  }
}

function tried(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
