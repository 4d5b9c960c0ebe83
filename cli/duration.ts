/** Nanoseconds for people: four significant digits at most, one unit, `1.234 ms`. */
export function formatDuration(nanoseconds: bigint | number): string {
  const ns = Number(nanoseconds);
  const size = Math.abs(ns);
  if (size < 1_000) return `${Math.round(ns)} ns`;
  if (size < 1_000_000) return `${digits(ns / 1_000)} µs`;
  if (size < 1_000_000_000) return `${digits(ns / 1_000_000)} ms`;
  if (size < 60_000_000_000) return `${digits(ns / 1_000_000_000)} s`;
  const seconds = Math.round(ns / 1_000_000_000);
  return `${Math.trunc(seconds / 60)} min ${Math.abs(seconds % 60)} s`;
}

function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0);
}
