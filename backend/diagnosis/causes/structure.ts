import { SPOOR_CLOCK_SKEW } from '../../../function/span/attributes.ts';
import { skewOf } from '../clock-skew.ts';
import type { FlowNode } from '../flow.ts';
import { durationOf, endOf, functionOf, isFunctionSpan, serviceOf } from '../span-facts.ts';
import { CONFIDENT, inMs, milliseconds, sentence, type Cause, type Evidence } from './cause.ts';

/** Two processes of one machine may differ by a little; this is a clock that is wrong. */
const SKEW_NANO = 100_000_000n;
/** Spans are stored a second after their end at most; this is a part that was down or could not keep up. */
const LATE_NANO = 4_000_000_000n;
/** What is older than this when it comes was sent on purpose: a file, a test, a second store. */
const IMPORTED_NANO = 3_600_000_000_000n;

/** What is wrong with the trace itself: it tells less than what happened, or at other times. */
export function structureCauses(evidence: Evidence): Cause[] {
  return [lostContext(evidence), clockSkew(evidence), backendLag(evidence)].filter(
    (cause) => cause !== undefined,
  );
}

/** What so many have is usual. More would let a context that is lost now and then hide itself: the runs that lost it look healthy too. */
const USUAL = 0.6;

/**
 * Healthy runs have a function that this one lacks, and a trace with just that function began and ended inside the time of a handler
 * here: the call was made, and did not carry the context.
 */
function lostContext({ run, others, strays }: Evidence): Cause | undefined {
  const healthy = others.filter((other) => !other.isFailed);
  if (healthy.length < 2) return undefined;
  const usual = new Set(
    healthy
      .flatMap((other) => [...other.versions.keys()])
      .filter((name) => healthy.filter((other) => other.versions.has(name)).length >= healthy.length * USUAL),
  );
  const missing = [...usual].filter((name) => !run.versions.has(name));
  if (missing.length === 0) return undefined;
  const handlers = run.nodes.filter(({ span }) => isFunctionSpan(span));
  for (const stray of strays) {
    const root = stray.roots[0];
    const lost = missing.find((name) => stray.versions.has(name));
    if (!root || lost === undefined) continue;
    const handler = handlers.findLast(
      ({ span }) =>
        span.startTimeUnixNano <= root.span.startTimeUnixNano && endOf(span) >= root.span.startTimeUnixNano,
    );
    if (!handler) continue;
    const owner = functionOf(handler.span);
    return {
      kind: 'lost context',
      title: `the trace breaks between ${owner} and ${lost}`,
      score: 0.85,
      stage: 'handler',
      owner,
      nodes: [handler, root],
      sentences: [
        sentence(
          `${healthy.length} other runs have ${lost}, this one has not; but a trace of its own with ${lost} began ${inMs(root.span.startTimeUnixNano - handler.span.startTimeUnixNano)} ms into ${owner} and took ${inMs(durationOf(root.span))} ms.`,
          [handler, root],
          [
            milliseconds('into', root.span.startTimeUnixNano - handler.span.startTimeUnixNano),
            milliseconds('took', durationOf(root.span)),
          ],
        ),
      ],
      next: [
        `Let ${owner} pass \`traceparent\` on (context.traceHeaders, or g.generated_headers in Python): it makes the call in a way that is not followed by itself.`,
      ],
    };
  }
  return undefined;
}

/** A receiver that began before its sender, or a callee outside its call, on another clock. */
function clockSkew({ run }: Evidence): Cause | undefined {
  let worst: { node: FlowNode; cause: FlowNode; nano: bigint } | undefined;
  for (const node of run.nodes) {
    const { cause } = node;
    if (!cause) continue;
    // What its receiver said itself, when the times alone do not.
    const nano = skewOf(cause, node) || (node.span.attributes[SPOOR_CLOCK_SKEW] === true ? SKEW_NANO : 0n);
    if (nano > (worst?.nano ?? 0n)) worst = { node, cause, nano };
  }
  if (!worst || worst.nano < SKEW_NANO) return undefined;
  const { node, cause, nano } = worst;
  const [one, other] = [serviceOf(cause.span), serviceOf(node.span)];
  return {
    kind: 'clock skew',
    title: `the clocks of ${one} and ${other} differ by at least ${inMs(nano)} ms`,
    score: CONFIDENT + 0.12,
    stage: 'unknown',
    owner: other,
    nodes: [cause, node],
    sentences: [
      sentence(
        `"${node.span.name}" of ${other} is recorded ${inMs(nano)} ms outside of "${cause.span.name}" of ${one}, which caused it: that cannot be.`,
        [cause, node],
        [milliseconds('skew', nano)],
      ),
      sentence('Times between these two are wrong by as much; times within each are right.', [cause, node]),
    ],
    next: [`Set the clocks: chrony or ntpd on the hosts of ${one} and ${other}.`],
  };
}

/** What happened is known only now: the time was lost after the run, in telling of it. */
function backendLag({ run, arrivalLagNano }: Evidence): Cause | undefined {
  if (arrivalLagNano === undefined || arrivalLagNano < LATE_NANO || arrivalLagNano > IMPORTED_NANO)
    return undefined;
  const last = run.nodes.reduce(
    (latest, node) => (latest && endOf(latest.span) >= endOf(node.span) ? latest : node),
    run.nodes[0],
  );
  if (!last) return undefined;
  return {
    kind: 'backend lag',
    title: `the trace was stored ${inMs(arrivalLagNano)} ms after its end`,
    score: CONFIDENT + 0.02,
    stage: 'unknown',
    owner: 'agent',
    nodes: [last],
    sentences: [
      sentence(
        `Not one of its ${run.nodes.length} spans was stored sooner than ${inMs(arrivalLagNano)} ms after it had ended: what is shown here is late, and the run itself is not what took that time.`,
        [last],
        [milliseconds('lag', arrivalLagNano)],
      ),
    ],
    next: [
      'See whether agent and backend were running, and how much waits in the spool: `spoor doctor`, and the status page of the agent.',
      'When it is so all the time, the store cannot keep up: look at its CPU and disk.',
    ],
  };
}
