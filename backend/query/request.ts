import type { FastifyReply, FastifyRequest } from 'fastify';
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
