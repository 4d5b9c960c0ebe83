import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Failure } from '../../server/failure.ts';
import type { StoreReader } from '../store/store.ts';
import type { Params } from './params.ts';

/** The query string, repeated keys kept. */
export function paramsOf(request: FastifyRequest): Params {
  const mark = request.url.indexOf('?');
  return new URLSearchParams(mark < 0 ? '' : request.url.slice(mark + 1));
}

/** A named part of the path, decoded. */
export function pathParam(request: FastifyRequest, name: string): string {
  return (request.params as Readonly<Record<string, string>>)[name] ?? '';
}

/** `?prettyPrint=true` indents by 4, as Jaeger does. */
export function sendJson(request: FastifyRequest, reply: FastifyReply, body: unknown): FastifyReply {
  const indent = paramsOf(request).get('prettyPrint') === 'true' ? 4 : undefined;
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(body, undefined, indent));
}

export function nowUnixNano(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

/** The store, as one request may ask it: no longer than whoever sent it waits for the answer. */
export type ReaderOf = (request: FastifyRequest) => StoreReader;

/** Queries of a client that has left are given up, and all of them when the server stops. */
export function readersOf(app: FastifyInstance, reader: StoreReader, closing: AbortSignal): ReaderOf {
  const signals = new WeakMap<FastifyRequest, AbortSignal>();
  app.addHook('onRequest', async (request, reply) => {
    const gone = new AbortController();
    signals.set(request, AbortSignal.any([gone.signal, closing]));
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished)
        gone.abort(new Failure('query', 'client_disconnect', 'the client has left'));
    });
  });
  return (request) => {
    const signal = signals.get(request);
    return signal ? reader.until(signal) : reader;
  };
}
