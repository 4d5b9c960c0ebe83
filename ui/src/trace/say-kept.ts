import type { SamplingJson } from '../../../backend/query/shapes.ts';
import { formatCount } from '../text/number.ts';

/** Why a trace is still there, by the policy that kept it (docs/store.md, Tail sampling). */
export function sayKept({ policy, adjustedCount }: Pick<SamplingJson, 'policy' | 'adjustedCount'>): string {
  const reason = REASONS[policy];
  if (reason !== undefined) return reason;
  const count = adjustedCount < 10 ? Math.round(adjustedCount * 10) / 10 : Math.round(adjustedCount);
  return count > 1 ? `kept as 1 of ${formatCount(count)} like it` : 'kept';
}

const REASONS: Readonly<Record<string, string>> = {
  status_code: 'kept for its error',
  latency: 'kept as slow',
  rare: 'kept as rare',
  too_large: 'kept: too large to decide',
};
