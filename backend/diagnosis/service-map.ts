import { SPAN_KIND } from '../../function/span/span-data.ts';
import type { Flow, FlowNode } from './flow.ts';
import {
  durationOf,
  endOf,
  functionOf,
  groupOf,
  invokedOf,
  isError,
  isFunctionSpan,
  isInvoke,
  peerOf,
  serviceOf,
  topicOf,
} from './span-facts.ts';

/** Who calls whom, and over which topic: the same for messages recorded as children and as links. */
export interface ServiceMap {
  readonly nodes: readonly MapNode[];
  readonly edges: readonly MapEdge[];
}

export interface Place {
  readonly kind: 'function' | 'service' | 'topic';
  readonly name: string;
}

export interface MapNode extends Place {
  readonly id: string;
  readonly calls: number;
  readonly errors: number;
  readonly durationsNano: readonly bigint[];
}

export interface MapEdge {
  readonly from: string;
  readonly to: string;
  readonly kind: 'call' | 'send' | 'receive';
  readonly calls: number;
  readonly errors: number;
  readonly durationsNano: readonly bigint[];
  readonly lagsNano: readonly bigint[];
  readonly consumerGroup: string;
}

/**
 * Router, executor and triggers are the road between places and not places themselves: a request that greeter sends over the router
 * to validator is an edge from greeter to validator. Where a trace begins at the router, the router is where it comes from.
 *
 *     service:router ─call→ function:greeter ─call→ function:validator
 *                           function:greeter ─send→ topic:greetings ─receive→ function:image
 */
export function serviceMap(flow: Flow): ServiceMap {
  const nodes = new Map<string, MutableNode>();
  const edges = new Map<string, MutableEdge>();
  const place = (of: Place): MutableNode => {
    const id = idOf(of);
    let node = nodes.get(id);
    if (!node) nodes.set(id, (node = { id, ...of, calls: 0, errors: 0, durationsNano: [] }));
    return node;
  };
  const connect = (
    from: Place,
    to: Place,
    kind: MapEdge['kind'],
    node: FlowNode,
    consumerGroup = '',
  ): MutableEdge => {
    const [a, b] = [place(from), place(to)];
    const key = `${a.id}\0${b.id}\0${kind}\0${consumerGroup}`;
    let edge = edges.get(key);
    if (!edge)
      edges.set(
        key,
        (edge = {
          from: a.id,
          to: b.id,
          kind,
          calls: 0,
          errors: 0,
          durationsNano: [],
          lagsNano: [],
          consumerGroup,
        }),
      );
    count(edge, node);
    return edge;
  };

  const batches = new Set(
    flow.edges.filter(({ to }) => to.span.kind === SPAN_KIND.consumer).map(({ from }) => from),
  );

  for (const node of flow.nodes) {
    const { span } = node;
    if (span.kind === SPAN_KIND.producer) {
      const topic: Place = { kind: 'topic', name: topicOf(span) || span.name };
      count(place(topic), node);
      connect(actorOf(node), topic, 'send', node);
    } else if (span.kind === SPAN_KIND.consumer) {
      const topic: Place = { kind: 'topic', name: topicOf(span) || span.name };
      // A batch is not received beside its records.
      if (batches.has(node)) continue;
      const edge = connect(topic, receiverOf(node), 'receive', node, groupOf(span));
      if (node.cause) edge.lagsNano.push(lagOf(node.cause, node));
    } else if (isPlace(node)) {
      count(place(placeOf(node)), node);
      const from = callerOf(node);
      if (from) connect(from, placeOf(node), 'call', node);
    } else if (
      span.kind === SPAN_KIND.client &&
      !isInvoke(span) &&
      !node.effects.some((effect) => effect.span.kind === SPAN_KIND.server)
    ) {
      const peer: Place = { kind: 'service', name: peerOf(span) || span.name };
      count(place(peer), node);
      connect(actorOf(node), peer, 'call', node);
    }
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

export function idOf({ kind, name }: Place): string {
  return `${kind}:${name}`;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };
type MutableNode = Mutable<MapNode>;
type MutableEdge = Mutable<MapEdge>;

function count(of: { calls: number; errors: number; durationsNano: bigint[] }, { span }: FlowNode): void {
  of.calls += 1;
  if (isError(span)) of.errors += 1;
  of.durationsNano.push(durationOf(span));
}

/** Work is done here: a function, or a service that does not only hand a request on. */
function isPlace(node: FlowNode): boolean {
  const { span } = node;
  if (isFunctionSpan(span)) return true;
  return span.kind === SPAN_KIND.server && !isRoad(node);
}

function isRoad(node: FlowNode): boolean {
  return node.effects.some((effect) => isInvoke(effect.span)) || node.shared.length > 0;
}

function placeOf({ span }: FlowNode): Place {
  const name = functionOf(span);
  return name === '' ? { kind: 'service', name: serviceOf(span) } : { kind: 'function', name };
}

/** Who did this: the place it happened in, else the service at whose door it begins. */
function actorOf(node: FlowNode): Place {
  for (let at: FlowNode | undefined = node; at; at = at.cause) {
    if (functionOf(at.span) !== '') return placeOf(at);
    if (isPlace(at)) return placeOf(at);
    // What a trigger sends on (the answer, the error) is the function's doing.
    if (at.span.kind === SPAN_KIND.consumer) return receiverOf(at);
  }
  return { kind: 'service', name: serviceOf(node.span) };
}

/** Who called this place; undefined when it came over a topic, which has an edge of its own. */
function callerOf(node: FlowNode): Place | undefined {
  let last = node;
  for (let at = node.cause; at; at = at.cause) {
    if (at.span.kind === SPAN_KIND.consumer || at.span.kind === SPAN_KIND.producer) return undefined;
    if (functionOf(at.span) !== '' || isPlace(at)) return placeOf(at);
    last = at;
  }
  return last === node ? undefined : { kind: 'service', name: serviceOf(last.span) };
}

function receiverOf(node: FlowNode): Place {
  const invoke = [...node.effects, ...node.shared].find((effect) => isInvoke(effect.span));
  const name = invoke ? invokedOf(invoke.span) : functionOf(node.span);
  if (name !== '') return { kind: 'function', name };
  const ran = node.effects.find((effect) => isFunctionSpan(effect.span));
  return ran ? placeOf(ran) : { kind: 'service', name: serviceOf(node.span) };
}

function lagOf(cause: FlowNode, node: FlowNode): bigint {
  const lag = node.span.startTimeUnixNano - endOf(cause.span);
  return lag > 0n ? lag : 0n;
}
