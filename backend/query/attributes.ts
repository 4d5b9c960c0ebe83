import type { FastifyInstance } from 'fastify';
import { count, parseWindow, text } from './params.ts';
import { nowUnixNano, paramsOf, sendJson, type ReaderOf } from './request.ts';
import type { AttributesJson } from './shapes.ts';

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 200;

/** What may be asked for in a search, while it is being typed: keys, or with `key` the values that it has. */
export function addAttributes(app: FastifyInstance, readerOf: ReaderOf): void {
  app.get('/api/attributes', async (request, reply) => {
    const params = paramsOf(request);
    const service = text(params, 'service');
    const prefix = text(params, 'prefix');
    const key = text(params, 'key');
    const query = {
      range: parseWindow(params, nowUnixNano()),
      limit: count(params, 'limit', DEFAULT_LIMIT, MAX_LIMIT),
      ...(service === undefined ? {} : { service }),
      ...(prefix === undefined ? {} : { prefix }),
    };
    const reader = readerOf(request);
    const found = await (key === undefined
      ? reader.attributeKeys(query)
      : reader.attributeValues({ ...query, key }));
    const body: AttributesJson = {
      attributes: found.map(({ text: value, count: spans }) => ({ text: value, count: spans })),
    };
    return sendJson(request, reply, body);
  });
}
