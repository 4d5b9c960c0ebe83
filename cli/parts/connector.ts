import { join } from 'node:path';
import { registerGlobals, startTracing } from '../../function/span/tracing.ts';
import { DEFAULT_LIMITS } from '../../function/span/tracing-env.ts';
import type { Logger } from '../../server/log.ts';
import { startConnector, type ConnectorOptions } from '../../platform/trigger/connector.ts';
import { makePlaces } from '../settings.ts';
import { MAX_LINKS } from './platform.ts';
import type { RunningPart } from './run.ts';

/** The message queue trigger alone. Its journal is in the data directory, for an agent beside it to ship. */
export async function startConnectorPart(
  options: ConnectorOptions & { readonly data: string },
  log: Logger,
): Promise<RunningPart> {
  const places = makePlaces(options.data);
  await using starting = new AsyncDisposableStack();
  const tracing = starting.use(
    startTracing({
      journal: join(places.journals, `connector-${process.pid}-trigger.journal`),
      limits: { ...DEFAULT_LIMITS, linkCount: MAX_LINKS },
      resource: {
        'service.name': 'trigger',
        'service.instance.id': `connector-${process.pid}`,
        'process.pid': process.pid,
      },
    }),
  );
  registerGlobals(tracing);
  starting.use(await startConnector(options, { tracing, log }));
  const started = starting.move();
  return { endpoints: {}, [Symbol.asyncDispose]: () => started.disposeAsync() };
}
