import { FAAS_INVOCATION_ID, LOG_IOSTREAM } from '../../span/attributes.ts';
import type { Tracing } from '../../span/tracing.ts';
import { captureOutput, type OutputLine } from './capture-output.ts';
import { activeInvocation, type Invocation } from './invocation.ts';

const INFO = 9;
const ERROR = 17;
const FATAL = 21;

/**
 * What the function prints becomes log records that carry the ids of the span and the invocation it was printed in. A thread knows
 * the invocation by other means, and may have streams that do not end in our output.
 */
export function logOutput(
  tracing: Tracing,
  mark: boolean,
  { streams, invocationId = () => activeInvocation()?.id }: LogOutputOptions = {},
): void {
  const onLine = ({ body, stream, severity, fromConsole }: OutputLine) => {
    tracing.log({
      body,
      severityNumber: severity ?? (stream === 'stderr' ? ERROR : INFO),
      source: fromConsole ? 'console' : stream,
      attributes: { [LOG_IOSTREAM]: stream, ...idOf(invocationId()) },
    });
  };
  captureOutput(onLine, mark, streams);
}

export interface LogOutputOptions {
  /** Default both. */
  readonly streams?: readonly ('stdout' | 'stderr')[];
  readonly invocationId?: () => string | undefined;
}

/** The stack that Node prints as the process dies, past every stream we could listen to. */
export function logCrash(tracing: Tracing, stack: string, invocation: Invocation | undefined): void {
  tracing.log({
    body: stack,
    severityNumber: FATAL,
    source: 'crash',
    attributes: { [LOG_IOSTREAM]: 'stderr', ...idOf(invocation?.id) },
  });
}

function idOf(invocationId: string | undefined): Record<string, string> {
  return invocationId === undefined ? {} : { [FAAS_INVOCATION_ID]: invocationId };
}
