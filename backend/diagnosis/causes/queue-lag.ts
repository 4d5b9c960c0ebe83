import { SPAN_KIND } from '../../../function/span/span-data.ts';
import type { FlowNode } from '../flow.ts';
import { endOf, groupOf, partitionOf, topicOf } from '../span-facts.ts';
import { amount, inMs, milliseconds, sentence, type Cause, type Evidence } from './cause.ts';

/** Of the wait, what one delivery (or all of them) must have taken to be what was waited for. */
const SHARE = 2n;

/**
 * Why a record waited in its partition, by what the consumer group did there meanwhile:
 *
 *     sent |------------------------------| received
 *          [ one long delivery          ]    slow consumer
 *          [ a ][ b ][ c ][ d ][ e ][ f ]    few partitions: none is long, all of them are
 *                                            consumer away: nobody read, as during a rebalance
 */
export function queueLag(
  topic: string,
  nano: bigint,
  evidence: Evidence,
): Pick<Cause, 'kind' | 'title' | 'sentences' | 'next'> {
  const receiver = longestWaiting(topic, evidence);
  const title = `the record waited ${inMs(nano)} ms in ${topic}`;
  const general = [
    `Let more be consumed at once: more partitions of ${topic}, or the trigger's parallelism or batchSize.`,
    'Make the function behind it faster: what is ahead in the partition is what is waited for.',
  ];
  if (!receiver?.cause) return { kind: 'queue lag', title, sentences: [], next: general };

  const from = endOf(receiver.cause.span);
  const to = receiver.span.startTimeUnixNano;
  const place = `${topic}/${partitionOf(receiver.span)}`;
  const group = groupOf(receiver.span) || 'its consumer group';
  const ahead = deliveriesBetween(receiver, from, to, evidence);
  const busy = lengthOfUnion(ahead.map(({ node }) => clip(node, from, to)));
  const [longest] = ahead;
  if (longest && longest.nano * SHARE >= to - from)
    return {
      kind: 'queue lag: slow consumer',
      title,
      sentences: [
        sentence(
          `${inMs(longest.nano)} ms of it the consumer of ${place} was busy with one delivery that came before.`,
          [longest.node, receiver],
          [milliseconds('that delivery', longest.nano), amount('deliveries ahead', ahead.length)],
        ),
      ],
      next: [
        'Make the function behind it faster: one slow record holds up all that stand behind it in its partition.',
        `Let records of other keys pass it: the trigger's parallelism, or more partitions of ${topic}.`,
      ],
    };
  if (busy * SHARE >= to - from)
    return {
      kind: 'queue lag: few partitions',
      title,
      sentences: [
        sentence(
          `${ahead.length} deliveries of ${place} came before it and took ${inMs(busy)} ms together, the longest ${inMs(longest?.nano ?? 0n)} ms: none is slow, there is one line for all of them.`,
          [...ahead.slice(0, 10).map(({ node }) => node), receiver],
          [amount('deliveries ahead', ahead.length), milliseconds('their time', busy)],
        ),
      ],
      next: [`Give ${topic} more partitions, or the trigger more parallelism or a larger batchSize.`],
    };
  return {
    kind: 'queue lag: consumer away',
    title: `nobody read ${place} for ${inMs(to - from - busy)} ms`,
    sentences: [
      sentence(
        `While the record waited, ${group} delivered ${ahead.length === 0 ? 'nothing' : `${ahead.length} records, ${inMs(busy)} ms in all,`} from ${place}, and then this one: the group was away, as it is while it rebalances or its consumer starts again.`,
        [receiver.cause, receiver],
        [milliseconds('idle', to - from - busy), amount('deliveries ahead', ahead.length)],
      ),
    ],
    next: [
      `See what happened to the consumers of ${group} at that time: a deployment, a restart, a member that was too slow to answer (max.poll.interval.ms, session.timeout.ms).`,
    ],
  };
}

/** Who received a record of this topic, and so knows who sent it; of several the one that explains the wait. */
function longestWaiting(topic: string, { run }: Evidence): FlowNode | undefined {
  let longest: FlowNode | undefined;
  for (const node of run.nodes) {
    if (node.span.kind !== SPAN_KIND.consumer || !node.cause || topicOf(node.span) !== topic) continue;
    if (!longest || waitOf(node) > waitOf(longest)) longest = node;
  }
  return longest;
}

export function waitOf({ span, cause }: FlowNode): bigint {
  return cause ? span.startTimeUnixNano - endOf(cause.span) : 0n;
}

interface Delivery {
  readonly node: FlowNode;
  /** Its part of the wait. */
  readonly nano: bigint;
}

/** Deliveries of the same partition to the same group while the record waited, the longest first. */
function deliveriesBetween(
  receiver: FlowNode,
  from: bigint,
  to: bigint,
  { run, others, neighbours }: Evidence,
): Delivery[] {
  const own = receiver.span;
  const found = new Map<string, Delivery>();
  for (const { nodes } of [run, ...others, ...neighbours])
    for (const node of nodes) {
      const { span } = node;
      if (
        node === receiver ||
        span.kind !== SPAN_KIND.consumer ||
        topicOf(span) !== topicOf(own) ||
        partitionOf(span) !== partitionOf(own) ||
        groupOf(span) !== groupOf(own)
      )
        continue;
      const [start, end] = clip(node, from, to);
      if (end > start) found.set(span.spanId, { node, nano: end - start });
    }
  return [...found.values()].sort((a, b) => (a.nano > b.nano ? -1 : 1));
}

function clip({ span }: FlowNode, from: bigint, to: bigint): readonly [bigint, bigint] {
  return [span.startTimeUnixNano > from ? span.startTimeUnixNano : from, endOf(span) < to ? endOf(span) : to];
}

function lengthOfUnion(intervals: readonly (readonly [bigint, bigint])[]): bigint {
  let total = 0n;
  let reached = 0n;
  for (const [start, end] of intervals.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const from = start > reached ? start : reached;
    if (end > from) total += end - from;
    if (end > reached) reached = end;
  }
  return total;
}
