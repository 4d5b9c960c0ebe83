import { CALL_TOPIC, type CallEdge } from './call-join.ts';
import type { Calls } from './calls.ts';
import { checkRange, MAX_TIME_UNIX_NANO } from './sql-literal.ts';
import type { DependencyEdge, TimeRange } from './store.ts';

/**
 * Calls between services in the whole minutes of the range, by parent and by link alike: what causes a span is its parent or the
 * spans it links to, and a consumer that has both to one producer is one call. With topics, what a record carried goes by way of its
 * topic, and is no call from producer to consumer.
 */
export async function readDependencies(
  calls: Calls,
  range: TimeRange,
  topics: boolean,
): Promise<readonly DependencyEdge[]> {
  checkRange(range);
  const edges = await calls.between({
    first: minuteOf(range.startUnixNano),
    last: minuteOf(range.endUnixNano),
  });
  const between = edges
    .filter(({ topic }) => topic === CALL_TOPIC.none)
    .map(({ parent, child, calls: all, direct }) => ({ parent, child, callCount: topics ? direct : all }))
    .filter(({ callCount }) => callCount > 0)
    .sort((a, b) => b.callCount - a.callCount || compare(a.parent, b.parent) || compare(a.child, b.child));
  return topics ? [...between, ...overTopics(edges)] : between;
}

function overTopics(edges: readonly CallEdge[]): readonly DependencyEdge[] {
  const named = edges.flatMap(({ parent, child, topic, calls }) => {
    if (topic === CALL_TOPIC.none) return [];
    const isChild = topic === CALL_TOPIC.child;
    const edge: DependencyEdge = { parent, child, callCount: calls, topic: isChild ? 'child' : 'parent' };
    return [{ edge, topic: isChild ? child : parent, side: topic, service: isChild ? parent : child }];
  });
  return named
    .sort((a, b) => compare(a.topic, b.topic) || a.side - b.side || compare(a.service, b.service))
    .map(({ edge }) => edge);
}

function minuteOf(unixNano: bigint): number {
  const held = unixNano < 0n ? 0n : unixNano > MAX_TIME_UNIX_NANO ? MAX_TIME_UNIX_NANO : unixNano;
  return Number(held / 60_000_000_000n);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
