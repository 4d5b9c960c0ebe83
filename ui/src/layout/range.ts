/** A stretch of a trace's time, ns from its start. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface Placed {
  /** Fractions of the width, 0..1. */
  readonly left: number;
  readonly width: number;
}

/** Where a bar stands in the range that shows; `undefined` when nothing of it does. */
export function place(start: number, duration: number, range: Range): Placed | undefined {
  const span = range.to - range.from;
  const left = Math.max(0, (start - range.from) / span);
  const right = Math.min(1, (start + duration - range.from) / span);
  return right < 0 || left > 1 || right < left ? undefined : { left, width: right - left };
}

/** Beside which end of its bar a label has room: outside at the right, else outside at the left, else inside. */
export function labelSide(bar: Placed, labelFraction: number): 'right' | 'left' | 'inside' {
  if (bar.left + bar.width + labelFraction <= 1) return 'right';
  return bar.left >= labelFraction ? 'left' : 'inside';
}

/** Round times (1, 2 or 5 times a power of ten; 15 or 30 beyond a minute) at most `most` of them inside the range. */
export function ticks(range: Range, most: number): { readonly values: number[]; readonly step: number } {
  const step = roundStep((range.to - range.from) / most);
  const values: number[] = [];
  for (let i = Math.max(0, Math.ceil(range.from / step - 1e-9)); i * step <= range.to * (1 + 1e-12); i += 1)
    values.push(i * step);
  return { values, step };
}

/** The range that a drag from one fraction to another asks for, inside the one that shows; a click asks for none. */
export function zoom(range: Range, a: number, b: number, least = 0.004): Range | undefined {
  const [from, to] = a < b ? [a, b] : [b, a];
  if (to - from < least) return undefined;
  const width = range.to - range.from;
  return {
    from: range.from + Math.max(0, from) * width,
    to: range.from + Math.min(1, to) * width,
  };
}

/** Of the whole; deeper, a nanosecond would be wider than a screen. */
const NARROWEST = 1e-7;

/** The range made `factor` as long, the time at `fraction` of it staying where it is; `undefined` for the whole. */
export function zoomAround(range: Range, whole: Range, fraction: number, factor: number): Range | undefined {
  const length = whole.to - whole.from;
  const width = Math.max((range.to - range.from) * factor, length * NARROWEST, 1);
  if (width >= length) return undefined;
  const from = range.from + (range.to - range.from - width) * fraction;
  return shifted({ from, to: from + width }, whole);
}

/** The range moved by a share of itself, not beyond the whole. */
export function pan(range: Range, whole: Range, share: number): Range {
  const by = (range.to - range.from) * share;
  return shifted({ from: range.from + by, to: range.to + by }, whole);
}

function shifted(range: Range, whole: Range): Range {
  const width = range.to - range.from;
  const from = Math.min(Math.max(whole.from, range.from), whole.to - width);
  return { from, to: from + width };
}

const MINUTE = 60e9;

function roundStep(least: number): number {
  if (least > MINUTE) {
    const minutes = [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1_440].find((step) => step * MINUTE >= least);
    return (minutes ?? Math.ceil(least / MINUTE / 1_440) * 1_440) * MINUTE;
  }
  if (least > 10e9) return [15e9, 30e9, 60e9].find((step) => step >= least) ?? MINUTE;
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10) * power;
}
