import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Failure } from '../../server/failure.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import type { DependencyEdge } from '../store/store.ts';
import { adjust, unadjusted, type AdjustOptions } from './adjust.ts';
import { envelope, type EnvelopeError } from './envelope.ts';
import { toJaegerTrace, toJaegerTraceId } from './jaeger-trace.ts';
import { decodeOtlp } from './otlp-json.ts';
import {
  bool,
  parseDependencyRange,
  parseSpanKind,
  parseV1Hint,
  parseV1Search,
  requireTraceId,
  text,
} from './params.ts';
import { nowUnixNano, paramsOf, pathParam, sendJson, type ReaderOf } from './request.ts';
import type { JaegerTrace } from './shapes.ts';

const KIND_NAME = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

/**
 * Jaeger's v1 HTTP API up to v2.20.0, as its UI and Grafana's Jaeger data source call it
 * (jaeger cmd/jaeger/internal/extension/jaegerquery/internal/http_handler.go).
 */
export function addJaegerV1(app: FastifyInstance, readerOf: ReaderOf, adjustOptions: AdjustOptions): void {
  const toJaeger = (traceId: string, spans: readonly SpanData[], raw: boolean): JaegerTrace =>
    toJaegerTrace(traceId, raw ? unadjusted(spans) : adjust(spans, adjustOptions));

  app.get('/api/services', async (request, reply) => {
    const reader = readerOf(request);
    const services = await reader.services();
    return sendJson(request, reply, envelope(services, { total: services.length }));
  });

  app.get('/api/services/:service/operations', async (request, reply) => {
    const reader = readerOf(request);
    const operations = await reader.operations({ service: pathParam(request, 'service') });
    const names = [...new Set(operations.map((operation) => operation.name))];
    return sendJson(request, reply, envelope(names, { total: names.length }));
  });

  app.get('/api/operations', async (request, reply) => {
    const reader = readerOf(request);
    const params = paramsOf(request);
    const service = text(params, 'service');
    if (!service) throw new Failure('query', 'bad_request', "parameter 'service' is required");
    const kind = parseSpanKind(params, 'spanKind');
    const operations = await reader.operations({ service, ...(kind === undefined ? {} : { kind }) });
    const data = operations.map(({ name, kind }) => ({ name, spanKind: kind === 0 ? '' : KIND_NAME[kind] }));
    return sendJson(request, reply, envelope(data, { total: data.length }));
  });

  app.get('/api/traces', async (request, reply) => {
    const reader = readerOf(request);
    const search = parseV1Search(paramsOf(request), nowUnixNano());
    if (search.traceIds.length > 0) return sendSeveral(request, reply, search.traceIds, search.raw);
    const traces = await reader.findTraces(search.query);
    return sendJson(
      request,
      reply,
      envelope(traces.map((spans) => toJaeger(spans[0]?.traceId ?? '', spans, search.raw))),
    );
  });

  app.get('/api/traces/:traceId', async (request, reply) => {
    const reader = readerOf(request);
    const params = paramsOf(request);
    const traceId = requireTraceId(pathParam(request, 'traceId'), 'traceID');
    const spans = await reader.trace(traceId, parseV1Hint(params));
    if (spans.length === 0) throw notFound();
    return sendJson(request, reply, envelope([toJaeger(traceId, spans, bool(params, 'raw'))]));
  });

  app.post('/api/archive/:traceId', async (request, reply) => {
    const traceId = requireTraceId(pathParam(request, 'traceId'), 'traceID');
    if (!(await readerOf(request).archive(traceId))) throw notFound();
    return sendJson(request, reply, envelope([]));
  });

  app.get('/api/dependencies', async (request, reply) => {
    const reader = readerOf(request);
    const params = paramsOf(request);
    const service = text(params, 'service');
    const edges = withTopics(
      await reader.dependencies(parseDependencyRange(params, nowUnixNano()), { topics: true }),
    );
    const touching = service
      ? edges.filter(({ parent, child }) => parent === service || child === service)
      : edges;
    return sendJson(request, reply, envelope(sumPerPair(touching)));
  });

  app.post('/api/transform', async (request, reply) => {
    const traces = Map.groupBy(decodeOtlp(request.body), (span) => span.traceId);
    // No adjusters here: the file is shown as it is.
    const data = [...traces].map(([traceId, spans]) => toJaeger(traceId, spans, true));
    return sendJson(request, reply, envelope(data));
  });

  /** Asked for by id: those that are there, and an error for each that is not. */
  async function sendSeveral(
    request: FastifyRequest,
    reply: FastifyReply,
    traceIds: readonly string[],
    raw: boolean,
  ): Promise<FastifyReply> {
    const reader = readerOf(request);
    const data: JaegerTrace[] = [];
    const errors: EnvelopeError[] = [];
    for (const traceId of traceIds) {
      const spans = await reader.trace(traceId);
      if (spans.length > 0) data.push(toJaeger(traceId, spans, raw));
      else errors.push({ msg: 'trace not found', traceID: toJaegerTraceId(traceId) });
    }
    return sendJson(request, reply, envelope(data, { errors }));
  }
}

export function notFound(): Failure {
  return new Failure('query', 'not_found', 'trace not found');
}

/**
 * Topics stand among the services, since Jaeger's edge has no other word for them: what a record carried goes from who sent it to the
 * topic, and from there to who received it, whichever way its receiver was recorded. One that is called like a service says what it is.
 */
function withTopics(
  edges: readonly DependencyEdge[],
): Pick<DependencyEdge, 'parent' | 'child' | 'callCount'>[] {
  const services = new Set(
    edges.flatMap(({ parent, child, topic }) => [
      ...(topic === 'parent' ? [] : [parent]),
      ...(topic === 'child' ? [] : [child]),
    ]),
  );
  const nameOf = (name: string, isTopic: boolean) => (isTopic && services.has(name) ? `topic ${name}` : name);
  return edges.map(({ parent, child, callCount, topic }) => ({
    parent: nameOf(parent, topic === 'parent'),
    child: nameOf(child, topic === 'child'),
    callCount,
  }));
}

function sumPerPair(edges: ReturnType<typeof withTopics>) {
  const byPair = Map.groupBy(edges, ({ parent, child }) => JSON.stringify([parent, child]));
  return [...byPair.values()].map((same) => ({
    parent: same[0]?.parent,
    child: same[0]?.child,
    callCount: same.reduce((sum, edge) => sum + edge.callCount, 0),
  }));
}
