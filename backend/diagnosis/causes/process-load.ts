import { SPOOR_CPU_MS, SPOOR_CPU_WAIT_MS, SPOOR_LOOP_BLOCKED_MS } from '../../../function/span/attributes.ts';
import type { FlowNode } from '../flow.ts';
import { durationOf, endOf, functionOf, instanceOf, isFunctionSpan, numberOf } from '../span-facts.ts';
import type { AccountStage } from '../time-account.ts';
import { inMs, milliseconds, sentence, type Cause, type Evidence } from './cause.ts';

/** Of its own time, what an invocation must have computed, waited for a CPU, or its event loop stood still, for that to be the matter. */
const LEAST_SHARE = 0.5;
/** Who waits for a CPU this many times as long as it then computes was starved; who does for less has a lot to compute. */
const STARVED = 5;
/** A loop that stands still and wants a core for less than this of it waits for something in a blocking way. */
const LEAST_CPU_OF_STALL = 0.2;

type Finding = Pick<Cause, 'kind' | 'title' | 'sentences' | 'next'>;

/** Whether a handler that took long computed, or stood still; undefined when its process does not say, or did neither. */
export function blockedOrBusy(owner: string, nodes: readonly FlowNode[], nano: bigint): Finding | undefined {
  const node = nodes.map(functionAbove).find((each) => each !== undefined);
  if (!node) return undefined;
  const ownMs = Number(nano) / 1e6;
  const cpuMs = numberOf(node.span.attributes[SPOOR_CPU_MS]) ?? 0;
  const blockedMs = numberOf(node.span.attributes[SPOOR_LOOP_BLOCKED_MS]) ?? 0;
  const waitMs = numberOf(node.span.attributes[SPOOR_CPU_WAIT_MS]) ?? 0;
  const figures = [
    { name: 'cpu', value: cpuMs.toFixed(0), unit: 'ms' },
    { name: 'wait for a CPU', value: waitMs.toFixed(0), unit: 'ms' },
    { name: 'longest stall', value: blockedMs.toFixed(0), unit: 'ms' },
  ];
  const isBlocked = blockedMs >= LEAST_SHARE * ownMs;
  const wantedMs = cpuMs + waitMs;
  const wantsCpu = isBlocked ? wantedMs >= LEAST_CPU_OF_STALL * blockedMs : wantedMs >= LEAST_SHARE * ownMs;
  if (wantsCpu && waitMs >= STARVED * cpuMs)
    return {
      kind: 'starved of CPU',
      title: `${owner} waited ${waitMs.toFixed(0)} ms for a CPU`,
      sentences: [
        sentence(
          `Its process was ready to run for ${waitMs.toFixed(0)} ms in that invocation and had no CPU; what it computed took ${cpuMs.toFixed(0)} ms.`,
          [node],
          figures,
        ),
      ],
      next: [
        `Look at the CPU limit of ${owner}: a container that has used up its quota stands still until the next period (\`nr_throttled\` in its cgroup's cpu.stat).`,
        'Look at what else ran on the machine at that time, and at requests.cpu of its neighbours.',
      ],
    };
  if (wantsCpu)
    return {
      kind: 'CPU burn',
      title: `${owner} computed for ${cpuMs.toFixed(0)} ms`,
      sentences: [
        sentence(
          `Its process used ${cpuMs.toFixed(0)} ms of CPU in that invocation${isBlocked ? `, and did nothing else for ${blockedMs.toFixed(0)} ms at once` : ''}.${waitMs >= LEAST_SHARE * ownMs ? ` It was ready to run for ${waitMs.toFixed(0)} ms more and had no CPU.` : ''}`,
          [node],
          figures,
        ),
      ],
      next: [
        `Profile ${owner} with this input: \`node --cpu-prof\`, or py-spy.`,
        'Compute less, keep what was computed, or move it to a worker so that other requests of the instance go on.',
      ],
    };
  if (!isBlocked) return undefined;
  return {
    kind: 'blocked event loop',
    title: `${owner} stood still for ${blockedMs.toFixed(0)} ms`,
    sentences: [
      sentence(
        `Its event loop did not turn for ${blockedMs.toFixed(0)} ms at once, and used only ${cpuMs.toFixed(0)} ms of CPU: it waited for something in a way that holds up everything in the process.`,
        [node],
        figures,
      ),
    ],
    next: [
      `Look for calls of ${owner} that wait: execSync, readFileSync and other …Sync, Atomics.wait, native code.`,
    ],
  };
}

/**
 * Another invocation in the same process that kept it busy while this one stood at its door:
 *
 *     invoke NAME   |------------------------|
 *       transfer     |-----------|                same instance:
 *       NAME                     |-----------|    other NAME  |-----------|  the loop stood still in it
 */
export function neighbourOf(
  stage: AccountStage,
  { run, others, neighbours }: Evidence,
): (Finding & Pick<Cause, 'nodes'>) | undefined {
  if (stage.stage !== 'transfer') return undefined;
  const own = new Set(run.nodes.map(({ span }) => span.spanId));
  const waits = run.account.segments.filter(
    (segment) => segment.stage === 'transfer' && segment.owner === stage.owner,
  );
  for (const wait of waits) {
    const length = wait.endUnixNano - wait.startUnixNano;
    if (length * 2n < stage.nano) continue;
    const ran = [wait.after, ...(wait.node?.effects ?? [])].find((each) => each && isFunctionSpan(each.span));
    const instance = ran ? instanceOf(ran.span) : '';
    if (!ran || instance === '') continue;
    const busy = [...others, ...neighbours]
      .flatMap(({ nodes }) => nodes)
      .find(({ span }) => {
        if (own.has(span.spanId) || !isFunctionSpan(span) || instanceOf(span) !== instance) return false;
        const stallMs = Math.max(
          numberOf(span.attributes[SPOOR_LOOP_BLOCKED_MS]) ?? 0,
          numberOf(span.attributes[SPOOR_CPU_MS]) ?? 0,
        );
        const overlaps = span.startTimeUnixNano < wait.endUnixNano && endOf(span) > wait.startUnixNano;
        return overlaps && stallMs * 2e6 >= Number(length);
      });
    if (!busy) continue;
    const cpuMs = numberOf(busy.span.attributes[SPOOR_CPU_MS]) ?? 0;
    const blockedMs = numberOf(busy.span.attributes[SPOOR_LOOP_BLOCKED_MS]) ?? 0;
    return {
      kind: 'noisy neighbour',
      title: `another invocation kept the instance of ${stage.owner} busy`,
      nodes: [busy],
      sentences: [
        sentence(
          `On the same instance (${instance}) another invocation of ${functionOf(busy.span)} ran for ${inMs(durationOf(busy.span))} ms, used ${cpuMs.toFixed(0)} ms of CPU and held the event loop for ${blockedMs.toFixed(0)} ms: this request stood before it and was not taken up.`,
          [busy, ran],
          [
            milliseconds('neighbour', durationOf(busy.span)),
            { name: 'cpu', value: cpuMs.toFixed(0), unit: 'ms' },
            { name: 'longest stall', value: blockedMs.toFixed(0), unit: 'ms' },
          ],
        ),
      ],
      next: [
        `Give ${stage.owner} fewer requests per instance (requestsPerPod), so that one cannot hold up another.`,
        'Look at the other trace: what it computes belongs in a worker, or in a function of its own.',
      ],
    };
  }
  return undefined;
}

function functionAbove(node: FlowNode): FlowNode | undefined {
  for (let at: FlowNode | undefined = node; at; at = at.cause) if (isFunctionSpan(at.span)) return at;
  return undefined;
}
