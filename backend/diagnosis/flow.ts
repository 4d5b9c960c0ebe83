import { MESSAGING_BATCH_MESSAGE_COUNT, SPOOR_CLOCK_SKEW } from '../../function/span/attributes.ts';
import { SPAN_KIND, type SpanData, type SpanLink } from '../../function/span/span-data.ts';
import { endOf, groupOf, isInvoke, isUnfinished, offsetOf, partitionOf, topicOf } from './span-facts.ts';
import { compareByStart } from './tree.ts';

/** Every span of every trace that links join, as one causal graph. */
export interface Flow {
  /** What nothing in the flow caused, oldest first. */
  readonly roots: readonly FlowNode[];
  /** Causes before effects. */
  readonly nodes: readonly FlowNode[];
  readonly edges: readonly FlowEdge[];
  /** The one where it began first. */
  readonly traceIds: readonly string[];
  /** Sent, and not received by a group that was seen reading this topic; oldest first. */
  readonly waitingFor: readonly Waiting[];
  /** Links and parents that name a span which is not here. */
  readonly broken: readonly { readonly span: SpanData; readonly link: SpanLink | undefined }[];
  /** Nothing waits and nothing is open. */
  readonly settled: boolean;
}

export interface FlowNode {
  readonly span: SpanData;
  /** The one span it is drawn below. */
  readonly cause: FlowNode | undefined;
  /** What it caused first hand, oldest first. */
  readonly effects: readonly FlowNode[];
  /** What was done for it in a batch that it shares with other records: the batch's own invocations. */
  readonly shared: readonly FlowNode[];
  readonly depth: number;
}

export interface FlowEdge {
  readonly from: FlowNode;
  readonly to: FlowNode;
  readonly kind: 'call' | 'message' | 'link';
  /** How the trace says it. */
  readonly shape: 'parent' | 'link' | 'both';
  /** Of a message, from the end of its sending to its receipt. Never negative: clocks that disagree are said in `clockSkew`. */
  readonly waitNano: bigint | undefined;
  readonly clockSkew: boolean;
  readonly topic: string;
  readonly partition: string;
  readonly offset: string;
  readonly consumerGroup: string;
}

export interface Waiting {
  readonly producer: FlowNode;
  readonly topic: string;
  readonly consumerGroup: string;
  readonly sinceUnixNano: bigint;
}

/** Clocks of one machine, read in two processes, differ by less. */
const CLOCK_SLACK_NANO = 2_000_000n;

/**
 * Joins spans by parent and by link into one forest that is the same whichever way a message was recorded:
 *
 *     child of the producer        send ─▶ process            one trace
 *     linked to the producer       send ··▶ process           two traces
 *
 * Either way `process` stands below `send`. A consumer's cause is the producer of its record, never the batch that it came in; a
 * batch's is the last of its records to be sent, which is the one it waited for. What the batch did (its invocations) is every
 * record's own, through `shared`. Any other span's cause is its parent, else the first span that it links to. Causes that form a
 * ring (a hostile or broken sender) are cut at the oldest span.
 */
export function buildFlow(spans: readonly SpanData[]): Flow {
  const byKey = new Map<string, MutableNode>();
  const halves = new Map<string, MutableNode>();
  for (const span of spans) {
    const key = keyOf(span.traceId, span.spanId);
    const same = byKey.get(key);
    if (!same) byKey.set(key, { span, cause: undefined, effects: [], shared: [], depth: 0 });
    // Zipkin's two halves of a call share one id; the server's half is what runs inside the client's.
    else if (same.span.kind !== span.kind)
      halves.set(`${key}/${span.kind}`, { span, cause: same, effects: [], shared: [], depth: 0 });
  }
  const nodes = [...byKey.values(), ...halves.values()].sort((a, b) => compareByStart(a.span, b.span));

  const broken: { span: SpanData; link: SpanLink | undefined }[] = [];
  const edges: FlowEdge[] = [];
  for (const node of nodes) {
    const parent = parentOf(node, byKey, halves, broken);
    const linked = linkedOf(node, byKey, broken);
    node.cause ??= causeOf(node, parent, linked);
    for (const from of new Set([...(parent ? [parent] : []), ...linked])) {
      const isParent = from === parent;
      edges.push(toEdge(from, node, isParent ? (linked.includes(from) ? 'both' : 'parent') : 'link'));
    }
  }
  cutRings(nodes);
  for (const node of nodes) node.cause?.effects.push(node);
  const edgesFrom = Map.groupBy(edges, ({ from }) => from);
  for (const node of nodes) shareBatch(node, edgesFrom.get(node) ?? []);

  const roots = nodes.filter((node) => !node.cause);
  const ordered = orderFrom(roots);
  const traceIds = [...new Set(nodes.map(({ span }) => span.traceId))];
  const waitingFor = findWaiting(nodes, new Map());
  return {
    roots,
    nodes: ordered,
    edges,
    traceIds,
    waitingFor,
    broken,
    settled: isSettled(nodes, waitingFor),
  };
}

/** Consumer groups that read a topic. */
export type GroupsByTopic = ReadonlyMap<string, readonly string[]>;

/** The same flow, when it is known from elsewhere who reads the topics it sends to. */
export function withGroups(flow: Flow, groupsByTopic: GroupsByTopic): Flow {
  if (groupsByTopic.size === 0) return flow;
  const waitingFor = findWaiting(flow.nodes, groupsByTopic);
  return { ...flow, waitingFor, settled: isSettled(flow.nodes, waitingFor) };
}

export function isMessage(edge: FlowEdge): boolean {
  return edge.kind === 'message';
}

/** The root that `node` goes back to. */
export function rootOf(node: FlowNode): FlowNode {
  let at = node;
  while (at.cause) at = at.cause;
  return at;
}

/** `node` and everything it caused, causes first. */
export function withEffects(node: FlowNode): FlowNode[] {
  return orderFrom([node as MutableNode]);
}

interface MutableNode extends FlowNode {
  readonly span: SpanData;
  cause: MutableNode | undefined;
  readonly effects: MutableNode[];
  readonly shared: MutableNode[];
  depth: number;
}

type Broken = { span: SpanData; link: SpanLink | undefined }[];

function keyOf(traceId: string, spanId: string): string {
  return `${traceId}:${spanId}`;
}

function parentOf(
  node: MutableNode,
  byKey: ReadonlyMap<string, MutableNode>,
  halves: ReadonlyMap<string, MutableNode>,
  broken: Broken,
): MutableNode | undefined {
  const { span } = node;
  if (span.parentSpanId === '' || node.cause) return node.cause;
  const key = keyOf(span.traceId, span.parentSpanId);
  const half = halves.size === 0 ? undefined : halves.get(`${key}/${SPAN_KIND.server}`);
  const parent = half ?? byKey.get(key);
  if (!parent) broken.push({ span, link: undefined });
  return parent === node ? undefined : parent;
}

function linkedOf(node: MutableNode, byKey: ReadonlyMap<string, MutableNode>, broken: Broken): MutableNode[] {
  const linked = new Set<MutableNode>();
  for (const link of node.span.links) {
    const target = byKey.get(keyOf(link.traceId, link.spanId));
    if (!target) broken.push({ span: node.span, link });
    else if (target !== node) linked.add(target);
  }
  return [...linked];
}

function causeOf(
  node: MutableNode,
  parent: MutableNode | undefined,
  linked: readonly MutableNode[],
): MutableNode | undefined {
  if (node.span.kind === SPAN_KIND.consumer) {
    const producers = [...(parent ? [parent] : []), ...linked].filter(
      ({ span }) => span.kind === SPAN_KIND.producer,
    );
    // Of many, the one whose sending ended last: the batch could not be whole before.
    const last = producers.reduce<MutableNode | undefined>(
      (best, each) => (best && endOf(best.span) >= endOf(each.span) ? best : each),
      undefined,
    );
    if (last) return last;
  }
  return parent ?? linked[0];
}

/** A ring has no root: its oldest span becomes one. */
function cutRings(nodes: readonly MutableNode[]): void {
  const done = new Set<MutableNode>();
  for (const start of nodes) {
    const path = new Set<MutableNode>();
    let at: MutableNode | undefined = start;
    while (at && !done.has(at) && !path.has(at)) {
      path.add(at);
      at = at.cause;
    }
    if (at && path.has(at)) {
      const ring: MutableNode[] = [];
      for (let each: MutableNode | undefined = at; each && !ring.includes(each); each = each.cause)
        ring.push(each);
      ring.sort((a, b) => compareByStart(a.span, b.span));
      if (ring[0]) ring[0].cause = undefined;
    }
    for (const each of path) done.add(each);
  }
}

/** A record that came in a batch shares what the batch ran; one that this very run caused (a broken sender) would go round for ever. */
function shareBatch(node: MutableNode, outward: readonly FlowEdge[]): void {
  const { span } = node;
  if (span.kind !== SPAN_KIND.consumer || !(MESSAGING_BATCH_MESSAGE_COUNT in span.attributes)) return;
  const invocations = node.effects.filter((effect) => isInvoke(effect.span));
  if (invocations.length === 0) return;
  const records = outward.filter(({ to }) => to.span.kind === SPAN_KIND.consumer);
  if (records.length === 0) return;
  const caused = reachableFrom(invocations);
  for (const { to } of records)
    if (!caused.has(to as MutableNode)) (to as MutableNode).shared.push(...invocations);
}

function reachableFrom(starts: readonly MutableNode[]): Set<MutableNode> {
  const reached = new Set(starts);
  for (const node of reached) {
    for (const effect of node.effects) reached.add(effect);
    for (const effect of node.shared) reached.add(effect);
  }
  return reached;
}

function orderFrom(roots: readonly MutableNode[]): MutableNode[] {
  const ordered: MutableNode[] = [];
  let layer = [...roots];
  while (layer.length > 0) {
    const next: MutableNode[] = [];
    for (const node of layer) {
      ordered.push(node);
      for (const effect of node.effects) {
        effect.depth = node.depth + 1;
        next.push(effect);
      }
    }
    layer = next;
  }
  return ordered;
}

function toEdge(from: MutableNode, to: MutableNode, shape: FlowEdge['shape']): FlowEdge {
  const isConsumed = from.span.kind === SPAN_KIND.producer && to.span.kind === SPAN_KIND.consumer;
  if (!isConsumed) {
    const blank = {
      waitNano: undefined,
      clockSkew: false,
      topic: '',
      partition: '',
      offset: '',
      consumerGroup: '',
    };
    return { from, to, kind: shape === 'link' ? 'link' : 'call', shape, ...blank };
  }
  const wait = to.span.startTimeUnixNano - endOf(from.span);
  return {
    from,
    to,
    kind: 'message',
    shape,
    waitNano: wait > 0n ? wait : 0n,
    // The producer's span may end a little after its record was already read: that is no skew.
    clockSkew:
      to.span.attributes[SPOOR_CLOCK_SKEW] === true ||
      to.span.startTimeUnixNano < from.span.startTimeUnixNano - CLOCK_SLACK_NANO,
    topic: topicOf(to.span) || topicOf(from.span),
    partition: partitionOf(from.span) || partitionOf(to.span),
    offset: offsetOf(from.span) || offsetOf(to.span),
    consumerGroup: groupOf(to.span),
  };
}

function isSettled(nodes: readonly FlowNode[], waitingFor: readonly Waiting[]): boolean {
  return waitingFor.length === 0 && !nodes.some(({ span }) => isOpen(span));
}

function findWaiting(nodes: readonly FlowNode[], known: GroupsByTopic): Waiting[] {
  const groupsByTopic = new Map<string, Set<string>>();
  for (const [topic, groups] of known) groupsByTopic.set(topic, new Set(groups));
  for (const { span } of nodes) {
    if (span.kind !== SPAN_KIND.consumer) continue;
    const topic = topicOf(span);
    const groups = groupsByTopic.get(topic) ?? new Set();
    groupsByTopic.set(topic, groups.add(groupOf(span)));
  }
  const received = new Set<string>();
  for (const { span, cause } of nodes)
    if (span.kind === SPAN_KIND.consumer && cause)
      received.add(`${keyOf(cause.span.traceId, cause.span.spanId)} ${groupOf(span)}`);
  const waiting: Waiting[] = [];
  for (const producer of nodes) {
    const { span } = producer;
    if (span.kind !== SPAN_KIND.producer || span.status.code === 2) continue;
    const topic = topicOf(span);
    for (const consumerGroup of groupsByTopic.get(topic) ?? [])
      if (!received.has(`${keyOf(span.traceId, span.spanId)} ${consumerGroup}`))
        waiting.push({ producer, topic, consumerGroup, sinceUnixNano: endOf(span) });
  }
  return waiting.sort((a, b) => compareByStart(a.producer.span, b.producer.span));
}

/** A span that its agent has closed is as final as any; one without an end is still going on. */
function isOpen(span: SpanData): boolean {
  return span.endTimeUnixNano === 0n && !isUnfinished(span);
}
