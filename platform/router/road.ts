import type { TextMapPropagator, Tracer } from '@opentelemetry/api';
import type { Logger } from '../../server/log.ts';
import type { ExecutorClient } from '../executor/client.ts';
import type { Catalog } from '../spec/catalog.ts';
import type { Connections } from './connections.ts';

/** What every request on its way needs of the router. */
export interface Road {
  readonly catalog: Catalog;
  readonly executor: ExecutorClient;
  readonly tracer: Tracer;
  readonly propagator: TextMapPropagator;
  /** Headers the propagator reads and writes, lower case. */
  readonly contextFields: ReadonlySet<string>;
  readonly connections: Connections;
  /** Infinity for none. */
  readonly bodyLimitBytes: number;
  readonly bodyIdleTimeoutMs: number;
  readonly log: Logger;
}
