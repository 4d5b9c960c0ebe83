import { createHash } from 'node:crypto';

/** What is kept of all that comes; words and defaults of OpenTelemetry's tail_sampling processor where it has them. */
export interface TailSampling {
  /** `probabilistic`: how many of a hundred flows are kept that no other policy wants. Above 0, at most 100. */
  readonly samplingPercentage: number;
  /** `latency`: a flow in which a trace lasts at least so long is kept. */
  readonly latencyThresholdMs: number;
  /** `rare`: the first so many flows of each shape in an hour are kept; a shape is which operations the traces consist of. */
  readonly rareFlowsPerHour: number;
  /** `decision_wait`: a flow is decided when nothing has come of it for so long. Until then all of it is kept. */
  readonly decisionWaitMs: number;
}

export const DEFAULT_TAIL_SAMPLING: TailSampling = {
  samplingPercentage: 10,
  latencyThresholdMs: 1_000,
  rareFlowsPerHour: 5,
  // The field's 30 s is for a processor that holds spans in memory. Ours lie in the store: the price of waiting is disk.
  decisionWaitMs: 600_000,
};

/** A flow that never comes to rest is decided after so many waits. */
export const MAX_WAITS = 6;

/** Why a flow was kept or dropped. */
export type Policy =
  | 'status_code'
  | 'latency'
  | 'rare'
  | 'probabilistic'
  /** Kept: it has more traces than are looked at together. */
  | 'too_large'
  /** Dropped: it came after the flow it belongs to had been dropped, and nothing about it stands out. */
  | 'late';

/**
 * The draw: a number in [0, 1) that depends on nothing but the id, so that whoever decides, and however often, decides alike.
 * Hashed, because ids need not be random (Datadog's and older senders' upper halves are zero).
 */
export function draw(traceId: string): number {
  return createHash('sha1').update(traceId, 'hex').digest().readUIntBE(0, 6) / 2 ** 48;
}

/** One short text for the shapes of a flow's traces, however many. */
export function shapeOf(shapes: readonly string[]): string {
  return shapes.length === 1
    ? (shapes[0] as string)
    : createHash('sha1').update(shapes.join(' ')).digest('base64');
}

const MAX_SHAPES = 10_000;
const HOUR_MS = 3_600_000;

/** Counts flows of each shape by the hour; past `MAX_SHAPES` shapes in an hour no new one is rare any more. */
export class RareShapes {
  readonly #perHour: number;
  #hour = 0;
  readonly #counts = new Map<string, number>();

  constructor(perHour: number) {
    this.#perHour = perHour;
  }

  /** Counts the flow, and says whether it is among the first of its shape. */
  isRare(shape: string, nowMs: number): boolean {
    const hour = Math.floor(nowMs / HOUR_MS);
    if (hour !== this.#hour) {
      this.#hour = hour;
      this.#counts.clear();
    }
    const count = this.#counts.get(shape);
    if (count === undefined && this.#counts.size >= MAX_SHAPES) return false;
    this.#counts.set(shape, (count ?? 0) + 1);
    return (count ?? 0) < this.#perHour;
  }
}
