import type { MessageJson, PlatformJson, RedJson, RedPointJson } from '../../../backend/query/shapes.ts';
import { type Grid, gridOf } from '../chart/grid.ts';
import { deadLettersOf, REDRIVE_GROUP } from './dead-letters.ts';

/** One topic: how much is sent to it, from every span; how its records fare, from the newest ones. */
export interface TopicRow {
  readonly topic: string;
  readonly sent: number;
  readonly ratePerSecond: number;
  readonly grid: Grid<RedPointJson> | undefined;
  readonly groups: readonly string[];
  readonly sampled: number;
  /** Records that its readers have not got to: the platform's own count, else those of the newest ones that nobody took. */
  readonly lag: number;
  /** Records that were given up to it and not sent back. */
  readonly deadLetters: number;
  readonly failed: number;
  /** ns; the middle and the 99th percentile of the sampled deliveries; `undefined` without any. */
  readonly waitP50: number | undefined;
  readonly waitP99: number | undefined;
}

const SEND = 'send ';

export function topicRows(
  messages: readonly MessageJson[],
  red: RedJson | undefined,
  platform?: PlatformJson,
): TopicRow[] {
  const seconds = red ? Math.max(1, Number(BigInt(red.endUnixNano) - BigInt(red.startUnixNano)) / 1e9) : 1;
  const byTopic = Map.groupBy(messages, ({ topic }) => topic);
  const points = new Map<string, RedPointJson[]>();
  for (const series of red?.series ?? []) {
    if (!series.operation.startsWith(SEND)) continue;
    const topic = series.operation.slice(SEND.length);
    // Several services may send to one topic.
    points.set(topic, [...(points.get(topic) ?? []), ...series.points]);
  }
  const held = (platform?.topics ?? []).map(({ name }) => name);
  return [...new Set([...points.keys(), ...byTopic.keys(), ...held])].sort().map((topic): TopicRow => {
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
      lag: lagOf(platform, topic) ?? of.filter(({ state }) => state === 'waiting').length,
      deadLetters: (platform && deadLettersOf(platform, topic)?.count) ?? 0,
      failed: of.filter(({ state }) => state === 'failed').length,
      waitP50: waits[Math.floor(waits.length / 2)],
      waitP99: waits[Math.floor(waits.length * 0.99)],
    };
  });
}

function lagOf(platform: PlatformJson | undefined, topic: string): number | undefined {
  return platform?.topics
    .find(({ name }) => name === topic)
    ?.groups.filter(({ consumerGroup }) => consumerGroup !== REDRIVE_GROUP)
    .reduce((sum, { lag }) => sum + Number(lag), 0);
}

function mergePoints(points: readonly RedPointJson[]): RedPointJson[] {
  return [...Map.groupBy(points, ({ timeUnixNano }) => timeUnixNano).values()].map((same) => ({
    ...(same[0] as RedPointJson),
    calls: same.reduce((sum, { calls }) => sum + calls, 0),
    errors: same.reduce((sum, { errors }) => sum + errors, 0),
  }));
}
