export interface Point {
  /** 0 at the left, 1 at the right: by time. */
  readonly x: number;
  /** 0 at the bottom, 1 at the top: by the logarithm of the duration. */
  readonly y: number;
}

export interface Scatter {
  readonly points: readonly Point[];
  /** Powers of ten (ns) to draw a line at. */
  readonly lines: readonly { readonly y: number; readonly nanos: number }[];
}

/** Places traces by time and duration. The scale runs over whole powers of ten, so that two searches look alike. */
export function scatter(
  items: readonly { readonly timeMs: number; readonly durationNanos: number }[],
  fromMs: number,
  toMs: number,
): Scatter {
  const logs = items.map(({ durationNanos }) => Math.log10(Math.max(1, durationNanos)));
  const low = Math.floor(logs.length === 0 ? 6 : min(logs));
  const high = Math.max(low + 1, Math.ceil(logs.length === 0 ? 9 : max(logs)));
  const width = Math.max(1, toMs - fromMs);
  return {
    points: items.map(({ timeMs }, i) => ({
      x: clamp((timeMs - fromMs) / width),
      y: clamp(((logs[i] as number) - low) / (high - low)),
    })),
    lines: Array.from({ length: high - low + 1 }, (_, i) => ({
      y: i / (high - low),
      nanos: 10 ** (low + i),
    })),
  };
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

function min(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}

function max(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}
