import type { TailSampling } from './policies.ts';

/** Decides soon, keeps some, and nothing for being rare: a flow's fate can be told from its ids and its errors. */
export const KILLED_SAMPLING: TailSampling = {
  samplingPercentage: 30,
  latencyThresholdMs: 60_000,
  rareFlowsPerHour: 0,
  decisionWaitMs: 400,
};
