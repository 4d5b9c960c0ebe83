/** What a link to records may carry. */
export interface TopicsSearch {
  readonly topic?: string;
  readonly partition?: string;
  readonly offset?: string;
  readonly key?: string;
  /** consumed | waiting | failed */
  readonly state?: string;
  /** Record that is looked into: `topic/partition/offset`. */
  readonly open?: string;
  readonly last?: string;
}

export const TOPICS_SEARCH = ['topic', 'partition', 'offset', 'key', 'state', 'open', 'last'] as const;

/** A topic's own name has no slash in it. */
export function readPlace(
  open: string | undefined,
): { readonly topic: string; readonly partition: string; readonly offset: string } | undefined {
  const [, topic, partition, offset] = /^([^/]+)\/(\d+)\/(\d+)$/.exec(open ?? '') ?? [];
  return topic !== undefined && partition !== undefined && offset !== undefined
    ? { topic, partition, offset }
    : undefined;
}
