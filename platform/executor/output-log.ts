import { ROOT_CONTEXT } from '@opentelemetry/api';
import { FAAS_INSTANCE, FAAS_NAME, LOG_IOSTREAM, SERVICE_NAME } from '../../function/span/attributes.ts';
import type { Tracing } from '../../function/span/tracing.ts';
import type { Logger } from '../../server/log.ts';
import type { StartOptions } from './instance.ts';

const INFO = 9;
const ERROR = 17;

/**
 * Lines that took a road the environment does not see become log records of the function: with the invocation's ids when exactly
 * one is under way, of the instance alone otherwise (docs/instance.md, "Output").
 */
export function outputTo(
  tracing: Pick<Tracing, 'log' | 'setResource'> | undefined,
  log: Logger,
): StartOptions['onOutput'] {
  let service = '';
  return (instance, line, source) => {
    const name = instance.fn?.name ?? instance.environment.metadata.name;
    log.debug(
      { functionName: instance.fn?.name, instance: instance.id, source, line },
      'an instance printed',
    );
    if (!tracing) return;
    if (service !== name) {
      service = name;
      tracing.setResource({ [SERVICE_NAME]: name, [FAAS_NAME]: name });
    }
    const [only] = instance.underWay;
    tracing.log({
      body: line,
      severityNumber: source === 'stderr' ? ERROR : INFO,
      source,
      context: only !== undefined && instance.underWay.size === 1 ? only.context : ROOT_CONTEXT,
      attributes: { [LOG_IOSTREAM]: source, [FAAS_INSTANCE]: instance.id },
    });
  };
}
