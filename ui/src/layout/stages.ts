import type { AccountStageJson, StageJson } from '../../../backend/query/shapes.ts';
import type { Span } from '../model/trace.ts';
import { textOf } from '../text/value.ts';

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

const SERVER = 2;
const CLIENT = 3;
const PRODUCER = 4;
const CONSUMER = 5;

/**
 * The stage that a span's own time mostly is, by its kind alone, for drawing it. What each moment of the critical path went into is
 * more exact, and the time account's: a router's span is the road there, and the road back.
 */
export function stageOfSpan(span: Span): StageJson {
  if (span.marks.isPhase && Object.hasOwn(COLORS, span.name)) return span.name as StageJson;
  const isFunction = textOf(span.resource, 'faas.name') !== undefined;
  switch (span.kind) {
    case SERVER:
      return isFunction || !isPlatform(span) ? 'handler' : 'transfer';
    case CLIENT:
      return textOf(span.source.attributes, 'faas.invoked_name') === undefined
        ? 'downstream call'
        : 'transfer';
    case PRODUCER:
      return 'downstream call';
    case CONSUMER:
      return isFunction || !isPlatform(span) ? 'handler' : 'transfer';
    default:
      return isPlatform(span) ? 'transfer' : 'handler';
  }
}

function isPlatform({ service }: Span): boolean {
  return service === 'router' || service === 'executor' || service === 'trigger';
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
