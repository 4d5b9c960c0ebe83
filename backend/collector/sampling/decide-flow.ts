import type { Arrivals, SamplingDecision } from '../../store/tail-sampling.ts';
import { draw, MAX_WAITS, shapeOf, type Policy, type RareShapes, type TailSampling } from './policies.ts';

/** One trace of a flow: what came of it lately, and what was decided about it before. */
export interface Member {
  readonly traceId: string;
  readonly arrivals: Arrivals | undefined;
  readonly earlier: SamplingDecision | undefined;
}

/**
 * Decides about a flow as one; `[]` while it is too early. What is asked, in this order, of the traces not decided yet:
 *
 *   more of it than is looked at together?    keep
 *   an error, or a slow trace?                keep, at once
 *   linked with what is kept?                 keep, as that was
 *   still coming in?                          wait
 *   linked with what was dropped?             drop: its time is over
 *   of a rare shape?                          keep
 *   else                                      the draw, by the smallest of the trace ids
 *
 * A trace kept is kept for good. One that was dropped and that more came of since is as good as new: only what came since is at
 * stake, and what it has been found lacking before it still lacks.
 */
export function decideFlow(
  members: readonly Member[],
  whole: boolean,
  policies: TailSampling,
  rare: RareShapes,
  nowMs: number,
): readonly SamplingDecision[] {
  const open: Arrivals[] = [];
  for (const { arrivals, earlier } of members)
    if (arrivals && (earlier === undefined || (!earlier.kept && earlier.spans !== arrivals.spans)))
      open.push(arrivals);
  if (open.length === 0) return [];
  const all = (kept: boolean, policy: string, probability: number) =>
    open.map(({ traceId, spans }) => ({ traceId, kept, policy, probability, spans }));
  const keep = (policy: Policy) => all(true, policy, 1);

  if (!whole) return keep('too_large');
  if (open.some(({ errors }) => errors > 0)) return keep('status_code');
  const slow = BigInt(Math.ceil(policies.latencyThresholdMs * 1e6));
  if (open.some(({ startUnixNano, endUnixNano }) => endUnixNano - startUnixNano >= slow))
    return keep('latency');
  const kept = members.find(({ earlier }) => earlier?.kept)?.earlier;
  if (kept) return all(true, kept.policy, kept.probability);

  const wait = policies.decisionWaitMs;
  const isComing = open.some(({ lastReceivedMs }) => lastReceivedMs > nowMs - wait);
  const isOld = open.some(({ firstReceivedMs }) => firstReceivedMs < nowMs - MAX_WAITS * wait);
  if (isComing && !isOld) return [];

  const probability = policies.samplingPercentage / 100;
  const dropped = members.find(({ earlier }) => earlier !== undefined)?.earlier;
  if (dropped) return all(false, 'late' satisfies Policy, dropped.probability);
  const shape = shapeOf([...new Set(open.map((one) => one.shape))].sort());
  if (rare.isRare(shape, nowMs)) return keep('rare');
  const first = open.reduce(
    (least, { traceId }) => (traceId < least ? traceId : least),
    open[0]?.traceId ?? '',
  );
  return all(draw(first) < probability, 'probabilistic' satisfies Policy, probability);
}
