import type { Tracing } from '../../span/tracing.ts';
import type { Open } from '../../span/under-way.ts';
import type { ControlPipe } from './control-pipe.ts';
import { stackOf, typeOf } from './exception-of.ts';
import { activeInvocation, type Invocation } from './invocation.ts';
import {
  EXCEPTION_MESSAGE,
  EXCEPTION_STACKTRACE,
  EXCEPTION_TYPE,
  SPOOR_END_EXIT_CODE,
} from '../../span/attributes.ts';
import { logCrash } from './log-output.ts';

/**
 * Writes down what this process itself knows of its end. What happens stays as Node has it: the stack on stderr, exit code 1;
 * and a function that handles its uncaught exceptions lives on. What is killed from outside says nothing; its journal holds
 * what it did until then.
 */
export function watchDeath(
  tracing: Tracing,
  open: Open<Invocation>,
  control: () => ControlPipe | undefined,
): void {
  let crash: { error: unknown; origin: string } | undefined;

  // Only watches: https://nodejs.org/api/process.html#event-uncaughtexceptionmonitor. An unhandled rejection passes here too.
  // Node runs it in the async context of whatever threw, so the invocation at fault is the active one.
  process.on('uncaughtExceptionMonitor', (error: unknown, origin) => {
    const guilty = activeInvocation();
    const stricken = guilty !== undefined && open.has(guilty) ? [guilty] : [...open];
    for (const invocation of stricken) invocation.record(error);
    // A handler of the function's own decides now; if it lets the process live, nothing more is to be said.
    if (process.listenerCount('uncaughtException') > 0) return;
    crash = { error, origin };
    logCrash(tracing, stackOf(error), guilty);
    control()?.say({ event: 'goodbye', reason: origin, message: messageOf(error) });
  });

  process.on('exit', (code) => {
    const last = crash;
    tracing.goodbye({
      [SPOOR_END_EXIT_CODE]: code,
      ...(last && {
        [EXCEPTION_TYPE]: typeOf(last.error),
        [EXCEPTION_MESSAGE]: messageOf(last.error),
        [EXCEPTION_STACKTRACE]: stackOf(last.error),
      }),
    });
    if (!last && open.size > 0)
      control()?.say({ event: 'goodbye', reason: 'exit', message: `process.exit(${code})` });
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
