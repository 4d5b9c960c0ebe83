import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  context as contextApi,
  defaultTextMapGetter,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { WebSocket, WebSocketServer } from 'ws';
import {
  ERROR_TYPE,
  FAAS_INSTANCE,
  FAAS_INVOCATION_ID,
  FAAS_NAME,
  FAAS_TRIGGER,
  FAAS_VERSION,
  HTTP_REQUEST_METHOD,
  HTTP_RESPONSE_STATUS_CODE,
  URL_PATH,
} from '../../span/attributes.ts';
import { suppressTracing } from '../../span/suppress.ts';
import { exceptionOf, stackOf, typeOf } from './exception-of.ts';
import { pathOf } from './function-request.ts';
import { http } from './http.ts';
import { SCOPE, type FunctionIdentity, type TracingOptions } from './initialize-tracing.ts';
import type { UserFunction } from './load-function.ts';

const GOING_AWAY = 1001;
const INTERNAL_ERROR = 1011;

/**
 * Websockets as Fission has them: the same function is called with `(ws, clients)` for each connection, and pings every
 * `pingMs` end those whose client is gone. One span per connection, from handshake to close. `ws` is loaded with the first one.
 */
export class FunctionWebSockets {
  readonly #fn: UserFunction;
  readonly #identity: FunctionIdentity;
  readonly #options: WebSocketOptions;
  #server: Promise<WebSocketServer> | undefined;
  #clients: Set<WebSocket> | undefined;

  constructor(fn: UserFunction, identity: FunctionIdentity, options: WebSocketOptions) {
    this.#fn = fn;
    this.#identity = identity;
    this.#options = options;
  }

  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    const server = await (this.#server ??= this.#open());
    server.handleUpgrade(request, socket, head, (ws) => this.#connected(ws, request, server.clients));
  }

  /** Tells every client to come back elsewhere; resolves when all have gone. */
  async closeAll(): Promise<void> {
    await Promise.all(
      [...(this.#clients ?? [])].map((ws) => {
        const closed = new Promise((resolve) => ws.once('close', resolve));
        ws.close(GOING_AWAY, 'the instance is stopping');
        return closed;
      }),
    );
  }

  #connected(ws: WebSocket, request: IncomingMessage, clients: Set<WebSocket>): void {
    const { tracing, instanceId } = this.#options;
    const { headers } = request;
    const caller = tracing.propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
    const id = headers['x-spoor-invocation-id'] ?? headers['x-fission-request-id'];
    const span = tracing.tracer(SCOPE, '1').startSpan(
      this.#identity.name,
      {
        kind: SpanKind.SERVER,
        attributes: {
          [FAAS_NAME]: this.#identity.name,
          [FAAS_VERSION]: this.#identity.version,
          [FAAS_INSTANCE]: instanceId,
          [FAAS_INVOCATION_ID]: typeof id === 'string' ? id : crypto.randomUUID(),
          [FAAS_TRIGGER]: 'http',
          [HTTP_REQUEST_METHOD]: 'GET',
          [HTTP_RESPONSE_STATUS_CODE]: 101,
          [URL_PATH]: pathOf(request.url ?? '/'),
        },
      },
      caller,
    );
    const fail = (error: unknown) => {
      console.error(stackOf(error));
      span.recordException(exceptionOf(error));
      span.setAttribute(ERROR_TYPE, typeOf(error));
      span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) });
      ws.close(INTERNAL_ERROR);
    };
    ws.once('close', () => span.end());
    // Without a listener a broken connection would end the process.
    ws.on('error', (error) => span.recordException(exceptionOf(error)));
    contextApi.with(trace.setSpan(caller, span), () => {
      try {
        const result = this.#fn(ws, clients);
        if (result instanceof Promise) result.catch(fail);
      } catch (error) {
        fail(error);
      }
    });
  }

  async #open(): Promise<WebSocketServer> {
    const { WebSocketServer: Server } = await import('ws');
    const server = new Server({ noServer: true });
    this.#clients = server.clients;
    this.#ping(server);
    this.#tell('start');
    return server;
  }

  #ping(server: WebSocketServer): void {
    const silent = new WeakSet<WebSocket>();
    const timer = setInterval(() => {
      if (server.clients.size === 0) {
        this.#tell('end');
        return;
      }
      for (const ws of server.clients) {
        if (silent.has(ws)) {
          ws.terminate();
          continue;
        }
        silent.add(ws);
        ws.once('pong', () => silent.delete(ws));
        ws.ping();
      }
    }, this.#options.pingMs);
    timer.unref();
  }

  /** Fission's fetcher keeps a pod with open websockets from being reaped. Outside Fission nobody needs to know. */
  #tell(event: 'start' | 'end'): void {
    const { eventsUrl } = this.#options;
    if (eventsUrl === undefined) return;
    contextApi.with(suppressTracing(ROOT_CONTEXT), () => {
      http
        .get(`${eventsUrl}/wsevent/${event}`, (answer) => answer.resume())
        .on('error', (error) => console.error(`cannot tell ${eventsUrl} of websockets: ${error.message}`));
    });
  }
}

export interface WebSocketOptions extends Pick<TracingOptions, 'tracing' | 'instanceId'> {
  readonly pingMs: number;
  readonly eventsUrl: string | undefined;
}
