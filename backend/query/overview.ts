import type { FastifyInstance } from 'fastify';
import { buildFlow, type Flow } from '../diagnosis/flow.ts';
import { qualityOf } from '../diagnosis/quality.ts';
import { serviceMap, type MapEdge, type MapNode } from '../diagnosis/service-map.ts';
import { compareBigInt } from '../diagnosis/span-facts.ts';
import type { StoreReader, TimeRange } from '../store/store.ts';
import { refOf } from './diagnosis-json.ts';
import { count, MAX_TRACES, parseWindow } from './params.ts';
import { nowUnixNano, paramsOf, sendJson, type ReaderOf } from './request.ts';
import type { MapJson, QualityJson } from './shapes.ts';
import type { Params } from './params.ts';

const DEFAULT_TRACES = 500;

/** What many traces say together: the map, and how good the traces are. */
export function addOverview(app: FastifyInstance, readerOf: ReaderOf): void {
  app.get('/api/map', async (request, reply) => {
    const reader = readerOf(request);
    const sample = await sampleOf(reader, paramsOf(request));
    const { nodes, edges } = serviceMap(sample.flow);
    const body: MapJson = {
      startUnixNano: String(sample.range.startUnixNano),
      endUnixNano: String(sample.range.endUnixNano),
      sampledTraces: sample.traceCount,
      truncated: sample.truncated,
      nodes: nodes.map((node) => ({
        id: node.id,
        kind: node.kind,
        name: node.name,
        ...figuresOf(node, sample.seconds),
      })),
      edges: edges.map((edge) => ({
        from: edge.from,
        to: edge.to,
        kind: edge.kind,
        ...figuresOf(edge, sample.seconds),
        lagP50Nano: quantile(edge.lagsNano, 0.5),
        lagP99Nano: quantile(edge.lagsNano, 0.99),
        consumerGroup: edge.consumerGroup,
      })),
    };
    return sendJson(request, reply, body);
  });

  app.get('/api/quality', async (request, reply) => {
    const reader = readerOf(request);
    const sample = await sampleOf(reader, paramsOf(request));
    const body: QualityJson = {
      startUnixNano: String(sample.range.startUnixNano),
      endUnixNano: String(sample.range.endUnixNano),
      traceCount: sample.traceCount,
      spanCount: sample.flow.nodes.length,
      findings: qualityOf(sample.flow).map((finding) => ({
        ...finding,
        examples: finding.examples.map(refOf),
      })),
    };
    return sendJson(request, reply, body);
  });
}

interface Sample {
  readonly flow: Flow;
  readonly range: TimeRange;
  readonly traceCount: number;
  readonly truncated: boolean;
  /** What the rates are over. */
  readonly seconds: number;
}

/** The newest traces of the window, joined. */
async function sampleOf(reader: StoreReader, params: Params): Promise<Sample> {
  const range = parseWindow(params, nowUnixNano());
  const limit = count(params, 'limit', DEFAULT_TRACES, MAX_TRACES);
  const traces = await reader.findTraces({ range, attributes: {}, limit });
  const spans = traces.flat();
  const truncated = traces.length >= limit;
  const first = spans.reduce(
    (min, span) => (span.startTimeUnixNano < min ? span.startTimeUnixNano : min),
    range.endUnixNano,
  );
  const from = truncated ? first : range.startUnixNano;
  return {
    flow: buildFlow(spans),
    range,
    traceCount: traces.length,
    truncated,
    seconds: Math.max(Number(range.endUnixNano - from) / 1e9, 1e-3),
  };
}

function figuresOf({ calls, errors, durationsNano }: MapNode | MapEdge, seconds: number) {
  return {
    calls,
    errors,
    ratePerSecond: calls / seconds,
    p50Nano: quantile(durationsNano, 0.5),
    p99Nano: quantile(durationsNano, 0.99),
  };
}

function quantile(values: readonly bigint[], share: number): string {
  const sorted = values.toSorted(compareBigInt);
  return String(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0n);
}
