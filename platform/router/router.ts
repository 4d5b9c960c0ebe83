import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TextMapPropagator, Tracer } from '@opentelemetry/api';
import { Failure, toFailure } from '../../server/failure.ts';
import { listen } from '../../server/listen.ts';
import type { Logger } from '../../server/log.ts';
import { closeHttpServer } from '../../server/stop.ts';
import type { ExecutorClient } from '../executor/client.ts';
import type { Catalog, Change } from '../spec/catalog.ts';
import type { HTTPTrigger } from '../spec/resources.ts';
import { sendFailure } from './answer.ts';
import { ASYNC_PREFIX, AsyncInvocations, type AsyncOptions } from './async-invocations.ts';
import type { RouterClient } from './client.ts';
import type { ClientRequest, ClientResponse } from './client-side.ts';
import { Connections } from './connections.ts';
import { preflightHeaders } from './cors.ts';
import { Exchange } from './exchange.ts';
import { Invocation } from './invocation.ts';
import { createLocalClient, type LocalCall } from './local-client.ts';
import { readRequestHead, type RequestHead } from './request-head.ts';
import type { Road } from './road.ts';
import { RouteTable } from './route-table.ts';
import {
  hostName,
  INTERNAL_PREFIX,
  internalTarget,
  splitUrl,
  targetOf,
  type RequestUrl,
  type Target,
} from './target.ts';
import { passUpgrade, refuseUpgrade } from './upgrade.ts';

/** All headers of a request together; past it 431. */
const HEADER_LIMIT_BYTES = 64 * 1024;
/** A client that takes longer to say its headers is cut off. */
const HEADERS_TIMEOUT_MS = 15_000;
const BODY_IDLE_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 65_000;
const CONNECTION_CHECK_MS = 5_000;
const STOP_GRACE_MS = 5_000;

export interface RouterOptions {
  readonly catalog: Catalog;
  readonly executor: ExecutorClient;
  /** Of service `router`. */
  readonly tracing: { tracer(): Tracer; readonly propagator: TextMapPropagator };
  /** Of the public listener; default loopback. The internal one is always on loopback. */
  readonly host?: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly internalPort: number;
  /** Further parts of the internal listener, by the longest prefix of the path. */
  readonly internalHandlers?: readonly InternalHandler[];
  /** Of a request's body; none by default, for bodies are streamed. */
  readonly bodyLimitBytes?: number;
  /** How long a client may keep silent in the middle of a body; default 30 s. */
  readonly bodyIdleTimeoutMs?: number;
  /** How long it may take for its headers; default 15 s. */
  readonly headersTimeoutMs?: number;
  readonly version?: string;
  /** Absent: asynchronous invocations are refused with `not_supported`. */
  readonly async?: AsyncOptions;
  readonly log: Logger;
}

export interface InternalHandler {
  readonly prefix: string;
  handle(request: IncomingMessage, response: ServerResponse): void | Promise<void>;
}

export interface Router extends AsyncDisposable {
  readonly url: string;
  readonly internalUrl: string;
  /** For whoever lives in this process: as the internal listener answers, without a connection. */
  readonly client: RouterClient;
  /** An instance that listens there may soon be asked for its first answer. */
  prepare(socketPath: string): void;
}

/** Starts both listeners: HTTPTriggers on the public one, `/fission-function/…` and what else is ours on the internal one. */
export async function startRouter(options: RouterOptions): Promise<Router> {
  const front = new Front(options);
  const headersTimeoutMs = options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS;
  const publicServer = openServer(
    { headersTimeoutMs, optimizeEmptyRequests: true },
    (request, response) => front.answerPublic(request, response),
    (request, socket, head) => front.upgrade(request, socket, head, false),
  );
  const internalServer = openServer(
    // Its other handlers read every request to its end.
    { headersTimeoutMs, optimizeEmptyRequests: false },
    (request, response) => front.answerInternal(request, response),
    (request, socket, head) => front.upgrade(request, socket, head, true),
  );
  internalServer.on('connect', (request, socket: Duplex, head: Buffer) =>
    tunnel(publicServer, request.url ?? '', socket, head),
  );
  const at = await listen(publicServer, { host: options.host, port: options.port }, 'router');
  try {
    const internal = await listen(internalServer, { port: options.internalPort }, 'router');
    const later = front.deliverTo(internal.url, options.async);
    return {
      url: at.url,
      internalUrl: internal.url,
      client: createLocalClient((call, headers, body) =>
        front.enter(call, ['host', new URL(internal.url).host, ...headers], body),
      ),
      prepare: (socketPath) => front.prepare(socketPath),
      async [Symbol.asyncDispose]() {
        // Deliveries come in through the internal listener.
        await later?.[Symbol.asyncDispose]();
        await Promise.all([closeServer(publicServer), closeServer(internalServer)]);
        front.close();
      },
    };
  } catch (error) {
    await closeHttpServer(publicServer);
    front.close();
    throw error;
  }
}

class Front {
  readonly #road: Road;
  readonly #routes = new RouteTable();
  readonly #handlers: readonly InternalHandler[];
  readonly #version: string;
  readonly #changes: Disposable;
  readonly #log: Logger;
  readonly #upgraded = new Set<Duplex>();
  #async: AsyncInvocations | undefined;

  constructor(options: RouterOptions) {
    const { catalog, executor, tracing, log } = options;
    this.#road = {
      catalog,
      executor,
      tracer: tracing.tracer(),
      propagator: tracing.propagator,
      contextFields: new Set(tracing.propagator.fields().map((field) => field.toLowerCase())),
      connections: new Connections(),
      bodyLimitBytes: options.bodyLimitBytes ?? Infinity,
      bodyIdleTimeoutMs: options.bodyIdleTimeoutMs ?? BODY_IDLE_TIMEOUT_MS,
      log,
    };
    this.#log = log;
    this.#version = options.version ?? '';
    this.#handlers = (options.internalHandlers ?? []).toSorted((a, b) => b.prefix.length - a.prefix.length);
    for (const trigger of catalog.list('HTTPTrigger')) this.#putRoute(trigger);
    this.#changes = catalog.onChange((change) => this.#changed(change));
  }

  /** What a previous platform left is delivered from here on. */
  deliverTo(internalUrl: string, options: AsyncOptions | undefined): AsyncInvocations | undefined {
    if (options) this.#async = new AsyncInvocations(this.#road, internalUrl, options);
    return this.#async;
  }

  answerPublic(request: IncomingMessage, response: ServerResponse): void {
    const url = splitUrl(request.url ?? '/');
    switch (url.path) {
      case '/router-healthz':
      case '/readyz':
        response.writeHead(200).end();
        return;
      case '/_version':
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ name: 'spoor', version: this.#version }));
        return;
      default:
        this.#answerRoute(request, response, url, false);
    }
  }

  answerInternal(request: IncomingMessage, response: ServerResponse): void {
    const url = splitUrl(request.url ?? '/');
    if (url.path.startsWith(INTERNAL_PREFIX)) {
      const target = internalTarget(this.#road.catalog, url);
      const head = this.#readHead(request, true);
      if (target) this.#invoke(request, response, head, url, target);
      else this.#refuse(request, response, head, url, unknownFunction(url));
      return;
    }
    const handler =
      this.#async && (url.path === ASYNC_PREFIX || url.path.startsWith(`${ASYNC_PREFIX}/`))
        ? this.#async
        : this.#handlers.find(({ prefix }) => url.path.startsWith(prefix));
    if (handler) {
      void this.#handle(handler, request, response);
    } else if (url.authority) {
      // A function whose HTTP_PROXY leads here calls http://router.fission/…: a trigger, as on the public listener.
      this.#answerRoute(request, response, url, true);
    } else {
      this.#refuse(request, response, this.#readHead(request, true), url, noRoute(url));
    }
  }

  /** A call of a function from within this process; the caller has a span of its own for it, or gets the router's. */
  enter(call: LocalCall, rawHeaders: readonly string[], body: Buffer | undefined): void {
    const url = splitUrl(call.url);
    const target = internalTarget(this.#road.catalog, url);
    const head = readRequestHead(rawHeaders, this.#road.contextFields, true);
    if (!target) {
      this.#refuse(call, call, head, url, unknownFunction(url));
      return;
    }
    const invocation = new Invocation(this.#road, call, head, url, target);
    const exchange = new Exchange(this.#road, call, call, head, target, invocation, body);
    call.failure = () => exchange.failure;
    void exchange.run();
  }

  upgrade(request: IncomingMessage, socket: Duplex, firstBytes: Buffer, isInternal: boolean): void {
    this.#upgraded.add(socket);
    socket.once('close', () => this.#upgraded.delete(socket));
    const url = splitUrl(request.url ?? '/');
    const head = this.#readHead(request, isInternal);
    let target: Target | undefined;
    if (isInternal && url.path.startsWith(INTERNAL_PREFIX)) {
      target = internalTarget(this.#road.catalog, url);
    } else if (!isInternal) {
      const match = this.#routes.match(
        hostName(url.authority || head.host),
        request.method ?? 'GET',
        url.path,
      );
      if (match.type === 'route') target = targetOf(match, url);
    }
    const invocation = new Invocation(this.#road, request, head, url, target);
    if (!target) {
      const failure = noRoute(url);
      refuseUpgrade(socket, failure, invocation);
      invocation.end(failure.status, failure);
      return;
    }
    void passUpgrade(this.#road, request, socket, firstBytes, head, target, invocation);
  }

  prepare(socketPath: string): void {
    this.#road.connections.prepare(socketPath);
  }

  close(): void {
    this.#changes[Symbol.dispose]();
    for (const socket of this.#upgraded) socket.destroy();
    this.#road.connections.close();
  }

  #answerRoute(
    request: IncomingMessage,
    response: ServerResponse,
    url: RequestUrl,
    isInternal: boolean,
  ): void {
    const head = this.#readHead(request, isInternal);
    const match = this.#routes.match(hostName(url.authority || head.host), request.method ?? 'GET', url.path);
    if (match.type === 'route') {
      const target = targetOf(match, url);
      if (target) this.#invoke(request, response, head, url, target);
      else this.#refuse(request, response, head, url, noWeight(match.route.trigger));
      return;
    }
    if (match.type === 'method') {
      const cors = match.preflight?.trigger.spec.corsConfig;
      if (request.method === 'OPTIONS' && cors && head.requestedMethod) {
        const asked = {
          method: head.requestedMethod,
          headers: head.requestedHeaders,
          routeMethods: match.allow,
        };
        response.writeHead(204, preflightHeaders(cors, head.origin, asked));
        response.end();
        return;
      }
      const failure = new Failure(
        'router',
        'method_not_allowed',
        `cannot ${request.method} [${url.path}]: its triggers take ${match.allow.join(', ')}`,
      );
      this.#refuse(request, response, head, url, failure, ['allow', match.allow.join(', ')]);
      return;
    }
    if (url.path === '/' && request.method === 'GET') {
      response.writeHead(200).end();
      return;
    }
    this.#refuse(request, response, head, url, noRoute(url));
  }

  #invoke(
    request: IncomingMessage,
    response: ServerResponse,
    head: RequestHead,
    url: RequestUrl,
    target: Target,
  ): void {
    const invocation = new Invocation(this.#road, request, head, url, target);
    // A delivery, or a trigger that has a queue of its own, is not put off once more.
    if (head.attempt === '' && (head.isAsync || target.trigger?.spec.invocationMode === 'async')) {
      if (this.#async) void this.#async.accept(request, response, head, target, invocation);
      else this.#refuseAsync(response, invocation);
      return;
    }
    const body = head.hasBody ? request : undefined;
    void new Exchange(this.#road, request, response, head, target, invocation, body).run();
  }

  #refuseAsync(response: ServerResponse, invocation: Invocation): void {
    const failure = new Failure(
      'router',
      'not_supported',
      'cannot take this for later: this router keeps nothing',
    );
    response.on('close', () => invocation.end(failure.status, failure));
    sendFailure(response, failure, invocation);
  }

  #refuse(
    request: ClientRequest,
    response: ClientResponse,
    head: RequestHead,
    url: RequestUrl,
    failure: Failure,
    headers: readonly string[] = [],
  ): void {
    const invocation = new Invocation(this.#road, request, head, url, undefined);
    response.on('close', () => invocation.end(failure.status, failure));
    sendFailure(response, failure, invocation, headers);
  }

  async #handle(
    handler: Pick<InternalHandler, 'handle'>,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    try {
      await handler.handle(request, response);
    } catch (error) {
      const failure = toFailure(error, 'router');
      if (failure.reason === 'internal')
        this.#log.error({ err: error as Error, url: request.url }, 'an internal handler failed');
      if (response.headersSent) {
        response.destroy();
        return;
      }
      const { component, reason, message } = failure;
      response.writeHead(failure.status, {
        'content-type': 'application/json',
        'x-fission-component': component,
        ...(request.complete ? {} : { connection: 'close' }),
      });
      response.end(JSON.stringify({ component, reason, requestId: randomUUID(), traceId: '', message }));
    }
  }

  #readHead(request: IncomingMessage, isInternal: boolean): RequestHead {
    return readRequestHead(request.rawHeaders, this.#road.contextFields, isInternal);
  }

  #changed(change: Change): void {
    if (change.resource.kind !== 'HTTPTrigger') return;
    if (change.type === 'put') this.#putRoute(change.resource);
    else this.#routes.delete(change.resource);
  }

  /** A trigger whose path is no template is left out and reported, as Fission does; the others go on. */
  #putRoute(trigger: HTTPTrigger): void {
    const { name } = trigger.metadata;
    try {
      for (const older of this.#routes.put(trigger))
        this.#log.warn(
          { trigger: name, shadowedBy: older.metadata.name },
          'a trigger is shadowed by an older one',
        );
    } catch (error) {
      this.#log.error(
        { trigger: name, why: (error as Error).message },
        'a trigger has no valid path and is left out',
      );
    }
  }
}

function openServer(
  { headersTimeoutMs, optimizeEmptyRequests }: { headersTimeoutMs: number; optimizeEmptyRequests: boolean },
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void,
): Server {
  const server = createServer(
    {
      maxHeaderSize: HEADER_LIMIT_BYTES,
      headersTimeout: headersTimeoutMs,
      // A body may take as long as it likes, as long as something comes; the function's own time-out bounds the invocation.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(CONNECTION_CHECK_MS, headersTimeoutMs),
      // A request without a body is no stream to be read to its end, which is a tenth of what it costs.
      optimizeEmptyRequests,
    },
    answer,
  );
  server.on('upgrade', upgrade);
  server.on('clientError', refuseMalformed);
  return server;
}

/** The router in a cluster: `router`, `router.fission`, `router.fission.svc`, and in full. */
const ROUTER_NAME = /^router(\.[-a-z0-9]+(\.svc(\.cluster\.local)?)?)?(:\d+)?$/i;

/**
 * CONNECT, which Node's fetch sends to an HTTP_PROXY for plain HTTP too (RFC 9110, section 9.3.6): what comes through is the public
 * listener's, as if it had come there. To the router only; this is no way to other hosts.
 */
function tunnel(publicServer: Server, authority: string, socket: Duplex, head: Buffer): void {
  socket.on('error', () => {});
  if (!ROUTER_NAME.test(authority)) {
    const text = `cannot connect to [${authority}]: only to the router; put other hosts into NO_PROXY`;
    socket.end(
      `HTTP/1.1 403 \r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
    );
    return;
  }
  socket.write('HTTP/1.1 200 \r\n\r\n');
  if (head.length > 0) socket.unshift(head);
  publicServer.emit('connection', socket);
}

/** What is not HTTP, or too much of it, gets an answer too, before any request exists. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? [431, `cannot read the headers: they are larger than ${HEADER_LIMIT_BYTES} bytes`]
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [408, 'cannot wait longer for the headers']
        : [400, `cannot read the request: ${error.message}`];
  const requestId = randomUUID();
  const body = JSON.stringify({
    component: 'router',
    reason: 'bad_request',
    requestId,
    traceId: '',
    message,
  });
  socket.end(
    `HTTP/1.1 ${status} \r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `x-fission-component: router\r\nx-fission-request-id: ${requestId}\r\nconnection: close\r\n\r\n${body}`,
  );
}

async function closeServer(server: Server): Promise<void> {
  await closeHttpServer(server, STOP_GRACE_MS);
}

function noRoute(url: RequestUrl): Failure {
  return new Failure('router', 'not_found', `cannot find a trigger for [${url.path}]`);
}

function unknownFunction(url: RequestUrl): Failure {
  return new Failure(
    'router',
    'not_found',
    `cannot find function [${url.path.slice(INTERNAL_PREFIX.length)}]: no such function`,
  );
}

function noWeight(trigger: HTTPTrigger): Failure {
  return new Failure(
    'router',
    'not_found',
    `cannot choose a function for trigger [${trigger.metadata.name}]: every weight is 0`,
  );
}
