import type { FastifyInstance } from 'fastify';
import { Failure } from '../../server/failure.ts';
import { timeAccount, type TimeAccount } from '../diagnosis/time-account.ts';
import type { StoreReader } from '../store/store.ts';
import { toAccountJson, toCriticalPathJson, toFlowJson } from './diagnosis-json.ts';
import { notFound } from './jaeger-v1.ts';
import { DEFAULT_FLOW_SIZE, loadFlow, type LoadedFlow } from './load-flow.ts';
import { count, oneOf, requireTraceId, spanId, type Params } from './params.ts';
import { paramsOf, pathParam, sendJson, type ReaderOf } from './request.ts';

/** One trace explained: its flow, its time account and its critical path. */
export function addTracesExplained(app: FastifyInstance, readerOf: ReaderOf): void {
  app.get('/api/flows/:traceId', async (request, reply) => {
    const reader = readerOf(request);
    const traceId = requireTraceId(pathParam(request, 'traceId'), 'traceID');
    return sendJson(request, reply, toFlowJson(traceId, await load(reader, traceId, paramsOf(request))));
  });

  app.get('/api/traces/:traceId/account', async (request, reply) => {
    const reader = readerOf(request);
    const traceId = requireTraceId(pathParam(request, 'traceId'), 'traceID');
    return sendJson(
      request,
      reply,
      toAccountJson(traceId, await account(reader, traceId, paramsOf(request))),
    );
  });

  app.get('/api/traces/:traceId/critical-path', async (request, reply) => {
    const reader = readerOf(request);
    const traceId = requireTraceId(pathParam(request, 'traceId'), 'traceID');
    return sendJson(
      request,
      reply,
      toCriticalPathJson(traceId, await account(reader, traceId, paramsOf(request))),
    );
  });
}

async function load(reader: StoreReader, traceId: string, params: Params): Promise<LoadedFlow> {
  const loaded = await loadFlow(reader, traceId, {
    maxTraces: count(params, 'maxTraces', DEFAULT_FLOW_SIZE.maxTraces, 1_000),
    maxSpans: count(params, 'maxSpans', DEFAULT_FLOW_SIZE.maxSpans, 100_000),
  });
  if (!loaded) throw notFound();
  return loaded;
}

async function account(reader: StoreReader, traceId: string, params: Params): Promise<TimeAccount> {
  const wanted = spanId(params, 'span');
  // One invocation is what its caller waited for; a trace is all that its event caused.
  const reading = oneOf(params, 'reading', ['end-to-end', 'caller'], wanted ? 'caller' : 'end-to-end');
  const { flow, roots } = await load(reader, traceId, params);
  if (wanted === undefined) return timeAccount(reading === 'caller' ? roots.slice(0, 1) : roots, reading);
  const node = flow.nodes.find(({ span }) => span.traceId === traceId && span.spanId === wanted);
  if (!node) throw new Failure('query', 'not_found', `cannot find span [${wanted}] in trace [${traceId}]`);
  return timeAccount([node], reading);
}
