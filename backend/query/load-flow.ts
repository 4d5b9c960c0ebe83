import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { buildFlow, rootOf, type Flow, type FlowNode } from '../diagnosis/flow.ts';
import { topicOf } from '../diagnosis/span-facts.ts';
import type { StoreReader } from '../store/store.ts';

export interface FlowSize {
  readonly maxTraces: number;
  readonly maxSpans: number;
}

export const DEFAULT_FLOW_SIZE: FlowSize = { maxTraces: 200, maxSpans: 20_000 };
const TRACES_AT_ONCE = 50;
const MAX_TOPICS = 20;
const MAX_MESSAGES = 1_000;
const READ_WITHIN_NANO = 1_800_000_000_000n;

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
  const alone = buildFlow(spans);
  const groupsByTopic = await groupsOf(reader, unread(alone));
  const flow = groupsByTopic.size === 0 ? alone : buildFlow(spans, { groupsByTopic });
  return { spans: own, flow, roots: rootsOfTrace(flow, traceId), truncated };
}

/** Sent, and received by nobody in this flow. */
function unread(flow: Flow): FlowNode[] {
  return flow.nodes.filter(
    ({ span, effects, shared }) =>
      span.kind === SPAN_KIND.producer && topicOf(span) !== '' && effects.length === 0 && shared.length === 0,
  );
}

/** Who reads the topics that these were sent to, by what was received of them around that time: somebody is still waited for. */
async function groupsOf(
  reader: StoreReader,
  producers: readonly FlowNode[],
): Promise<Map<string, readonly string[]>> {
  const groups = new Map<string, readonly string[]>();
  const byTopic = Map.groupBy(producers, ({ span }) => topicOf(span));
  await Promise.all(
    [...byTopic].slice(0, MAX_TOPICS).map(async ([topic, [first]]) => {
      const at = first?.span.startTimeUnixNano ?? 0n;
      const around = { startUnixNano: at - READ_WITHIN_NANO, endUnixNano: at + READ_WITHIN_NANO };
      const messages = await reader.messages({ topic, range: around, limit: MAX_MESSAGES });
      const names = messages.flatMap(({ kind, consumerGroup }) =>
        kind === SPAN_KIND.consumer && consumerGroup !== '' ? [consumerGroup] : [],
      );
      if (names.length > 0) groups.set(topic, [...new Set(names)]);
    }),
  );
  return groups;
}

/** What the roots of this trace go back to over links, oldest first. */
export function rootsOfTrace(flow: Flow, traceId: string): FlowNode[] {
  const roots = new Set<FlowNode>();
  for (const node of flow.nodes)
    if (node.span.traceId === traceId && node.cause?.span.traceId !== traceId) roots.add(rootOf(node));
  return flow.roots.filter((root) => roots.has(root));
}
