const WIDTH = 120;
const HEIGHT = 22;

/** Counts as bars, the bad part of each in red. */
export function BarSpark({
  bars,
}: {
  readonly bars: readonly { readonly count: number; readonly bad: number }[];
}) {
  const most = bars.reduce((max, { count }) => Math.max(max, count), 1);
  const width = WIDTH / bars.length;
  const path = (of: (bar: { count: number; bad: number }) => number) =>
    bars
      .map((bar, i) => {
        const value = of(bar);
        if (value === 0) return '';
        const height = Math.max(1.5, (value / most) * (HEIGHT - 1));
        return `M${(i * width).toFixed(1)} ${HEIGHT}v${(-height).toFixed(1)}h${(width * 0.82).toFixed(1)}v${height.toFixed(1)}z`;
      })
      .join('');
  return (
    <Spark>
      <path d={path(({ count }) => count)} className="spark-bar" />
      <path d={path(({ bad }) => bad)} className="spark-bad" />
    </Spark>
  );
}

/** A value over time; breaks where there is none. */
export function LineSpark({ values }: { readonly values: readonly (number | undefined)[] }) {
  const known = values.filter((value) => value !== undefined);
  const most = known.reduce((max, value) => Math.max(max, value), 0) || 1;
  const step = WIDTH / Math.max(1, values.length - 1);
  let path = '';
  let dots = '';
  values.forEach((value, i) => {
    if (value === undefined) return;
    const place = `${(i * step).toFixed(1)} ${(HEIGHT - 3 - (value / most) * (HEIGHT - 6)).toFixed(1)}`;
    const isJoined = values[i - 1] !== undefined;
    if (isJoined || values[i + 1] !== undefined) path += `${isJoined ? 'L' : 'M'}${place}`;
    else dots += `M${place}h0.01`;
  });
  return (
    <Spark>
      <path d={path} className="spark-line" />
      <path d={dots} className="spark-dot" />
    </Spark>
  );
}

function Spark({ children }: { readonly children: React.ReactNode }) {
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} className="spark-base" />
      {children}
    </svg>
  );
}
