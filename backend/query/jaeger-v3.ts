import type { FastifyInstance } from 'fastify';
import { Failure } from '../../server/failure.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import type { TraceSummary } from '../store/store.ts';
import { adjust, type AdjustOptions } from './adjust.ts';
import { notFound } from './jaeger-v1.ts';
import { encodeOtlp } from './otlp-json.ts';
import { bool, either, parseSpanKind, parseV3Hint, parseV3Search, requireTraceId, text } from './params.ts';
import { paramsOf, pathParam, sendJson, type ReaderOf } from './request.ts';
import type { TraceSummaryJson } from './shapes.ts';

/** Jaeger reports an operation without a kind as internal. */
const KIND_NAME = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

/** Jaeger's v3 HTTP API, as Jaeger UI 2.x and our own screens call it (jaeger …/apiv3/http_gateway.go). */
export function addJaegerV3(app: FastifyInstance, readerOf: ReaderOf, adjustOptions: AdjustOptions): void {
  const encode = (traces: readonly (readonly SpanData[])[], raw: boolean) => ({
    result: encodeOtlp(
      traces.flatMap((spans) => (raw ? spans : adjust(spans, adjustOptions).map(({ span }) => span))),
    ),
  });

  app.get('/api/v3/services', async (request, reply) =>
    sendJson(request, reply, { services: await readerOf(request).services() }),
  );

  app.get('/api/v3/operations', async (request, reply) => {
    const reader = readerOf(request);
    const params = paramsOf(request);
    const service = text(params, 'service');
    if (!service) throw new Failure('query', 'bad_request', "parameter 'service' is required");
    const kind = parseSpanKind(params, either(params, 'spanKind', 'span_kind'));
    const operations = await reader.operations({ service, ...(kind === undefined ? {} : { kind }) });
    return sendJson(request, reply, {
      operations: operations.map(({ name, kind }) => ({ name, spanKind: KIND_NAME[kind] })),
    });
  });

  app.get('/api/v3/traces', async (request, reply) => {
    const reader = readerOf(request);
    const { query, raw } = parseV3Search(paramsOf(request));
    const traces = await reader.findTraces(query);
    if (traces.length === 0) throw new Failure('query', 'not_found', 'No traces found');
    return sendJson(request, reply, encode(traces, raw));
  });

  app.get('/api/v3/trace-summaries', async (request, reply) => {
    const reader = readerOf(request);
    const { query } = parseV3Search(paramsOf(request));
    const summaries = await reader.summaries(query);
    return sendJson(request, reply, { summaries: summaries.map(toSummaryJson) });
  });

  app.get('/api/v3/traces/:traceId', async (request, reply) => {
    const reader = readerOf(request);
    const params = paramsOf(request);
    const traceId = requireTraceId(pathParam(request, 'traceId'), 'trace_id');
    const spans = await reader.trace(traceId, parseV3Hint(params));
    if (spans.length === 0) throw notFound();
    return sendJson(request, reply, encode([spans], bool(params, either(params, 'rawTraces', 'raw_traces'))));
  });
}

/** v3's shape of an error. */
export function errorBody(httpCode: number, message: string) {
  return { error: { httpCode, message } };
}

export function toSummaryJson(summary: TraceSummary): TraceSummaryJson {
  return {
    traceId: summary.traceId,
    rootServiceName: summary.rootService,
    rootOperationName: summary.rootOperation,
    minStartTimeUnixNano: summary.startUnixNano.toString(),
    maxEndTimeUnixNano: summary.endUnixNano.toString(),
    spanCount: summary.spanCount,
    errorSpanCount: summary.errorSpanCount,
    orphanSpanCount: summary.orphanSpanCount,
    services: summary.services,
  };
}
