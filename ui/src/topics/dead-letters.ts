import type { PlatformJson } from '../../../backend/query/shapes.ts';

/** What lies on an error topic, and where it came from. */
export interface DeadLetters {
  /** Topics whose trigger gives up to this one: where a redrive would send. */
  readonly from: readonly string[];
  /** Records that no redrive has sent back yet. */
  readonly count: number;
}

/** Whose position says what was sent back already (platform/queue/redrive.ts). */
export const REDRIVE_GROUP = 'spoor-redrive';

/** `undefined` when no trigger gives up to this topic. */
export function deadLettersOf(platform: PlatformJson, topic: string): DeadLetters | undefined {
  const from = platform.triggers
    .filter((trigger) => trigger.kind === 'queue' && trigger.errorTopic === topic)
    .map((trigger) => (trigger.kind === 'queue' ? trigger.topic : ''));
  if (from.length === 0) return undefined;
  const found = platform.topics.find(({ name }) => name === topic);
  const redriven = found?.groups.find(({ consumerGroup }) => consumerGroup === REDRIVE_GROUP);
  const kept = (found?.partitions ?? []).reduce(
    (sum, { startOffset, endOffset }) => sum + Number(BigInt(endOffset) - BigInt(startOffset)),
    0,
  );
  return { from: [...new Set(from)].sort(), count: redriven ? Number(redriven.lag) : kept };
}
