/** What a link to records may carry. */
export interface TopicsSearch {
  readonly topic?: string;
  readonly partition?: string;
  readonly offset?: string;
  readonly key?: string;
  /** consumed | waiting | failed */
  readonly state?: string;
  readonly last?: string;
}

export const TOPICS_SEARCH = ['topic', 'partition', 'offset', 'key', 'state', 'last'] as const;
