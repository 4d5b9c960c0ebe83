import type { Context } from '@opentelemetry/api';

/**
 * The two halves of whoever asks the router, as far as the router cares: node:http's pair for a request over a socket, and
 * local-client.ts's for one from within the process.
 */
export interface ClientRequest {
  readonly method?: string | undefined;
  /** The caller's, when it is here; else its headers tell. */
  readonly context?: Context | undefined;
  /** All of the body is here. */
  readonly complete: boolean;
  readonly socket: { readonly remoteAddress?: string | undefined };
  isPaused(): boolean;
  resume(): unknown;
}

export interface ClientResponse {
  readonly req: { readonly complete: boolean };
  readonly statusCode: number;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly writableFinished: boolean;
  readonly writableNeedDrain: boolean;
  /** Closes once. */
  on(event: 'close', listener: () => void): unknown;
  once(event: 'drain', listener: () => void): unknown;
  /** `headers` flat: name, value, name, value … */
  writeHead(status: number, statusMessage: string | undefined, headers: string[]): unknown;
  flushHeaders(): void;
  write(chunk: Buffer): boolean;
  end(): unknown;
  end(chunk: Buffer): unknown;
  end(chunk: string, encoding?: BufferEncoding): unknown;
  addTrailers(trailers: readonly [string, string][]): void;
  destroy(): unknown;
}
