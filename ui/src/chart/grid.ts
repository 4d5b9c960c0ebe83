/** One value for each step of a window: servers leave out steps in which nothing happened. */
export interface Grid<Point> {
  readonly startMs: number;
  readonly stepMs: number;
  /** `undefined` where nothing happened. */
  readonly points: readonly (Point | undefined)[];
}

const MOST_STEPS = 2_000;

export function gridOf<Point extends { readonly timeUnixNano: string }>(
  answer: { readonly startUnixNano: string; readonly endUnixNano: string; readonly stepNano: string },
  points: readonly Point[],
): Grid<Point> {
  const step = Math.max(1, Number(BigInt(answer.stepNano) / 1_000_000n));
  // Steps start on multiples of their length, the window anywhere.
  const startMs = Math.floor(msOf(answer.startUnixNano) / step) * step;
  const count = Math.min(MOST_STEPS, Math.max(1, Math.ceil((msOf(answer.endUnixNano) - startMs) / step)));
  const filled: (Point | undefined)[] = Array.from({ length: count }, () => undefined);
  for (const point of points) {
    const at = Math.floor((msOf(point.timeUnixNano) - startMs) / step);
    if (at >= 0 && at < count) filled[at] = point;
  }
  return { startMs, stepMs: step, points: filled };
}

function msOf(unixNano: string): number {
  return Number(BigInt(unixNano) / 1_000_000n);
}
