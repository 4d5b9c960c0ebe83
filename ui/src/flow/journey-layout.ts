import type { Step, Way } from './journey.ts';

export const STEP_WIDTH = 188;
const COLUMN_GAP = 76;
const ROW_GAP = 18;
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

/** Time goes to the right, a column for each step on the way; what one step caused stands in the middle beside it. */
export function layOutJourney(steps: readonly Step[], ways: readonly Way[]): JourneyLayout {
  const { drawn, more } = foldAlike(steps);
  const ids = new Set(drawn.map(({ id }) => id));
  const effects = Map.groupBy(drawn, (step) => (ids.has(step.causeId) ? step.causeId : ''));
  const placed = new Map<string, PlacedStep>();
  let bottom = 0;

  const put = (step: Step, column: number): PlacedStep => {
    const height = heightOf(step);
    const below = (effects.get(step.id) ?? []).map((effect) => put(effect, column + 1));
    const [first] = below;
    const last = below.at(-1);
    let y = bottom;
    if (first && last)
      y = Math.max(first.y, (first.y + first.height / 2 + last.y + last.height / 2) / 2 - height / 2);
    bottom = Math.max(bottom, y + height + ROW_GAP);
    const entry = {
      step,
      x: column * (STEP_WIDTH + COLUMN_GAP),
      y,
      height,
      moreAlike: more.get(step.id) ?? 0,
    };
    placed.set(step.id, entry);
    return entry;
  };
  for (const root of effects.get('') ?? []) put(root, 0);

  const all = [...placed.values()];
  return {
    steps: all,
    ways: ways.flatMap((way) => {
      const [from, to] = [placed.get(way.from), placed.get(way.to)];
      if (!from || !to) return [];
      const [x1, y1, x2, y2] = [from.x + STEP_WIDTH, from.y + HEAD / 2, to.x, to.y + HEAD / 2];
      const bend = Math.max(24, (x2 - x1) / 2);
      return [
        {
          way,
          path: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
          labelX: (x1 + x2) / 2,
          labelY: (y1 + y2) / 2,
        },
      ];
    }),
    width: all.reduce((max, { x }) => Math.max(max, x + STEP_WIDTH), 0),
    height: all.reduce((max, { y, height }) => Math.max(max, y + height), 0),
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
