/**
 * Time in which nothing of a trace happens, drawn short. Outside the gaps a nanosecond stays as wide as every other.
 *
 *     real    |####|······················|######|        "·" nothing runs
 *     drawn   |####|··|######|
 */
export interface Warp {
  /** Drawn position of a time, both ns from the trace's start. */
  readonly at: (time: number) => number;
  /** The time at a drawn position. */
  readonly timeAt: (drawn: number) => number;
  /** Drawn length of the whole. */
  readonly length: number;
  readonly gaps: readonly DrawnGap[];
}

export interface Gap {
  readonly from: number;
  readonly to: number;
}

export interface DrawnGap extends Gap {
  /** Drawn. */
  readonly drawnFrom: number;
  readonly drawnTo: number;
}

/** A gap is worth a marker when it takes at least this share of the whole. */
const LEAST_SHARE = 0.12;
/** What all gaps together may take of the drawing, and one at most. */
const DRAWN_SHARE = 0.24;
const DRAWN_SHARE_OF_ONE = 0.06;

export function straight(length: number): Warp {
  return { at: (time) => time, timeAt: (drawn) => drawn, length, gaps: [] };
}

/** Stretches in which no span is open, the long ones only. */
export function findGaps(
  spans: readonly { readonly start: number; readonly duration: number }[],
  length: number,
): Gap[] {
  const sorted = spans.toSorted((a, b) => a.start - b.start);
  const gaps: Gap[] = [];
  let reached = 0;
  for (const { start, duration } of sorted) {
    if (start - reached >= length * LEAST_SHARE) gaps.push({ from: reached, to: start });
    reached = Math.max(reached, start + duration);
  }
  return gaps;
}

export function warpOf(gaps: readonly Gap[], length: number): Warp {
  if (gaps.length === 0) return straight(length);
  const idle = gaps.reduce((sum, { from, to }) => sum + to - from, 0);
  const share = Math.min(DRAWN_SHARE_OF_ONE, DRAWN_SHARE / gaps.length);
  // share of the drawn length, of which the gaps take gaps.length × share
  const width = ((length - idle) * share) / (1 - gaps.length * share);
  let saved = 0;
  const drawn = gaps.map((gap): DrawnGap => {
    const drawnFrom = gap.from - saved;
    saved += gap.to - gap.from - width;
    return { ...gap, drawnFrom, drawnTo: drawnFrom + width };
  });
  const move = (value: number, key: 'time' | 'drawn') => {
    let shift = 0;
    for (const gap of drawn) {
      const [from, to, otherFrom, otherTo] =
        key === 'time'
          ? [gap.from, gap.to, gap.drawnFrom, gap.drawnTo]
          : [gap.drawnFrom, gap.drawnTo, gap.from, gap.to];
      if (value <= from) break;
      if (value < to) return otherFrom + ((value - from) / (to - from)) * (otherTo - otherFrom);
      shift = otherTo - to;
    }
    return value + shift;
  };
  return {
    at: (time) => move(time, 'time'),
    timeAt: (position) => move(position, 'drawn'),
    length: length - saved,
    gaps: drawn,
  };
}
