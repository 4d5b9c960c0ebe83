import type { SpanData } from '../../function/span/span-data.ts';
import { buildFlow, rootOf, type Flow, type FlowNode } from '../diagnosis/flow.ts';
import type { StoreReader } from '../store/store.ts';

export interface FlowSize {
  readonly maxTraces: number;
  readonly maxSpans: number;
}

export const DEFAULT_FLOW_SIZE: FlowSize = { maxTraces: 200, maxSpans: 20_000 };
const TRACES_AT_ONCE = 50;

export interface LoadedFlow {
  /** The trace that was asked for; its spans alone. */
  readonly spans: readonly SpanData[];
  readonly flow: Flow;
  /** Where the trace's time begins: what its own roots go back to. */
  readonly roots: readonly FlowNode[];
  /** A limit left something out. */
  readonly truncated: boolean;
}

/** The trace and every trace that links join with it; undefined when the store has no such trace. */
export async function loadFlow(
  reader: StoreReader,
  traceId: string,
  size: FlowSize = DEFAULT_FLOW_SIZE,
): Promise<LoadedFlow | undefined> {
  const own = await reader.trace(traceId);
  if (own.length === 0) return undefined;
  const around = await reader.flowTraceIds(traceId, { maxTraces: size.maxTraces });
  let truncated = around.truncated;
  const spans = [...own];
  const others = around.traceIds.filter((id) => id !== traceId);
  while (others.length > 0 && spans.length < size.maxSpans) {
    const some = await reader.traces(others.splice(0, TRACES_AT_ONCE));
    for (const trace of some) {
      // A trace is taken whole or not at all: half of one would look broken.
      if (spans.length + trace.length > size.maxSpans) truncated = true;
      else for (const span of trace) spans.push(span);
    }
  }
  if (others.length > 0) truncated = true;
  const flow = buildFlow(spans);
  return { spans: own, flow, roots: rootsOfTrace(flow, traceId), truncated };
}

/** What the roots of this trace go back to over links, oldest first. */
export function rootsOfTrace(flow: Flow, traceId: string): FlowNode[] {
  const roots = new Set<FlowNode>();
  for (const node of flow.nodes)
    if (node.span.traceId === traceId && node.cause?.span.traceId !== traceId) roots.add(rootOf(node));
  return flow.roots.filter((root) => roots.has(root));
}
