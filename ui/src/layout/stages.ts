import type { AccountStageJson, StageJson } from '../../../backend/query/shapes.ts';

/** Waiting is grey, cold starts are blues, what a function does is the accent, trouble is warm. */
const COLORS: Readonly<Record<StageJson, string>> = {
  'queue wait': 'var(--stage-queue)',
  throttle: 'var(--stage-throttle)',
  'wait for capacity': 'var(--stage-capacity)',
  'start instance': 'var(--stage-start)',
  'fetch package': 'var(--stage-fetch)',
  'load function': 'var(--stage-load)',
  transfer: 'var(--stage-transfer)',
  handler: 'var(--stage-handler)',
  'downstream call': 'var(--stage-downstream)',
  response: 'var(--stage-response)',
  'retry back-off': 'var(--stage-backoff)',
  unknown: 'var(--stage-unknown)',
};

export function stageColor(stage: string): string {
  return Object.hasOwn(COLORS, stage) ? COLORS[stage as StageJson] : COLORS.unknown;
}

/** The largest first; what is too small to be seen joined as one. */
export function foldStages(
  stages: readonly AccountStageJson[],
  most: number,
): { readonly shown: readonly AccountStageJson[]; readonly restNano: number; readonly restShare: number } {
  const shown = stages.slice(0, most);
  const rest = stages.slice(most);
  return {
    shown,
    restNano: rest.reduce((sum, { nano }) => sum + Number(nano), 0),
    restShare: rest.reduce((sum, { share }) => sum + share, 0),
  };
}
