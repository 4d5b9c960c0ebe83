import { readFile } from 'node:fs/promises';
import type { Logger } from '../../server/log.ts';
import { startQuery } from '../../backend/query/query.ts';
import { placesOf } from '../settings.ts';
import { startCollectorPart, type CollectorPartOptions } from './collector.ts';
import type { RunningPart } from './run.ts';

export interface BackendPartOptions extends CollectorPartOptions {
  readonly queryPort: number;
  readonly uiDir: string | undefined;
}

export async function startBackendPart(options: BackendPartOptions, log: Logger): Promise<RunningPart> {
  const { endpoints } = placesOf(options.data);
  await using starting = new AsyncDisposableStack();
  const collector = starting.use(await startCollectorPart(options, log));
  const query = starting.use(
    await startQuery({
      reader: collector.store.reader,
      host: options.host,
      port: options.queryPort,
      uiDir: options.uiDir,
      platform: () => internalUrl(endpoints),
      token: options.token,
      log,
    }),
  );
  const started = starting.move();
  return {
    endpoints: { query: query.url, ...collector.endpoints },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

/** As `spoor up` wrote it beside the data, or SPOOR_SERVER names it: read anew each time, since the platform comes and goes. */
async function internalUrl(endpoints: string): Promise<string | undefined> {
  const named = process.env['SPOOR_SERVER'];
  if (named !== undefined && named !== '') return named.replace(/\/+$/, '');
  try {
    const { internal } = JSON.parse(await readFile(endpoints, 'utf8')) as { internal?: unknown };
    return typeof internal === 'string' ? internal : undefined;
  } catch {
    return undefined;
  }
}
