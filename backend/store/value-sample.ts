/**
 * Which of a million spans to look at, so that what is found holds for all of them. Attributes of a span are dear to read and lie in
 * order of time, a thousand spans together; where spans, failed and slow ones lie is cheap to count. So the range is cut into cells,
 * the cells are counted, and then short stretches of it are read whole:
 *
 *     spans     ▁▁▂▇▇▂▁▁▁▂▂▂▁▁      evenly spaced by number of spans, blind to how they ended: `controls`
 *     controls     │ ││ │    │ │
 *     failed           ▪      ▪     when the controls can hold but a few of those: cells that have some, evenly spaced: `failed`, `slow`
 *
 * Evenly spaced and not drawn at random, so that what changes with time (a version, an hour's customers) has the same share in a
 * sample as in the range.
 */
export function sampleOf(cells: readonly Cell[], { startUnixNano, cellNano }: CellGrid): Sample {
  const total = sum(cells, 'spans');
  if (total <= MAX_WHOLE) {
    const last = cells.at(-1)?.at ?? 0;
    return {
      controls: [{ fromUnixNano: startUnixNano, toUnixNano: startUnixNano + cellNano * BigInt(last + 1) }],
    };
  }
  const timeAt = timeline(cells, startUnixNano, cellNano);
  const apart = total / STRETCHES;
  const controls = Array.from({ length: STRETCHES }, (_, i): Stretch => {
    const from = Math.min((i + ((i * GOLDEN) % 1)) * apart, total - SPANS_PER_STRETCH);
    return { fromUnixNano: timeAt(from), toUnixNano: timeAt(from + SPANS_PER_STRETCH) };
  });
  const rare = (of: 'failed' | 'slow') => {
    const chosen = cellsWith(cells, of, total);
    return chosen
      ? {
          [of]: chosen.map(({ at }): Stretch => {
            const fromUnixNano = startUnixNano + cellNano * BigInt(at);
            return { fromUnixNano, toUnixNano: fromUnixNano + cellNano };
          }),
        }
      : {};
  };
  return { controls, ...rare('failed'), ...rare('slow') };
}

/** One cell of the grid and what it has; cells without spans are left out. */
export interface Cell {
  readonly at: number;
  readonly spans: number;
  readonly failed: number;
  readonly slow: number;
}

export interface CellGrid {
  /** Where cell 0 begins. */
  readonly startUnixNano: bigint;
  readonly cellNano: bigint;
}

/** From, up to and without `toUnixNano`. */
export interface Stretch {
  readonly fromUnixNano: bigint;
  readonly toUnixNano: bigint;
}

export interface Sample {
  readonly controls: readonly Stretch[];
  /** Where failed, and slow, spans are taken from; without it those among the controls. */
  readonly failed?: readonly Stretch[];
  readonly slow?: readonly Stretch[];
}

/** So many are all looked at. */
const MAX_WHOLE = 16_000;
const STRETCHES = 32;
const SPANS_PER_STRETCH = 375;
const CONTROLS = STRETCHES * SPANS_PER_STRETCH;
/** Bad ones among the controls from which on no others are looked for. */
const ENOUGH_BAD = 100;
/** The store reads blocks of so many spans, and so many blocks are read for the bad ones alone. */
const SPANS_PER_BLOCK = 1_024;
const MAX_BLOCKS = 64;
/** Multiples of it, less their whole part, are evenly spread however many there are. */
const GOLDEN = 0.618_033_988_75;

/** Cells that have bad ones, when that is more than the controls have. */
function cellsWith(
  cells: readonly Cell[],
  of: 'failed' | 'slow',
  total: number,
): readonly Cell[] | undefined {
  const having = cells.filter((cell) => cell[of] > 0);
  const bad = sum(having, of);
  const amongControls = (bad * CONTROLS) / total;
  if (bad === 0 || amongControls >= ENOUGH_BAD) return undefined;
  const perCell = sum(having, 'spans') / having.length;
  const blocks = perCell / SPANS_PER_BLOCK + 1;
  const count = Math.min(having.length, Math.floor(MAX_BLOCKS / blocks));
  if ((bad / having.length) * count <= amongControls) return undefined;
  const apart = having.length / count;
  return Array.from({ length: count }, (_, i) => having[Math.floor((i + 0.5) * apart)] as Cell);
}

/** The time by which so many spans had begun, taking those of a cell for evenly spread in it. */
function timeline(
  cells: readonly Cell[],
  startUnixNano: bigint,
  cellNano: bigint,
): (position: number) => bigint {
  const before: number[] = [];
  let total = 0;
  for (const { spans } of cells) {
    before.push(total);
    total += spans;
  }
  return (position) => {
    const index = Math.max(
      0,
      before.findLastIndex((count) => count <= position),
    );
    const cell = cells[index] as Cell;
    const part = Math.min(1, (position - (before[index] as number)) / cell.spans);
    return startUnixNano + cellNano * BigInt(cell.at) + BigInt(Math.floor(part * Number(cellNano)));
  };
}

function sum(cells: readonly Cell[], of: 'spans' | 'failed' | 'slow'): number {
  return cells.reduce((total, cell) => total + cell[of], 0);
}
