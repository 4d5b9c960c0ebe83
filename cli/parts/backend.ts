import type { Logger } from '../../server/log.ts';
import { startCollector } from '../../backend/collector/collector.ts';
import { openStore } from '../../backend/store/open-store.ts';
import { startQuery } from '../../backend/query/query.ts';
import { placesOf } from '../settings.ts';
import type { RunningPart } from './run.ts';

export interface BackendPartOptions {
  readonly data: string;
  readonly host: string;
  readonly queryPort: number;
  readonly otlpHttpPort: number;
  readonly clickhouseUrl: string | undefined;
  readonly uiDir: string | undefined;
  readonly token: string | undefined;
}

export async function startBackendPart(options: BackendPartOptions, log: Logger): Promise<RunningPart> {
  const places = placesOf(options.data);
  await using starting = new AsyncDisposableStack();
  const store = starting.use(
    await openStore(
      options.clickhouseUrl === undefined
        ? { dataDir: places.store, log }
        : { url: options.clickhouseUrl, log },
    ),
  );
  const collector = starting.use(
    await startCollector({
      store: store.writer,
      host: options.host,
      httpPort: options.otlpHttpPort,
      token: options.token,
      log,
    }),
  );
  const query = starting.use(
    await startQuery({
      reader: store.reader,
      host: options.host,
      port: options.queryPort,
      uiDir: options.uiDir,
      token: options.token,
      log,
    }),
  );
  const started = starting.move();
  return {
    endpoints: { query: query.url, otlpHttp: collector.url },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
