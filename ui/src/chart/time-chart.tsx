import { type KeyboardEvent, type PointerEvent, useState } from 'react';
import { formatClock } from '../text/time.ts';
import './chart.css';

export interface ChartSeries {
  readonly name: string;
  /** A CSS colour. */
  readonly color: string;
  readonly kind: 'bar' | 'line';
  readonly values: readonly (number | undefined)[];
}

const HEIGHT = 128;
const BOTTOM = 18;
const PLOT = HEIGHT - BOTTOM;
const TICKS = 3;

/**
 * Values over equal steps of time, from 0 up. Bars of several series stand before each other (the later in front), lines over them.
 * The pointer, or the arrow keys, read a step.
 */
export function TimeChart(props: {
  readonly label: string;
  readonly startMs: number;
  readonly stepMs: number;
  readonly series: readonly ChartSeries[];
  readonly format: (value: number) => string;
}) {
  const { series, startMs, stepMs, format } = props;
  const [at, setAt] = useState<number>();
  const count = series.reduce((max, { values }) => Math.max(max, values.length), 1);
  const most = niceCeil(
    series.reduce((max, { values }) => values.reduce<number>((m, value) => Math.max(m, value ?? 0), max), 0),
  );
  const x = (i: number) => `${((i + 0.5) / count) * 100}%`;
  const y = (value: number) => 4 + (1 - value / most) * (PLOT - 4);
  const onMove = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    setAt(Math.min(count - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * count))));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const next = {
      ArrowLeft: Math.max(0, (at ?? count) - 1),
      ArrowRight: Math.min(count - 1, (at ?? -1) + 1),
      Home: 0,
      End: count - 1,
      Escape: null,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    setAt(next ?? undefined);
  };
  const isHovered = at !== undefined && at < count;
  return (
    <figure className="chart" aria-label={props.label}>
      <figcaption className="chart-head">
        <span className="chart-title">{props.label}</span>
        {isHovered && <span className="mono dim">{formatClock(startMs + at * stepMs).slice(0, 5)}</span>}
        <span className="spacer" />
        {series.map(({ name, color, values }) => (
          <span key={name} className="chart-key">
            <i style={{ background: color }} />
            {name}
            {isHovered && <b className="mono">{values[at] === undefined ? '·' : format(values[at])}</b>}
          </span>
        ))}
      </figcaption>
      <div className="chart-body">
        <div className="chart-scale" style={{ height: HEIGHT }} aria-hidden="true">
          {Array.from({ length: TICKS }, (_, i) => (most * i) / (TICKS - 1)).map((value) => (
            <span key={value} className="mono" style={{ top: y(value) }}>
              {format(value)}
            </span>
          ))}
        </div>
        <div
          className="chart-area"
          role="group"
          aria-label={`${props.label}: ${summaryOf(series, format)}. Arrow keys read a step.`}
          tabIndex={0}
          onKeyDown={onKeyDown}
          onBlur={() => setAt(undefined)}
          onPointerMove={onMove}
          onPointerLeave={() => setAt(undefined)}
        >
          <span className="sr" role="status">
            {isHovered && sayStep(series, at, startMs + at * stepMs, format)}
          </span>
          <svg width="100%" height={HEIGHT} overflow="visible" aria-hidden="true">
            {Array.from({ length: TICKS }, (_, i) => (most * i) / (TICKS - 1)).map((value) => (
              <line key={value} x1="0" x2="100%" y1={y(value)} y2={y(value)} className="grid-line" />
            ))}
            {series
              .filter(({ kind }) => kind === 'bar')
              .flatMap(({ name, color, values }) =>
                values.map((value, i) =>
                  value ? (
                    <rect
                      key={`${name} ${i}`}
                      x={`${((i + 0.09) / count) * 100}%`}
                      width={`${(0.82 / count) * 100}%`}
                      y={Math.min(y(value), PLOT - 1.5)}
                      height={Math.max(1.5, PLOT - y(value))}
                      style={{ fill: color }}
                    />
                  ) : null,
                ),
              )}
            {series
              .filter(({ kind }) => kind === 'line')
              .flatMap(({ name, color, values }) =>
                values.flatMap((value, i) => {
                  if (value === undefined) return [];
                  const next = values.findIndex((other, k) => k > i && other !== undefined);
                  return [
                    next > i && (
                      <line
                        key={`${name} ${i}`}
                        x1={x(i)}
                        x2={x(next)}
                        y1={y(value)}
                        y2={y(values[next] ?? 0)}
                        className="chart-line"
                        style={{ stroke: color }}
                      />
                    ),
                    <circle
                      key={`${name} dot ${i}`}
                      cx={x(i)}
                      cy={y(value)}
                      r={count > 80 ? 1 : 1.8}
                      style={{ fill: color }}
                    />,
                  ];
                }),
              )}
            {isHovered && <line x1={x(at)} x2={x(at)} y1="0" y2={PLOT} className="chart-cursor" />}
          </svg>
          <span className="plot-time mono" style={{ left: 0 }}>
            {formatClock(startMs).slice(0, 5)}
          </span>
          <span className="plot-time mono" style={{ right: 0 }}>
            {formatClock(startMs + count * stepMs).slice(0, 5)}
          </span>
        </div>
      </div>
    </figure>
  );
}

function sayStep(
  series: readonly ChartSeries[],
  at: number,
  ms: number,
  format: (value: number) => string,
): string {
  const values = series.map(({ name, values }) => {
    const value = values[at];
    return `${name} ${value === undefined ? 'none' : format(value)}`;
  });
  return `${formatClock(ms).slice(0, 5)}: ${values.join(', ')}`;
}

/** The least of 1, 2, 4, 5 or 10 times a power of ten that is not below. */
export function niceCeil(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 5, 10].find((factor) => factor * power >= value) ?? 10) * power;
}

function summaryOf(series: readonly ChartSeries[], format: (value: number) => string): string {
  return series
    .map(({ name, values }) => {
      const known = values.filter((value) => value !== undefined);
      return known.length === 0
        ? `no ${name}`
        : `${name} up to ${format(known.reduce((max, value) => Math.max(max, value), 0))}`;
    })
    .join(', ');
}
