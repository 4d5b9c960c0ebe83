import type { PlatformJson, TopicGroupJson, TopicsJson } from '../../../backend/query/shapes.ts';
import { gridOf } from '../chart/grid.ts';

/** What records waited before a function got them. */
export interface FunctionLag {
  /** ns by step; `undefined` where none was received. */
  readonly waits: readonly (number | undefined)[];
  readonly waitP99Nano: number;
  /** Records that wait now. */
  readonly waiting: number;
}

/** p99 of the wait in each step of the window, ns. */
export function waitsOf(topics: TopicsJson, group: TopicGroupJson): readonly (number | undefined)[] {
  return gridOf(topics, group.points).points.map((point) => point && Number(point.waitP99Nano));
}

/** Records that a group has not got to yet; `undefined` when the platform does not say. */
export function lagOf(
  platform: PlatformJson | null | undefined,
  topic: string,
  consumerGroup: string,
): number | undefined {
  const group = platform?.topics
    .find(({ name }) => name === topic)
    ?.groups.find((each) => each.consumerGroup === consumerGroup);
  return group && Number(group.lag);
}

/** A function has the groups of its triggers; of several, the longest wait counts. */
export function lagsByFunction(
  topics: TopicsJson | undefined,
  platform: PlatformJson | null | undefined,
): ReadonlyMap<string, FunctionLag> {
  const lags = new Map<string, FunctionLag>();
  if (!topics || !platform) return lags;
  for (const trigger of platform.triggers) {
    if (trigger.kind !== 'queue') continue;
    const group = topics.topics
      .find(({ topic }) => topic === trigger.topic)
      ?.groups.find(({ consumerGroup }) => consumerGroup === trigger.consumerGroup);
    if (!group) continue;
    const waits = waitsOf(topics, group);
    for (const name of trigger.functions) {
      const before = lags.get(name);
      lags.set(name, {
        waits: before ? waits.map((wait, i) => longest(wait, before.waits[i])) : waits,
        waitP99Nano: Math.max(before?.waitP99Nano ?? 0, Number(group.waitP99Nano)),
        waiting: (before?.waiting ?? 0) + (lagOf(platform, trigger.topic, trigger.consumerGroup) ?? 0),
      });
    }
  }
  return lags;
}

function longest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.max(a, b);
}
