import type { MessageJson, RedJson, RedPointJson } from '../../../backend/query/shapes.ts';
import { type Grid, gridOf } from '../chart/grid.ts';

/** One topic: how much is sent to it, from every span; how its records fare, from the newest ones. */
export interface TopicRow {
  readonly topic: string;
  readonly sent: number;
  readonly ratePerSecond: number;
  readonly grid: Grid<RedPointJson> | undefined;
  readonly groups: readonly string[];
  readonly sampled: number;
  readonly waiting: number;
  readonly failed: number;
  /** ns; the middle and the 99th percentile of the sampled deliveries; `undefined` without any. */
  readonly waitP50: number | undefined;
  readonly waitP99: number | undefined;
}

const SEND = 'send ';

export function topicRows(messages: readonly MessageJson[], red: RedJson | undefined): TopicRow[] {
  const seconds = red ? Math.max(1, Number(BigInt(red.endUnixNano) - BigInt(red.startUnixNano)) / 1e9) : 1;
  const byTopic = Map.groupBy(messages, ({ topic }) => topic);
  const points = new Map<string, RedPointJson[]>();
  for (const series of red?.series ?? []) {
    if (!series.operation.startsWith(SEND)) continue;
    const topic = series.operation.slice(SEND.length);
    // Several services may send to one topic.
    points.set(topic, [...(points.get(topic) ?? []), ...series.points]);
  }
  return [...new Set([...points.keys(), ...byTopic.keys()])].sort().map((topic): TopicRow => {
    const of = byTopic.get(topic) ?? [];
    const sum = mergePoints(points.get(topic) ?? []);
    const sent = sum.reduce((total, { calls }) => total + calls, 0) || of.length;
    const waits = of
      .flatMap(({ deliveries }) => deliveries.map(({ waitNano }) => Number(waitNano)))
      .sort((a, b) => a - b);
    return {
      topic,
      sent,
      ratePerSecond: sent / seconds,
      grid: red && gridOf(red, sum),
      groups: [
        ...new Set(of.flatMap(({ deliveries }) => deliveries.map(({ consumerGroup }) => consumerGroup))),
      ].sort(),
      sampled: of.length,
      waiting: of.filter(({ state }) => state === 'waiting').length,
      failed: of.filter(({ state }) => state === 'failed').length,
      waitP50: waits[Math.floor(waits.length / 2)],
      waitP99: waits[Math.floor(waits.length * 0.99)],
    };
  });
}

function mergePoints(points: readonly RedPointJson[]): RedPointJson[] {
  return [...Map.groupBy(points, ({ timeUnixNano }) => timeUnixNano).values()].map((same) => ({
    ...(same[0] as RedPointJson),
    calls: same.reduce((sum, { calls }) => sum + calls, 0),
    errors: same.reduce((sum, { errors }) => sum + errors, 0),
  }));
}
