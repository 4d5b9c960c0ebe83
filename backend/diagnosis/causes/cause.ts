import type { FlowNode } from '../flow.ts';
import type { Baseline, Twin } from '../healthy-twin.ts';
import type { Run } from '../run.ts';
import type { Stage } from '../stages.ts';

export const CAUSE_KINDS = [
  'queue lag',
  'queue lag: slow consumer',
  'queue lag: few partitions',
  'queue lag: consumer away',
  'throttled',
  'waiting for capacity',
  'pool empty',
  'cold start: start instance',
  'cold start: fetch package',
  'cold start: load function',
  'bad deploy',
  'slow handler',
  'CPU burn',
  'blocked event loop',
  'starved of CPU',
  'noisy neighbour',
  'slow downstream call',
  'slow transfer',
  'dead dependency',
  'retry storm',
  'timeout',
  'out of memory',
  'killed',
  'exited',
  'thrown',
  'wrong status',
  'poison message',
  'batch with bad records',
  'lost context',
  'clock skew',
  'backend lag',
  'platform error',
] as const;
export type CauseKind = (typeof CAUSE_KINDS)[number];

export interface Cause {
  readonly kind: CauseKind;
  /** One sentence, for a heading. */
  readonly title: string;
  /** 0..1. How well the evidence fits, and how much of what is wrong it explains. From CONFIDENT on it is said without reserve. */
  readonly score: number;
  readonly stage: Stage;
  /** Function, service or topic. */
  readonly owner: string;
  readonly nodes: readonly FlowNode[];
  readonly sentences: readonly Sentence[];
  /** What to try next. */
  readonly next: readonly string[];
}

export interface Sentence {
  readonly text: string;
  readonly nodes: readonly FlowNode[];
  readonly figures: readonly Figure[];
}

export interface Figure {
  readonly name: string;
  readonly value: string;
  readonly unit: string;
}

export const CONFIDENT = 0.7;

/** All that a rule may look at. */
export interface Evidence {
  readonly run: Run;
  /** Other runs of the same kind around the same time, well or not. */
  readonly others: readonly Run[];
  readonly baseline: Baseline;
  readonly twin: Twin | undefined;
  /** Traces that began while this one ran and that nothing links with it. */
  readonly strays: readonly Run[];
  /** Whatever else ran at the same time where this one was held up: in the same partition, or in the same process. */
  readonly neighbours: readonly Run[];
  /** How long after their end the spans came to be stored, the least of them; undefined when the store does not say. */
  readonly arrivalLagNano: bigint | undefined;
  /** What was sent and is still waited for, with the time now. */
  readonly nowUnixNano: bigint;
}

export function sentence(
  text: string,
  nodes: readonly FlowNode[],
  figures: readonly Figure[] = [],
): Sentence {
  return { text, nodes, figures };
}

export function milliseconds(name: string, nano: bigint): Figure {
  return { name, value: inMs(nano), unit: 'ms' };
}

export function amount(name: string, value: number): Figure {
  return { name, value: String(value), unit: '' };
}

/** `1502` or `3.4` */
export function inMs(nano: bigint): string {
  const value = Number(nano) / 1e6;
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** `4.1 ms`, `940 ms`, `2.28 s`. */
export function inTime(nano: bigint): string {
  const seconds = Number(nano) / 1e9;
  return Math.abs(seconds) < 1 ? `${inMs(nano)} ms` : `${seconds.toFixed(2)} s`;
}
