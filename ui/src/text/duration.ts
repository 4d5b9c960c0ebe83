const DAY = 86_400e9;
const UNITS = [
  { nanos: DAY, name: 'd' },
  { nanos: 3_600e9, name: 'h' },
  { nanos: 60e9, name: 'm' },
  { nanos: 1e9, name: 's' },
  { nanos: 1e6, name: 'ms' },
  { nanos: 1e3, name: 'µs' },
] as const;

/** Nanoseconds with three figures that mean something: 1.24 ms, 38.1 s, 812 ns, 2 m 05 s. */
export function formatDuration(nanos: number): string {
  if (nanos < 0) return `−${formatDuration(-nanos)}`;
  if (nanos >= 60e9) {
    if (nanos >= DAY) return `${Math.floor(nanos / DAY)} d ${Math.floor((nanos % DAY) / 3_600e9)} h`;
    const [large, small, names] =
      nanos >= 3_600e9
        ? [Math.floor(nanos / 3_600e9), Math.floor((nanos % 3_600e9) / 60e9), ['h', 'm']]
        : [Math.floor(nanos / 60e9), Math.floor((nanos % 60e9) / 1e9), ['m', 's']];
    return `${large} ${names[0]} ${String(small).padStart(2, '0')} ${names[1]}`;
  }
  const unit = UNITS.find((unit) => nanos >= unit.nanos);
  if (!unit) return `${Math.round(nanos)} ns`;
  return `${figures(nanos / unit.nanos)} ${unit.name}`;
}

/** A round one, without the zeros that say how exact another would be: 100 ms, 1.5 s. */
export function formatRound(nanos: number): string {
  return formatDuration(nanos)
    .replace(/\.0+(?= )/, '')
    .replace(/(\.\d*[1-9])0+(?= )/, '$1');
}

/** As an axis writes it: no more digits than the step needs. */
export function formatTick(nanos: number, stepNanos: number): string {
  if (nanos === 0) return '0';
  // Minutes and more read as such, unless the step asks for parts of a second; and years are not told in milliseconds.
  if (nanos >= (stepNanos >= 1e9 ? 120e9 : 3_600e9)) return formatDuration(nanos);
  const unit = UNITS.find((unit) => nanos >= unit.nanos && stepNanos >= unit.nanos / 1_000) ?? {
    nanos: 1,
    name: 'ns',
  };
  const decimals = Math.max(0, Math.ceil(-Math.log10(stepNanos / unit.nanos) - 1e-9));
  return `${(nanos / unit.nanos).toFixed(Math.min(decimals, 3))} ${unit.name}`;
}

function figures(value: number): string {
  const rounded = Number(value.toPrecision(3));
  return rounded >= 100 ? rounded.toFixed(0) : rounded >= 10 ? rounded.toFixed(1) : rounded.toFixed(2);
}
