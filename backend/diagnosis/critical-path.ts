import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { type FlowNode } from './flow.ts';
import { compareBigInt, endOf } from './span-facts.ts';

/** `caller`: what whoever sent the request waited for. `end-to-end`: until the last thing that it caused has ended. */
export type Reading = 'caller' | 'end-to-end';

export interface CriticalPath {
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  /** In order of time, without gap or overlap: together they are the whole of start to end. */
  readonly segments: readonly PathSegment[];
}

/** A stretch of time in which `node` was what everything waited for: in itself, or (after its own end) for what it caused. */
export interface PathSegment {
  /** undefined: time between roots, which belongs to no span. */
  readonly node: FlowNode | undefined;
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  /** The effect of `node` on the path just before and just after; undefined at its edges. */
  readonly before: FlowNode | undefined;
  readonly after: FlowNode | undefined;
}

/**
 * Walks back from the end: at each moment the effect that ended last is what its cause waited for.
 *
 *     greeter  |---------------|               caller: greeter, GET, greeter
 *     ├ GET      |-----|
 *     └ send            |--|                   end to end: greeter, GET, greeter, send, (queue), process
 *       └ process                |-------|
 *
 * An effect that overlaps the one after it counts up to where that one began, so that work done at the same time is counted once.
 * `caller` leaves out what a message caused, and cuts what outlived its cause. Effects that a wrong clock puts before their cause
 * are cut at its start. Of two that end at the same moment the longer is taken; a span without length has no part.
 */
export function criticalPath(roots: readonly FlowNode[], reading: Reading): CriticalPath {
  const [first] = roots;
  if (!first) return { startUnixNano: 0n, endUnixNano: 0n, segments: [] };
  const ends = endsOf(roots, reading);
  const start = roots.reduce(
    (least, { span }) => (span.startTimeUnixNano < least ? span.startTimeUnixNano : least),
    first.span.startTimeUnixNano,
  );
  const end = roots.reduce((most, root) => max(most, ends.get(root) ?? 0n), start);

  const segments: PathSegment[] = [];
  const work: Work[] = [{ node: undefined, from: start, to: end, effects: roots }];
  for (let next = work.pop(); next; next = work.pop()) walk(next, ends, reading, segments, work);
  segments.sort((a, b) => compareBigInt(a.startUnixNano, b.startUnixNano));
  return { startUnixNano: start, endUnixNano: end, segments };
}

interface Work {
  readonly node: FlowNode | undefined;
  readonly from: bigint;
  readonly to: bigint;
  readonly effects: readonly FlowNode[];
}

function walk(
  { node, from, to, effects }: Work,
  ends: ReadonlyMap<FlowNode, bigint>,
  reading: Reading,
  segments: PathSegment[],
  work: Work[],
): void {
  const candidates = effects
    .map((effect) => ({
      effect,
      start: max(effect.span.startTimeUnixNano, from),
      end: ends.get(effect) ?? endOf(effect.span),
    }))
    .filter(({ start, end }) => start < to && end > start)
    .sort(
      (a, b) =>
        compareBigInt(b.end, a.end) ||
        compareBigInt(a.start, b.start) ||
        compareIds(a.effect.span, b.effect.span),
    );
  let cursor = to;
  let after: FlowNode | undefined;
  for (const { effect, start, end } of candidates) {
    if (start >= cursor) continue;
    const until = end < cursor ? end : cursor;
    if (until < cursor)
      addSelf(segments, { node, startUnixNano: until, endUnixNano: cursor, before: effect, after });
    work.push({ node: effect, from: start, to: until, effects: effectsOf(effect, reading) });
    cursor = start;
    after = effect;
    if (cursor <= from) break;
  }
  if (cursor > from)
    addSelf(segments, { node, startUnixNano: from, endUnixNano: cursor, before: undefined, after });
}

/** What lies past the node's own end is waiting, not work: two segments. */
function addSelf(segments: PathSegment[], segment: PathSegment): void {
  const own = segment.node ? endOf(segment.node.span) : 0n;
  if (segment.node && own > segment.startUnixNano && own < segment.endUnixNano) {
    segments.push(
      { ...segment, endUnixNano: own, after: undefined },
      { ...segment, startUnixNano: own, before: undefined },
    );
  } else segments.push(segment);
}

function effectsOf(node: FlowNode, reading: Reading): readonly FlowNode[] {
  const all = node.shared.length > 0 ? [...node.effects, ...node.shared] : node.effects;
  return reading === 'caller' ? all.filter((effect) => !isAsync(node, effect)) : all;
}

/** Nobody who called the cause waits for it. */
function isAsync(cause: FlowNode, effect: FlowNode): boolean {
  return (
    effect.span.kind === SPAN_KIND.consumer ||
    cause.span.kind === SPAN_KIND.producer ||
    (effect.span.parentSpanId !== cause.span.spanId && !cause.shared.includes(effect))
  );
}

/** When each node is over: its own end, or end to end that of the last thing it caused. */
function endsOf(roots: readonly FlowNode[], reading: Reading): Map<FlowNode, bigint> {
  const order: FlowNode[] = [...roots];
  for (let i = 0; i < order.length; i += 1) order.push(...(order[i] as FlowNode).effects);
  const ends = new Map<FlowNode, bigint>();
  for (let i = order.length - 1; i >= 0; i -= 1) {
    const node = order[i] as FlowNode;
    let end = endOf(node.span);
    if (reading === 'end-to-end') for (const effect of node.effects) end = max(end, ends.get(effect) ?? 0n);
    ends.set(node, end);
  }
  // What a batch shares may hang below another root: it ends with its own.
  for (const node of order)
    for (const effect of node.shared) if (!ends.has(effect)) ends.set(effect, endOf(effect.span));
  return ends;
}

function compareIds(a: SpanData, b: SpanData): number {
  return a.spanId < b.spanId ? -1 : a.spanId > b.spanId ? 1 : 0;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
