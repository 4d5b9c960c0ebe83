import type { PlatformJson, TopicGroupJson, TopicsJson } from '../../../backend/query/shapes.ts';
import { gridOf } from '../chart/grid.ts';
import { formatDuration } from '../text/duration.ts';
import { formatCount } from '../text/number.ts';
import { formatClock } from '../text/time.ts';
import { deadLettersOf, REDRIVE_GROUP } from '../topics/dead-letters.ts';
import { lagOf } from './lag.ts';

/** Something about records that a person should look at: they wait, or were given up. */
export interface TopicTrouble {
  readonly topic: string;
  readonly kind: 'not taken' | 'late' | 'dead letters';
  /** Who reads it; '' of dead letters. */
  readonly group: string;
  /** "23 records wait for default/image, none taken since 14:02" */
  readonly headline: string;
}

/** Longer than this many times its usual, and long enough to matter. */
const LATER_TIMES = 3;
const LEAST_WAIT_NANO = 1e9;
const LEAST_STEPS_BEFORE = 3;
/** A group that took nothing for so long, though there is something, has stopped. */
const STOPPED_MS = 120_000;

/** Records that nobody takes, that wait far longer than they did, and those that were given up: in this order. */
export function findTopicTrouble(
  topics: TopicsJson | undefined,
  platform: PlatformJson | null | undefined,
  nowMs: number,
): readonly TopicTrouble[] {
  const groups = (topics?.topics ?? []).flatMap(({ topic, groups }) =>
    groups.map((group) => ({ topic, group })),
  );
  const known = new Set(groups.map(({ topic, group }) => `${topic} ${group.consumerGroup}`));
  const stopped = groups.flatMap(({ topic, group }) => {
    const lag = lagOf(platform, topic, group.consumerGroup) ?? 0;
    const last = topics && lastTakenMs(topics, group);
    if (lag === 0 || (last !== undefined && nowMs - last < STOPPED_MS)) return [];
    return [notTaken(topic, group.consumerGroup, lag, last)];
  });
  // A group that took nothing at all in this time has no statistics.
  const silent = (platform?.topics ?? []).flatMap(({ name, groups }) =>
    groups.flatMap(({ consumerGroup, lag }) =>
      Number(lag) === 0 || consumerGroup === REDRIVE_GROUP || known.has(`${name} ${consumerGroup}`)
        ? []
        : [notTaken(name, consumerGroup, Number(lag), undefined)],
    ),
  );
  const late = groups.flatMap(({ topic, group }) => (topics ? lateOf(topics, topic, group) : []));
  const dead = (platform?.topics ?? []).flatMap(({ name }): readonly TopicTrouble[] => {
    const letters = platform ? deadLettersOf(platform, name) : undefined;
    if (!letters || letters.count === 0) return [];
    const what = letters.count === 1 ? 'dead letter waits' : 'dead letters wait';
    return [
      {
        topic: name,
        group: '',
        kind: 'dead letters',
        headline: `${formatCount(letters.count)} ${what} to be sent back`,
      },
    ];
  });
  return [...stopped, ...silent, ...late, ...dead];
}

function notTaken(topic: string, group: string, lag: number, lastMs: number | undefined): TopicTrouble {
  const what = lag === 1 ? 'record waits' : 'records wait';
  const since = lastMs === undefined ? 'none taken in this time' : `none taken since ${clock(lastMs)}`;
  return { topic, group, kind: 'not taken', headline: `${formatCount(lag)} ${what} for ${group}, ${since}` };
}

/** The end of the newest step in which the group received something. */
function lastTakenMs(topics: TopicsJson, group: TopicGroupJson): number | undefined {
  const { points, startMs, stepMs } = gridOf(topics, group.points);
  const at = points.findLastIndex((point) => (point?.received ?? 0) > 0);
  return at < 0 ? undefined : startMs + (at + 1) * stepMs;
}

/** The newest step in which something was received against the middle of those before it. */
function lateOf(topics: TopicsJson, topic: string, group: TopicGroupJson): readonly TopicTrouble[] {
  const grid = gridOf(topics, group.points);
  const waits = grid.points.flatMap((point, at) => (point ? [{ at, nano: Number(point.waitP99Nano) }] : []));
  const newest = waits.at(-1);
  const before = waits.slice(0, -1).map(({ nano }) => nano);
  if (!newest || before.length < LEAST_STEPS_BEFORE) return [];
  const usual = before.toSorted((a, b) => a - b)[Math.floor(before.length / 2)] ?? 0;
  if (newest.nano < LEAST_WAIT_NANO || newest.nano < usual * LATER_TIMES) return [];
  const since = waits[waits.findLastIndex(({ nano }) => nano < usual * LATER_TIMES) + 1]?.at ?? newest.at;
  const said = `records wait ${formatDuration(newest.nano)} for ${group.consumerGroup} since ${clock(grid.startMs + since * grid.stepMs)}`;
  return [
    {
      topic,
      group: group.consumerGroup,
      kind: 'late',
      headline: `${said}, usually ${formatDuration(usual)}`,
    },
  ];
}

function clock(ms: number): string {
  return formatClock(ms).slice(0, 5);
}
