import { timingSafeEqual } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Failure, toFailure } from '../../server/failure.ts';
import { isLoopback, listen, LOOPBACK } from '../../server/listen.ts';
import type { Logger } from '../../server/log.ts';
import { closeHttpServer } from '../../server/stop.ts';
import type { StoreReader } from '../store/store.ts';
import { addAttributes } from './attributes.ts';
import { addCompression } from './compress.ts';
import { errorEnvelope } from './envelope.ts';
import { addFunctions } from './functions.ts';
import { addHeatmap } from './heatmap.ts';
import { addJaegerMetrics } from './jaeger-metrics.ts';
import { addJaegerV1 } from './jaeger-v1.ts';
import { addJaegerV3, errorBody } from './jaeger-v3.ts';
import { addLogSearch } from './log-search.ts';
import { addMessages } from './messages.ts';
import { addOpenapi } from './openapi.ts';
import { addOverview } from './overview.ts';
import { addOwn } from './own.ts';
import { addRed } from './red.ts';
import { addPlatform } from './platform.ts';
import type { PlatformAddress } from './platform-client.ts';
import { readersOf } from './request.ts';
import { addScreens } from './screens.ts';
import { addSearch } from './search.ts';
import { addStream } from './stream.ts';
import { addTopics } from './topics.ts';
import { addTracesExplained } from './traces-explained.ts';
import { addWhy } from './why.ts';

export interface QueryOptions {
  readonly reader: StoreReader;
  /** Loopback unless told otherwise; any other host needs a token. */
  readonly host?: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Folder with the built screens; without it the address shows where the APIs are. */
  readonly uiDir?: string;
  /** Where the platform's internal listener is, for the screens that show and call it; none by default. */
  readonly platform?: PlatformAddress;
  readonly log: Logger;
  /** Asked of every API request as `Authorization: Bearer …`. */
  readonly token?: string;
  /** Largest correction of a span's clock, ms; 0 (the default, as in Jaeger) only warns. */
  readonly maxClockSkewMs?: number;
  /** Told each API route, `GET /api/traces/{traceId}`, once: what docs/api.md is held against. */
  readonly onRoute?: (route: string) => void;
}

export interface QueryServer extends AsyncDisposable {
  readonly url: string;
}

/** Largest body of `POST /api/transform`, bytes. */
const BODY_LIMIT = 64 * 1024 * 1024;
const STOP_GRACE_MS = 2_000;

/** A page elsewhere can point its own name at 127.0.0.1 and then read what we answer; the Host header gives it away. */
const OWN_NAME = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

/** The HTTP APIs over the store (Jaeger v1 and v3, ours) and the screens, on one port. */
export async function startQuery(options: QueryOptions): Promise<QueryServer> {
  const host = options.host ?? LOOPBACK;
  if (!isLoopback(host) && !options.token)
    throw new Failure(
      'query',
      'forbidden',
      `cannot listen on ${host}: an address that others can reach needs a token`,
    );

  const app = fastify({
    bodyLimit: BODY_LIMIT,
    // Service names stand in paths, and may be long.
    routerOptions: { maxParamLength: 4_096 },
    return503OnClosing: true,
  });
  app.setErrorHandler((error, request, reply) => sendFailure(error, request, reply, options.log));
  app.addHook('onRequest', async (request, reply) => {
    reply.header('X-Content-Type-Options', 'nosniff');
    if (!isApi(request.url)) return;
    if (!options.token && !OWN_NAME.test(request.headers.host ?? '')) {
      throw new Failure(
        'query',
        'forbidden',
        `cannot answer to the name [${request.headers.host ?? ''}]: without a token only this machine's own names are answered (start with one to serve others)`,
      );
    }
    reply.header('Cache-Control', 'no-store');
    if (options.token && !hasToken(request, options.token)) {
      reply.header('WWW-Authenticate', 'Bearer');
      throw new Failure(
        'query',
        'unauthorized',
        'cannot answer without a valid token: send "Authorization: Bearer TOKEN"',
      );
    }
  });

  app.addHook('onRoute', ({ method, url }) => {
    if (method !== 'HEAD' && isApi(url))
      options.onRoute?.(`${String(method)} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
  });
  addCompression(app);
  const closing = new AbortController();
  const readerOf = readersOf(app, options.reader, closing.signal);

  const maxClockSkewNano = BigInt(Math.round((options.maxClockSkewMs ?? 0) * 1e6));
  const adjustOptions = { maxClockSkewNano };
  addJaegerV1(app, readerOf, adjustOptions);
  addJaegerV3(app, readerOf, adjustOptions);
  addOwn(app, readerOf);
  addTracesExplained(app, readerOf);
  addWhy(app, readerOf);
  addFunctions(app, readerOf);
  addHeatmap(app, readerOf);
  addMessages(app, readerOf);
  addLogSearch(app, readerOf);
  addRed(app, readerOf);
  addJaegerMetrics(app, readerOf);
  addSearch(app, readerOf);
  addStream(app, readerOf, closing.signal);
  addOverview(app, readerOf);
  addOpenapi(app);
  addTopics(app, readerOf);
  addAttributes(app, readerOf);
  addPlatform(app, options.platform ?? (async () => undefined));
  await addScreens(app, options.uiDir);

  await app.ready();
  try {
    const { url } = await listen(app.server, { host, port: options.port }, 'query');
    options.log.info({ url, screens: options.uiDir !== undefined }, 'query listening');
    return { url, [Symbol.asyncDispose]: () => stop(app, closing) };
  } catch (error) {
    await app.close();
    throw error;
  }
}

async function stop(app: FastifyInstance, closing: AbortController): Promise<void> {
  // What never ends by itself would be waited for.
  closing.abort();
  await closeHttpServer(app.server, STOP_GRACE_MS);
  await app.close();
}

export function isApi(url: string): boolean {
  return /^\/api(?:[/?]|$)/.test(url);
}

function hasToken(request: FastifyRequest, token: string): boolean {
  const sent = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const a = Buffer.from(sent);
  const b = Buffer.from(token);
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The one place that turns an error into an answer, in the shape of the API that was asked. */
function sendFailure(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Logger,
): FastifyReply {
  const failure = error instanceof Failure ? error : undefined;
  const status = failure?.status ?? frameworkStatus(error) ?? 500;
  const message = toFailure(error, 'query').message;
  if (status >= 500 && status !== 501 && !reply.raw.destroyed)
    log.error({ err: error, method: request.method, path: request.url.split('?')[0] }, 'query failed');
  const body = request.url.startsWith('/api/v3/')
    ? errorBody(status, message)
    : isApi(request.url)
      ? errorEnvelope(status, message)
      : `${status} ${STATUS_CODES[status] ?? ''}\n`;
  return reply.code(status).send(body);
}

/** fastify's own errors (body too large, bad JSON) carry a status; one of 5xx is ours to name. */
function frameworkStatus(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown }).statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}
