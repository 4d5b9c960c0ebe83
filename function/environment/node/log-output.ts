import { FAAS_INVOCATION_ID, LOG_IOSTREAM } from '../../span/attributes.ts';
import type { Tracing } from '../../span/tracing.ts';
import { captureOutput } from './capture-output.ts';
import { activeInvocation, type Invocation } from './invocation.ts';

const INFO = 9;
const ERROR = 17;
const FATAL = 21;

/** What the function prints becomes log records that carry the ids of the span and the invocation it was printed in. */
export function logOutput(tracing: Tracing, mark: boolean): void {
  captureOutput(({ body, stream, severity, fromConsole }) => {
    tracing.log({
      body,
      severityNumber: severity ?? (stream === 'stderr' ? ERROR : INFO),
      source: fromConsole ? 'console' : stream,
      attributes: { [LOG_IOSTREAM]: stream, ...idOf(activeInvocation()) },
    });
  }, mark);
}

/** The stack that Node prints as the process dies, past every stream we could listen to. */
export function logCrash(tracing: Tracing, stack: string, invocation: Invocation | undefined): void {
  tracing.log({
    body: stack,
    severityNumber: FATAL,
    source: 'crash',
    attributes: { [LOG_IOSTREAM]: 'stderr', ...idOf(invocation) },
  });
}

function idOf(invocation: Invocation | undefined): Record<string, string> {
  return invocation === undefined ? {} : { [FAAS_INVOCATION_ID]: invocation.id };
}
