import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  FAAS_INSTANCE,
  FAAS_NAME,
  FAAS_VERSION,
  SERVICE_INSTANCE_ID,
  SERVICE_NAME,
} from '../../span/attributes.ts';
import type { Tracing } from '../../span/tracing.ts';
import { type Open, UnderWay } from '../../span/under-way.ts';
import { callFunction } from './call-function.ts';
import { Fault } from './fault.ts';
import { FunctionRequest, pathOf } from './function-request.ts';
import { FunctionResponse } from './function-response.ts';
import { http } from './http.ts';
import { type FunctionIdentity, initializeTracing, type Run, type Serve } from './initialize-tracing.ts';
import type { Invocation } from './invocation.ts';
import { LoadFailure } from './load-failure.ts';
import { loadFunction, type UserFunction } from './load-function.ts';
import { readRequestBody } from './read-request-body.ts';
import { FunctionWebSockets } from './serve-websocket.ts';
import type { Settings } from './settings.ts';

/** Longer than the router keeps its connections, so that it is the one to close them. */
const KEEP_ALIVE_MS = 75_000;
const DRAIN_MS = 30_000;
const MAX_SPECIALIZE_BYTES = 1024 * 1024;
/** The name of a function loaded by v1's `/specialize`, which brings none. */
const NAMELESS = 'function';

export interface EnvironmentServer {
  readonly server: Server<typeof FunctionRequest, typeof FunctionResponse>;
  readonly open: Open<Invocation>;
  /** Resolves once nothing is in flight, or after 30 s. Takes no new connections from now on. */
  drain(): Promise<void>;
}

export interface ServerOptions {
  readonly settings: Settings;
  readonly tracing: Tracing;
  /** Called before anything of the function is loaded; what it returns is waited for. */
  readonly onLoading?: () => Promise<void> | undefined;
  /** Called once, when the function is loaded. */
  readonly onSpecialized: () => void;
}

/**
 * Fission's environment contract: a generic server until `/specialize` (v1) or `/v2/specialize` gives it its one function;
 * then every request is the function's.
 *
 *     generic --specialize--> loading --> specialized
 *        ^-------- cannot load ----'
 */
export function createEnvironmentServer({
  settings,
  tracing,
  onLoading,
  onSpecialized,
}: ServerOptions): EnvironmentServer {
  const isBehindRouter = 'socketPath' in settings.listen;
  const open = new UnderWay<Invocation>();
  let state: 'generic' | 'loading' | 'specialized' = 'generic';
  let serve: Serve | undefined;
  let webSockets: FunctionWebSockets | undefined;
  let onIdle: (() => void) | undefined;

  const server = http.createServer(
    {
      IncomingMessage: FunctionRequest,
      ServerResponse: FunctionResponse,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // How long an upload may take is the router's decision.
      requestTimeout: 0,
      // The platform connects to a warm instance long before it has a request for it.
      ...(isBehindRouter ? { headersTimeout: 0 } : {}),
    },
    (request, response) => {
      // The platform's router keeps its connections by itself, and dates what it passes on: three lines that it need not read.
      if (isBehindRouter) {
        response.sendDate = false;
        response.removeHeader('connection');
      }
      route(request, response as FunctionResponse);
    },
  );
  server.on('upgrade', upgrade);

  function route(request: FunctionRequest, response: FunctionResponse): void {
    const path = pathOf(request.url ?? '/');
    if (path === '/healthz' && (request.method === 'GET' || request.method === 'HEAD')) {
      response.status(200).end();
    } else if (request.method === 'POST' && (path === '/v2/specialize' || path === '/specialize')) {
      void specialize(request, response, path === '/specialize');
    } else if (serve) {
      serve(request, response);
    } else {
      response.status(500).type('text').send('Generic container: no requests supported');
    }
  }

  async function specialize(
    request: FunctionRequest,
    response: FunctionResponse,
    v1: boolean,
  ): Promise<void> {
    response.type('text');
    if (state !== 'generic') {
      response.status(400).send('Not a generic container');
      return;
    }
    state = 'loading';
    try {
      const load = v1 ? loadRequestV1(settings.codePath) : await readLoadRequest(request);
      const before = onLoading?.();
      if (before !== undefined) await before;
      const fn = await loadFunction(load.path, load.entry, settings.preferEsm);
      specializeWith(fn, load.identity);
      state = 'specialized';
      response.status(202).end();
    } catch (error) {
      state = 'generic';
      const status = error instanceof Fault ? error.status : 500;
      const message =
        error instanceof Fault || error instanceof LoadFailure
          ? error.message
          : `cannot specialize: ${String(error)}`;
      console.error(message);
      response.status(status).send(message);
    }
  }

  function specializeWith(fn: UserFunction, identity: FunctionIdentity): void {
    tracing.setResource({
      [SERVICE_NAME]: identity.name,
      [SERVICE_INSTANCE_ID]: settings.instanceId,
      [FAAS_NAME]: identity.name,
      [FAAS_VERSION]: identity.version,
      [FAAS_INSTANCE]: settings.instanceId,
    });
    const run: Run = (context) => {
      const reading = readRequestBody(context.request, settings.bodyLimitBytes);
      return reading ? reading.then(() => callFunction(fn, context)) : callFunction(fn, context);
    };
    serve = initializeTracing(run, identity, {
      tracing,
      instanceId: settings.instanceId,
      internalUrl: settings.internalUrl,
      open,
      onEnded: () => {
        if (open.size === 0) onIdle?.();
      },
    });
    webSockets = new FunctionWebSockets(fn, identity, {
      tracing,
      instanceId: settings.instanceId,
      pingMs: settings.webSocketPingMs,
      eventsUrl: settings.webSocketEventsUrl,
    });
    onSpecialized();
  }

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
    if (!isWebSocket) return refuse(socket, 400, 'cannot upgrade to anything but a websocket');
    if (!webSockets) return refuse(socket, 500, 'Generic container: no requests supported');
    webSockets.upgrade(request, socket, head).catch((error: unknown) => {
      console.error(`cannot serve a websocket: ${String(error)}`);
      refuse(socket, 501, 'cannot serve websockets: the package ws is not installed in this environment');
    });
  }

  async function drain(): Promise<void> {
    // Whoever asks next on one of these connections would find nobody; a new connection is refused at once, and tried elsewhere.
    for (const invocation of open) invocation.isLast();
    server.close();
    server.closeIdleConnections();
    const idle = new Promise<void>((resolve) => {
      if (open.size === 0) resolve();
      else onIdle = resolve;
    });
    const late = new Promise<void>((resolve) => {
      setTimeout(resolve, DRAIN_MS).unref();
    });
    await Promise.race([Promise.all([idle, webSockets?.closeAll()]), late]);
  }

  return { server, open, drain };
}

interface LoadRequest {
  readonly path: string;
  readonly entry: string;
  readonly identity: FunctionIdentity;
}

function loadRequestV1(codePath: string): LoadRequest {
  return { path: codePath, entry: '', identity: { name: NAMELESS, version: '' } };
}

/** Fission's `FunctionLoadRequest`; keys we do not know are left alone. Throws Fault. */
async function readLoadRequest(request: FunctionRequest): Promise<LoadRequest> {
  request.headers['content-type'] = 'application/json';
  await readRequestBody(request, MAX_SPECIALIZE_BYTES);
  const { filepath, functionName, FunctionMetadata } = (request.body ?? {}) as Record<string, unknown>;
  if (typeof filepath !== 'string' || filepath === '')
    throw new Fault(
      'bad_request',
      `cannot specialize: [filepath] must be a path, not ${JSON.stringify(filepath)}`,
    );
  if (functionName !== undefined && functionName !== null && typeof functionName !== 'string')
    throw new Fault(
      'bad_request',
      `cannot specialize: [functionName] must be a string, not ${JSON.stringify(functionName)}`,
    );
  const { name, resourceVersion } = (FunctionMetadata ?? {}) as Record<string, unknown>;
  return {
    path: filepath,
    entry: functionName ?? '',
    identity: {
      name: typeof name === 'string' && name !== '' ? name : NAMELESS,
      version: typeof resourceVersion === 'string' ? resourceVersion : '',
    },
  };
}

function refuse(socket: Duplex, status: number, text: string): void {
  if (!(socket as Socket).writable) return;
  socket.end(
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  );
}
