import { FAAS_INSTANCE, SPOOR_POOL_HIT } from '../../../function/span/attributes.ts';
import { SPAN_KIND } from '../../../function/span/span-data.ts';
import type { FlowNode } from '../flow.ts';
import { durationOf, invokedOf, isError, isInvoke, textOf } from '../span-facts.ts';
import type { Stage } from '../stages.ts';
import type { AccountStage } from '../time-account.ts';
import {
  amount,
  CONFIDENT,
  inMs,
  milliseconds,
  sentence,
  type Cause,
  type CauseKind,
  type Evidence,
} from './cause.ts';
import { blockedOrBusy, neighbourOf } from './process-load.ts';
import { queueLag } from './queue-lag.ts';

/** A run that took no longer than this above the usual is not slow. */
const LEAST_EXCESS_NANO = 200_000_000n;
/** Without a healthy run to compare with, only what is beyond any doubt. */
const LEAST_ALONE_NANO = 1_000_000_000n;
const LEAST_SHARE_ALONE = 0.7;
/** Of the excess, what one stage must explain to be named without reserve. */
const LEAST_SHARE = 0.5;
/** A busy machine makes anything wait for a moment: one stage must be late by more than that. */
const LEAST_SURE_NANO = 300_000_000n;
/** Healthy runs from which on their median means something. */
const LEAST_RUNS = 3;
/** Calls to one place by one handler from which on their number is the matter. */
const MANY_CALLS = 10;
const MANY_TRIES = 4;

const KIND_OF: Readonly<Record<Stage, CauseKind>> = {
  'queue wait': 'queue lag',
  throttle: 'throttled',
  'wait for capacity': 'waiting for capacity',
  'start instance': 'cold start: start instance',
  'fetch package': 'cold start: fetch package',
  'load function': 'cold start: load function',
  transfer: 'slow transfer',
  response: 'slow transfer',
  handler: 'slow handler',
  'downstream call': 'slow downstream call',
  'retry back-off': 'retry storm',
  unknown: 'platform error',
};

/** How much longer than usual, if that is long enough to speak of. */
export function excessOf({ run, baseline }: Pick<Evidence, 'run' | 'baseline'>): bigint {
  const { wallNano } = run.account;
  if (baseline.runs < LEAST_RUNS) return wallNano >= LEAST_ALONE_NANO ? wallNano : 0n;
  const excess = wallNano - baseline.wallNano;
  const noise = baseline.wallSpread * 4n;
  return excess >= LEAST_EXCESS_NANO && excess >= baseline.wallNano / 2n && excess > noise ? excess : 0n;
}

/**
 * Which stages took longer than they usually do. Each is scored by its part of the whole excess: one that explains half of it or
 * more is said without reserve, five that explain a fifth each are not.
 */
export function delayCauses(evidence: Evidence): Cause[] {
  const { run, baseline } = evidence;
  const total = excessOf(evidence);
  if (total === 0n) return [];
  const isAlone = baseline.runs < LEAST_RUNS;
  const causes: Cause[] = [];
  for (const stage of run.account.stages) {
    if (stage.stage === 'unknown') continue;
    // What failed in each try is a cause of its own; the pauses are one only when there are many.
    if (stage.stage === 'retry back-off' && failedTries(run.nodes, stage.owner).length < MANY_TRIES) continue;
    const usual = isAlone ? 0n : baseline.typical(stage.stage, stage.owner);
    const excess = stage.nano - usual;
    const noise = isAlone ? 0n : baseline.spread(stage.stage, stage.owner) * 4n;
    if (excess < LEAST_EXCESS_NANO / 4n || excess <= noise) continue;
    const share = Math.min(1, Number(excess) / Number(total));
    const isSure = isAlone
      ? share >= LEAST_SHARE_ALONE && stage.nano >= LEAST_ALONE_NANO
      : share >= LEAST_SHARE && excess >= LEAST_SURE_NANO;
    causes.push({
      ...describe(stage, evidence, excess, usual),
      // 0.7 to 0.88 when sure, below 0.7 else: hard evidence of a failure stands above any delay.
      score: isSure ? CONFIDENT + 0.18 * share : Math.min(CONFIDENT - 0.05, CONFIDENT * share),
    });
  }
  return causes;
}

function describe(
  stage: AccountStage,
  evidence: Evidence,
  excess: bigint,
  usual: bigint,
): Omit<Cause, 'score'> {
  const { run, baseline } = evidence;
  const { owner, nano } = stage;
  const nodes = stage.nodes.slice(0, 10);
  const common = { stage: stage.stage, owner, nodes } as const;
  const comparison =
    baseline.runs >= LEAST_RUNS
      ? `${inMs(excess)} ms more than usual (${inMs(usual)} ms, median of ${baseline.runs} healthy runs)`
      : `${Math.round(stage.share * 100)} % of the whole, and there is no healthy run to compare with`;
  const fact = sentence(
    `${phraseOf(stage)} took ${inMs(nano)} of ${inMs(run.account.wallNano)} ms: ${comparison}.`,
    nodes,
    [
      milliseconds(stage.stage, nano),
      milliseconds('usual', usual),
      milliseconds('wall', run.account.wallNano),
      amount('runs', baseline.runs),
    ],
  );
  const kind = KIND_OF[stage.stage];
  switch (stage.stage) {
    case 'queue wait': {
      const lag = queueLag(owner, nano, evidence);
      return { ...common, ...lag, sentences: [fact, ...lag.sentences] };
    }
    case 'throttle':
      return {
        ...common,
        kind,
        title: `${owner} was throttled for ${inMs(nano)} ms`,
        sentences: [fact],
        next: [`Raise concurrency or requestsPerPod of ${owner}, or let whoever calls it slow down.`],
      };
    case 'wait for capacity':
      return {
        ...common,
        kind,
        title: `${owner} waited ${inMs(nano)} ms for a free instance`,
        sentences: [fact],
        next: [`Raise concurrency or requestsPerPod of ${owner}, or the environment's poolsize.`],
      };
    case 'start instance':
      if (usual === 0n && hasPool(evidence))
        return {
          ...common,
          kind: 'pool empty',
          title: `no warm instance was left for ${owner}`,
          sentences: [
            fact,
            sentence(
              'Other runs found a warm instance in the pool; this one came when it was used up, and waited for a process to start.',
              nodes,
            ),
          ],
          next: [
            "Raise the environment's poolsize to what comes in at once.",
            `Keep instances of ${owner} for longer (idletimeout, retainPods), so that fewer are taken from the pool.`,
          ],
        };
      return {
        ...common,
        kind,
        title: `starting a process for ${owner} took ${inMs(nano)} ms`,
        sentences: [fact],
        next: [
          "Keep warm instances: raise the environment's poolsize, or the function's retainPods.",
          'Look at what else the machine was doing.',
        ],
      };
    case 'fetch package':
      return {
        ...common,
        kind,
        title: `fetching the package of ${owner} took ${inMs(nano)} ms`,
        sentences: [fact],
        next: [`Make the package of ${owner} smaller, or keep it nearer.`],
      };
    case 'load function':
      return {
        ...common,
        kind,
        title: `loading ${owner} took ${inMs(nano)} ms`,
        sentences: [fact],
        next: [
          `Load less at the top of ${owner}: what is needed by few requests can be required by those.`,
          'Keep instances longer: idletimeout, retainPods.',
        ],
      };
    case 'downstream call': {
      const calls = nodes.length;
      return {
        ...common,
        kind: calls >= MANY_CALLS ? 'retry storm' : kind,
        title:
          calls >= MANY_CALLS ? `${calls} calls to ${owner}` : `the call to ${owner} took ${inMs(nano)} ms`,
        sentences: [
          fact,
          sentence(
            `${calls === 1 ? 'One call' : `${calls} calls`} to ${owner}, the longest ${inMs(durationOf((nodes[0] as FlowNode).span))} ms.`,
            nodes,
            [amount('calls', calls)],
          ),
        ],
        next: [
          `Look into ${owner}; its side is not traced.`,
          'Give the call a time-out, or make it beside the others and not after them.',
        ],
      };
    }
    case 'retry back-off': {
      const failed = failedTries(run.nodes, owner);
      return {
        ...common,
        kind,
        title: `${owner} was tried again after ${failed.length} failed tries`,
        sentences: [
          fact,
          sentence(`${failed.length} tries failed; the time between them was waited.`, failed, [
            amount('failed tries', failed.length),
          ]),
        ],
        next: ['Mend what makes the tries fail; it is named beside this.'],
      };
    }
    case 'handler': {
      const load = blockedOrBusy(owner, nodes, nano);
      if (load) return { ...common, ...load, sentences: [fact, ...load.sentences] };
      return {
        ...common,
        kind,
        title: `${owner} itself took ${inMs(nano)} ms`,
        sentences: [fact, ...slowestStep(nodes)],
        next: [
          `Look at what ${owner} does between its calls: its own code, or work that no span shows.`,
          'Put a span around its steps to see which.',
        ],
      };
    }
    default: {
      const neighbour = neighbourOf(stage, evidence);
      if (neighbour)
        return {
          ...common,
          ...neighbour,
          nodes: [...nodes, ...neighbour.nodes],
          sentences: [fact, ...neighbour.sentences],
        };
      return {
        ...common,
        kind,
        title: `${phraseOf(stage)} took ${inMs(nano)} ms`,
        sentences: [fact],
        next: [
          `Look at what else ran on the instance of ${owner}${instanceText(nodes)} and on the machine at that time: the request was there and nobody took it up.`,
        ],
      };
    }
  }
}

/** Runs that took a warm instance show that there is a pool to take from. */
function hasPool({ others }: Evidence): boolean {
  return others.some(({ nodes }) => nodes.some(({ span }) => span.attributes[SPOOR_POOL_HIT] === true));
}

function phraseOf({ stage, owner }: AccountStage): string {
  switch (stage) {
    case 'queue wait':
      return `Waiting in ${owner}`;
    case 'handler':
      return `${owner}'s own time`;
    case 'downstream call':
      return `Calling ${owner}`;
    case 'transfer':
      return `The way to ${owner}`;
    case 'response':
      return `The way back from ${owner}`;
    case 'retry back-off':
      return `Waiting to try ${owner} again`;
    case 'throttle':
      return `Being refused by ${owner}`;
    default:
      return `"${stage}" of ${owner}`;
  }
}

/** A step with a span of its own names the place better than the function does. */
function slowestStep(nodes: readonly FlowNode[]) {
  const [first] = nodes;
  if (!first || first.span.kind !== SPAN_KIND.internal) return [];
  const event = first.span.events[0];
  return [
    sentence(
      `Most of it in "${first.span.name}" (${inMs(durationOf(first.span))} ms)${event ? `, which says "${event.name}"` : ''}.`,
      [first],
      [milliseconds(first.span.name, durationOf(first.span))],
    ),
  ];
}

function failedTries(nodes: readonly FlowNode[], owner: string): FlowNode[] {
  return nodes.filter(({ span }) => isInvoke(span) && isError(span) && invokedOf(span) === owner);
}

function instanceText(nodes: readonly FlowNode[]): string {
  const instance = nodes
    .map(({ span }) => textOf(span.attributes[FAAS_INSTANCE]))
    .find((text) => text !== '');
  return instance === undefined ? '' : ` (${instance})`;
}
