import type { FunctionJson, OutlierJson } from '../../../backend/query/shapes.ts';
import { formatDuration } from '../text/duration.ts';
import { formatCount, formatPercent } from '../text/number.ts';
import { formatClock } from '../text/time.ts';
import type { Trouble } from './trouble.ts';

export interface SaidTrouble {
  /** "12 % timeouts since 14:02, v7" */
  readonly headline: string;
  /** What that was counted of: "40 of 333 calls". */
  readonly counted: string;
}

/** From this share on a value is said of all of them. */
const ALL = 0.995;
/** A value that fewer of them have says little in one line. */
const LEAST_SHARE = 0.5;

/**
 * What is wrong, since when and where, in a line. How many and since when is counted of every call; as what they failed only when all
 * failures that were looked at did so alike; where only when the backend found that the value sets them apart (`outliers`).
 */
export function sayTrouble(trouble: Trouble, detail: Details | undefined): SaidTrouble {
  const since = sayTime(trouble);
  const share = formatPercent(trouble.size);
  switch (trouble.kind) {
    case 'errors':
      return {
        headline: `${share} ${sayFailure(detail)}${since}${sayWhere(detail, 'failed')}`,
        counted: `${formatCount(trouble.errors)} of ${formatCount(trouble.calls)} calls`,
      };
    case 'slow': {
      const times = trouble.size.toFixed(trouble.size < 10 ? 1 : 0);
      return {
        headline: `${times} times slower${since}${sayWhere(detail, 'slow')}`,
        counted: `p99 ${formatDuration(trouble.p99Nano)}, usually ${formatDuration(trouble.p99Nano / trouble.size)}`,
      };
    }
    case 'cold':
      return { headline: `${share} started cold`, counted: `of ${formatCount(trouble.calls)} calls` };
  }
}

export type Details = Pick<FunctionJson, 'errors' | 'outliers'>;

function sayFailure(detail: Details | undefined): string {
  const [first, ...others] = detail?.errors ?? [];
  if (!first || others.length > 0) return 'failed';
  const { type } = first;
  const word = WORDS[type];
  if (word !== undefined) return word;
  if (/^SIG[A-Z\d]+$/.test(type)) return `killed by ${type}`;
  if (/^\d{3}$/.test(type)) return `answered ${type}`;
  return type === '' || type === 'error' ? 'failed' : `failed with ${cut(type)}`;
}

/** `error.type` of spans that never ended is why (function/agent/span-ending.ts). */
const WORDS: Readonly<Record<string, string>> = {
  timeout: 'timeouts',
  oom: 'out of memory',
  exit: 'exited',
  shutdown: 'shut down',
  lost: 'lost',
};

function sayWhere(detail: Details | undefined, of: OutlierJson['of']): string {
  const found = detail?.outliers.find((outlier) => outlier.of === of);
  if (!found || found.badShare < LEAST_SHARE) return '';
  const value = found.key === 'faas.version' ? sayVersion(found.value) : `${found.key} ${cut(found.value)}`;
  return found.badShare >= ALL ? `, ${value}` : `, ${formatPercent(found.badShare)} of them ${value}`;
}

/** A number is `v7`; anything else needs the word to be one. */
function sayVersion(version: string): string {
  return /^\d/.test(version) ? `v${cut(version)}` : `version ${cut(version)}`;
}

function sayTime({ sinceMs, isFromEdge, untilMs }: Trouble): string {
  const clock = (ms: number) => formatClock(ms).slice(0, 5);
  const until = untilMs === undefined ? '' : `, until ${clock(untilMs)}`;
  if (sinceMs === undefined) return until;
  // It may have begun before what is looked at.
  return isFromEdge ? ` since ${clock(sinceMs)} or before${until}` : ` since ${clock(sinceMs)}${until}`;
}

const MOST_CHARACTERS = 40;

function cut(text: string): string {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}
