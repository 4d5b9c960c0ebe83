import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import {
  buildFlow,
  rootOf,
  withGroups,
  type Flow,
  type FlowNode,
  type GroupsByTopic,
} from '../diagnosis/flow.ts';
import { topicOf } from '../diagnosis/span-facts.ts';
import type { StoreReader } from '../store/store.ts';

export interface FlowSize {
  readonly maxTraces: number;
  readonly maxSpans: number;
}

export const DEFAULT_FLOW_SIZE: FlowSize = { maxTraces: 200, maxSpans: 20_000 };
/** Traces asked for in one question. */
const LEAST_AT_ONCE = 20;
const MOST_AT_ONCE = 200;
const MAX_TOPICS = 20;
const MAX_MESSAGES = 1_000;
const READ_WITHIN_NANO = 1_800_000_000_000n;
/** Of several flows followed together: traces in all of them, and links from one to the farthest. */
const MAX_TRACES_TOGETHER = 600;
const MAX_DEPTH_TOGETHER = 20;

export interface LoadedFlow {
  /** The trace that was asked for; its spans alone. */
  readonly spans: readonly SpanData[];
  readonly flow: Flow;
  /** Where the trace's time begins: what its own roots go back to. */
  readonly roots: readonly FlowNode[];
  /** Who reads the topics that something was sent to and not received from. */
  readonly groupsByTopic: GroupsByTopic;
  /** A limit left something out. */
  readonly truncated: boolean;
}

/** The trace and every trace that links join with it; undefined when the store has no such trace. */
export async function loadFlow(
  reader: StoreReader,
  traceId: string,
  size: FlowSize = DEFAULT_FLOW_SIZE,
): Promise<LoadedFlow | undefined> {
  const [own, around] = await Promise.all([
    reader.trace(traceId),
    reader.flowTraceIds(traceId, { maxTraces: size.maxTraces }),
  ]);
  if (own.length === 0) return undefined;
  const others = around.traceIds.filter((id) => id !== traceId);
  const { traces, isCut } = await readTraces(reader, others, [own], size.maxSpans - own.length);
  const alone = buildFlow([...own, ...traces.flat()]);
  const groupsByTopic = await groupsOf(reader, unread(alone));
  const flow = withGroups(alone, groupsByTopic);
  const roots = rootsOfTrace(flow, traceId);
  return { spans: own, flow, roots, groupsByTopic, truncated: around.truncated || isCut };
}

/** The flow of each of these traces, whose spans are known: together, since one by one each would ask for every step of its way. */
export async function flowsAround(
  reader: StoreReader,
  known: readonly (readonly SpanData[])[],
): Promise<{ readonly traceId: string; readonly flow: Flow }[]> {
  const ids = known.map((spans) => spans[0]?.traceId ?? '');
  const neighbours = new Map<string, Set<string>>(ids.map((id) => [id, new Set()]));
  let border: readonly string[] = ids;
  for (let depth = 0; border.length > 0 && depth < MAX_DEPTH_TOGETHER; depth += 1) {
    const links = await Promise.all([reader.linksFrom(border), reader.linksToTraces(border)]);
    const found: string[] = [];
    const near = (id: string): Set<string> | undefined => {
      if (!neighbours.has(id) && neighbours.size < MAX_TRACES_TOGETHER) {
        neighbours.set(id, new Set());
        found.push(id);
      }
      return neighbours.get(id);
    };
    for (const { fromTraceId, toTraceId } of links.flat()) {
      near(fromTraceId)?.add(toTraceId);
      near(toTraceId)?.add(fromTraceId);
    }
    border = found;
  }
  const further = [...neighbours.keys()].slice(ids.length);
  const { traces } = await readTraces(reader, further, known, DEFAULT_FLOW_SIZE.maxSpans);
  const spansOf = new Map([...known, ...traces].map((spans) => [spans[0]?.traceId ?? '', spans]));
  return ids.map((traceId) => {
    const joined = new Set([traceId]);
    for (const id of joined) for (const near of neighbours.get(id) ?? []) joined.add(near);
    return { traceId, flow: buildFlow([...joined].flatMap((id) => spansOf.get(id) ?? [])) };
  });
}

/**
 * Traces whole or not at all (half of one would look broken), until there are so many spans. As many in one question as will hold
 * that number, if they are as large as those that are known: four questions of 50 cost the store twice as much as one of 200.
 */
async function readTraces(
  reader: StoreReader,
  traceIds: readonly string[],
  known: readonly (readonly SpanData[])[],
  maxSpans: number,
): Promise<{ readonly traces: readonly (readonly SpanData[])[]; readonly isCut: boolean }> {
  const knownSpans = known.reduce((sum, { length }) => sum + length, 0);
  const atOnce = Math.ceil(maxSpans / Math.max(1, knownSpans / Math.max(1, known.length)));
  const step = Math.min(MOST_AT_ONCE, Math.max(LEAST_AT_ONCE, atOnce));
  const traces: (readonly SpanData[])[] = [];
  let room = maxSpans;
  let isCut = false;
  for (let at = 0; at < traceIds.length; at += step) {
    if (room <= 0) return { traces, isCut: true };
    for (const trace of await reader.traces(traceIds.slice(at, at + step)))
      if (trace.length > room) isCut = true;
      else {
        traces.push(trace);
        room -= trace.length;
      }
  }
  return { traces, isCut };
}

/** Sent, and received by nobody in this flow. */
function unread(flow: Flow): FlowNode[] {
  return flow.nodes.filter(
    ({ span, effects, shared }) =>
      span.kind === SPAN_KIND.producer && topicOf(span) !== '' && effects.length === 0 && shared.length === 0,
  );
}

/** Who reads the topics that these were sent to, by what was received of them around that time: somebody is still waited for. */
async function groupsOf(reader: StoreReader, producers: readonly FlowNode[]): Promise<GroupsByTopic> {
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
