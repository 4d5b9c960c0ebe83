import type { Step, Way } from './journey.ts';

export const STEP_WIDTH = 188;
const COLUMN_GAP = 76;
/** How long a record waited is written in it. */
const LEAST_COLUMN_GAP = 60;
const ROW_GAP = 18;
/** From one rank to the next when they stand below each other, and between neighbours then. */
const RANK_GAP = 42;
const SIDE_GAP = 24;
const HEAD = 46;
const TRY = 18;
const MOST_TRIES = 5;
/** Alike siblings beyond this many are counted, not drawn. */
const MOST_ALIKE = 6;

export interface PlacedStep {
  readonly step: Step;
  readonly x: number;
  readonly y: number;
  readonly height: number;
  /** How many more like it, below the same cause, are not drawn. */
  readonly moreAlike: number;
}

export interface JourneyLayout {
  readonly steps: readonly PlacedStep[];
  readonly ways: readonly {
    readonly way: Way;
    readonly path: string;
    readonly labelX: number;
    readonly labelY: number;
  }[];
  readonly width: number;
  readonly height: number;
}

/**
 * Time goes to the right, a column for each step on the way; where there is no room for that, down. What one step caused stands in the
 * middle beside it.
 */
export function layOutJourney(steps: readonly Step[], ways: readonly Way[], room = Infinity): JourneyLayout {
  const { drawn, more } = foldAlike(steps);
  const ids = new Set(drawn.map(({ id }) => id));
  const effects = Map.groupBy(drawn, (step) => (ids.has(step.causeId) ? step.causeId : ''));
  const ranks = new Map<string, number>();
  for (const step of drawn) ranks.set(step.id, (ranks.get(step.causeId) ?? -1) + 1);
  const count = drawn.reduce((max, { id }) => Math.max(max, (ranks.get(id) ?? 0) + 1), 0);
  const gap = Math.min(COLUMN_GAP, (room - count * STEP_WIDTH) / Math.max(1, count - 1));
  const isDown = gap < LEAST_COLUMN_GAP;
  const heights = Array.from({ length: count }, (_, rank) =>
    drawn.reduce((max, step) => (ranks.get(step.id) === rank ? Math.max(max, heightOf(step)) : max), 0),
  );
  const startOf = (rank: number) =>
    isDown
      ? heights.slice(0, rank).reduce((sum, height) => sum + height + RANK_GAP, 0)
      : rank * (STEP_WIDTH + gap);

  const placed = new Map<string, PlacedStep>();
  // Across the ranks: how far they are filled.
  let reached = 0;
  const put = (step: Step): { readonly from: number; readonly to: number } => {
    const size = isDown ? STEP_WIDTH : heightOf(step);
    const below = (effects.get(step.id) ?? []).map(put);
    const [first] = below;
    const last = below.at(-1);
    let side = reached;
    if (first && last)
      side = Math.max(first.from, ((first.from + first.to) / 2 + (last.from + last.to) / 2) / 2 - size / 2);
    reached = Math.max(reached, side + size + (isDown ? SIDE_GAP : ROW_GAP));
    const along = startOf(ranks.get(step.id) ?? 0);
    placed.set(step.id, {
      step,
      x: isDown ? side : along,
      y: isDown ? along : side,
      height: heightOf(step),
      moreAlike: more.get(step.id) ?? 0,
    });
    return { from: side, to: side + size };
  };
  for (const root of effects.get('') ?? []) put(root);

  const all = [...placed.values()];
  return {
    steps: all,
    ways: ways.flatMap((way) => {
      const [from, to] = [placed.get(way.from), placed.get(way.to)];
      return from && to ? [{ way, ...(isDown ? routeDown(from, to) : routeRight(from, to)) }] : [];
    }),
    width: all.reduce((max, { x }) => Math.max(max, x + STEP_WIDTH), 0),
    height: all.reduce((max, { y, height }) => Math.max(max, y + height), 0),
  };
}

function routeRight(from: PlacedStep, to: PlacedStep) {
  const [x1, y1, x2, y2] = [from.x + STEP_WIDTH, from.y + HEAD / 2, to.x, to.y + HEAD / 2];
  const bend = Math.max(24, (x2 - x1) / 2);
  return {
    path: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
    labelX: (x1 + x2) / 2,
    labelY: (y1 + y2) / 2,
  };
}

function routeDown(from: PlacedStep, to: PlacedStep) {
  const [x1, y1, x2, y2] = [from.x + STEP_WIDTH / 2, from.y + from.height, to.x + STEP_WIDTH / 2, to.y];
  const bend = Math.max(18, (y2 - y1) / 2);
  return {
    path: `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`,
    labelX: (x1 + x2) / 2,
    labelY: (y1 + y2) / 2,
  };
}

function heightOf(step: Step): number {
  return HEAD + (step.tries.length > 1 ? Math.min(MOST_TRIES, step.tries.length) * TRY + 5 : 0);
}

/** Of many steps alike (a batch of a thousand records) the first few; failed ones come first. */
function foldAlike(steps: readonly Step[]): {
  readonly drawn: readonly Step[];
  readonly more: ReadonlyMap<string, number>;
} {
  const more = new Map<string, number>();
  const left = new Set<string>();
  for (const alike of Map.groupBy(steps, (step) => `${step.causeId} ${step.kind} ${step.title}`).values()) {
    if (alike.length <= MOST_ALIKE) continue;
    const kept = alike.toSorted((a, b) => Number(b.isError) - Number(a.isError)).slice(0, MOST_ALIKE);
    for (const step of alike) if (!kept.includes(step)) left.add(step.id);
    more.set((kept.at(-1) as Step).id, alike.length - kept.length);
  }
  // What stands behind a step that is not drawn is not drawn either; causes come before effects.
  for (const step of steps) if (left.has(step.causeId)) left.add(step.id);
  return { drawn: steps.filter(({ id }) => !left.has(id)), more };
}
