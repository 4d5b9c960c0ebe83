import { SPOOR_OUTCOME } from '../../function/span/attributes.ts';
import { SPAN_KIND } from '../../function/span/span-data.ts';
import { CONFIDENT, inTime, type Cause, type Evidence } from './causes/cause.ts';
import { delayCauses, excessOf } from './causes/delays.ts';
import { failureCauses } from './causes/failures.ts';
import { structureCauses } from './causes/structure.ts';
import type { Flow, FlowNode } from './flow.ts';
import { httpStatusOf, isError, isFunctionSpan, isInvoke, serviceOf, textOf } from './span-facts.ts';

export interface Verdict {
  readonly outcome: 'failed' | 'slow' | 'healthy' | 'open';
  /** What happened, and to whom. */
  readonly summary: string;
  /** The likeliest first. */
  readonly causes: readonly Cause[];
  /** The first of them is said without reserve. */
  readonly determined: boolean;
  /** Why there is none; '' when there is. */
  readonly notDetermined: string;
}

const MAX_CAUSES = 10;

/**
 * Why it failed, or was slow. Rules propose causes and score them by their evidence; nothing is known of any one application. What a
 * process or the platform said of its own end weighs more than what is inferred from times, and what several runs show weighs more
 * than either. A run that did well and took its usual time has no cause to name.
 */
export function verdict(evidence: Evidence, flow: Pick<Flow, 'settled' | 'waitingFor'>): Verdict {
  const failures = failureCauses(evidence);
  const causes = [...failures, ...delayCauses(evidence), ...structureCauses(evidence)]
    .sort((a, b) => b.score - a.score)
    .slice(0, MAX_CAUSES);
  const { run } = evidence;
  const outcome = failedFor(run.nodes, run.roots)
    ? 'failed'
    : excessOf(evidence) > 0n
      ? 'slow'
      : flow.settled
        ? 'healthy'
        : 'open';
  const determined = (causes[0]?.score ?? 0) >= CONFIDENT;
  return {
    outcome,
    summary: summaryOf(outcome, evidence, flow),
    causes,
    determined,
    notDetermined: determined ? '' : whyNot(outcome, evidence, causes),
  };
}

/** Somebody did not get what was asked for: the caller its answer, or a record its outcome. A try that failed and was made good is no failure. */
function failedFor(nodes: readonly FlowNode[], roots: readonly FlowNode[]): boolean {
  return nodes.some((node) => {
    const { span } = node;
    if (!isError(span)) return roots.includes(node) && (httpStatusOf(span) ?? 0) >= 500;
    if (roots.includes(node)) return true;
    if (span.kind === SPAN_KIND.consumer) return textOf(span.attributes[SPOOR_OUTCOME]) !== 'retry';
    return isFunctionSpan(span) && !wasMadeGood(node);
  });
}

function wasMadeGood(node: FlowNode): boolean {
  const invoke = node.cause;
  if (!invoke || !isInvoke(invoke.span)) return false;
  // Its caller's business: a failed call that the caller could do without is no failure of the whole.
  const caller = invoke.cause;
  return (
    caller !== undefined &&
    (!isError(caller.span) || caller.effects.some((other) => isInvoke(other.span) && !isError(other.span)))
  );
}

function summaryOf(outcome: Verdict['outcome'], evidence: Evidence, flow: Pick<Flow, 'waitingFor'>): string {
  const { run, baseline } = evidence;
  const root = run.roots[0];
  const what = root ? `${root.span.name} (${serviceOf(root.span)})` : 'the trace';
  const wall = inTime(run.account.wallNano);
  const usual = baseline.runs > 0 ? `, usually ${inTime(baseline.wallNano)}` : '';
  switch (outcome) {
    case 'failed':
      return `${what} failed, ${wall} end to end${usual}`;
    case 'slow':
      return `${what} was slow: ${wall} end to end${usual}`;
    case 'open': {
      const [first] = flow.waitingFor;
      return first
        ? `${what} is not done: ${first.topic} waits for ${first.consumerGroup || 'a consumer'}`
        : `${what} is not done: ${wall} so far`;
    }
    case 'healthy': {
      // Whose fault a 404 is nobody here can say; "well" it is not.
      const status = root && httpStatusOf(root.span);
      return `${what} ${status !== undefined && status >= 400 ? `answered ${status}` : 'did well'} in ${wall}${usual}`;
    }
  }
}

function whyNot(outcome: Verdict['outcome'], evidence: Evidence, causes: readonly Cause[]): string {
  const { run, baseline } = evidence;
  if (outcome === 'healthy') return 'nothing failed and it took its usual time';
  if (outcome === 'open') return 'it is still going on';
  if (outcome === 'failed')
    return run.nodes.some(({ span }) => isError(span))
      ? 'it failed, and no span says how'
      : 'the answer was an error and nothing below it has one: the part that failed is not traced';
  if (baseline.runs === 0)
    return 'there is no healthy run to compare it with, and no stage stands out by itself';
  const [first] = causes;
  return first
    ? `the time is spread over several stages, the largest (${first.stage} of ${first.owner}) explains less than half of it`
    : `${inTime(run.account.wallNano - baseline.wallNano)} more than usual, in no stage that is out of its own range`;
}
