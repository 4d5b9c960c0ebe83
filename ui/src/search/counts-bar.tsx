import { type KeyboardEvent, type PointerEvent, useMemo, useState } from 'react';
import type { SearchCountsJson } from '../../../backend/query/shapes.ts';
import { type Bin, fillBins, stepBin, stretchOf } from '../layout/histogram.ts';
import { formatMoment, timeTicks } from '../layout/time-ticks.ts';
import { formatCount } from '../text/number.ts';
import { formatClock } from '../text/time.ts';

const TOP = 6;
const BARS = 40;
const HEIGHT = TOP + BARS + 18;
const MOST_TICKS = 7;

interface Choice {
  readonly anchor: number;
  readonly at: number;
}

/**
 * How many traces there are in all of the time that is searched, not only among the rows that were fetched. A click on a bar, or a drag
 * over several, narrows the search to them; so do keys.
 */
export function CountsBar(props: {
  /** Of the time that is searched, ms since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
  /** `undefined` while they are counted, or when that failed. */
  readonly counts: SearchCountsJson | undefined;
  /** They are of another search, and will be replaced. */
  readonly isOld: boolean;
  readonly error: Error | null;
  /** What the rows below cover, when that is not all. */
  readonly rows: { readonly fromMs: number; readonly toMs: number } | undefined;
  readonly onRange: (range: { readonly fromMs: number; readonly toMs: number }) => void;
}) {
  const { counts, rows } = props;
  const bins = useMemo(() => (counts ? fillBins(counts, props.toMs) : []), [counts, props.toMs]);
  const from = bins[0]?.fromMs ?? props.fromMs;
  const to = bins.at(-1)?.toMs ?? props.toMs;
  const most = bins.reduce((max, { count }) => Math.max(max, count), 1);
  const x = (ms: number) => `${Math.min(1, Math.max(0, (ms - from) / (to - from))) * 100}%`;
  const isAtEnd = (ms: number) => (ms - from) / (to - from) > 0.92;
  const [chosen, setChosen] = useState<Choice>();
  const [isDragging, setDragging] = useState(false);
  const told = chosen && stretchOf(bins, chosen.anchor, chosen.at);
  const narrow = (choice: Choice | undefined) => {
    setDragging(false);
    setChosen(undefined);
    if (!choice) return;
    const { fromMs, toMs, count } = stretchOf(bins, choice.anchor, choice.at);
    if (count > 0) props.onRange({ fromMs: Math.floor(fromMs), toMs: Math.ceil(toMs) });
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      const next = stepBin(bins, chosen?.at, event.key === 'ArrowRight' ? 1 : -1);
      if (next !== undefined)
        setChosen({ anchor: event.shiftKey ? (chosen?.anchor ?? next) : next, at: next });
    } else if (event.key === 'Escape') setChosen(undefined);
    else if (event.key === 'Enter' && chosen) narrow(chosen);
    else return;
    event.preventDefault();
  };
  const binAt = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const fraction = (event.clientX - box.left) / box.width;
    return Math.min(bins.length - 1, Math.max(0, Math.floor(fraction * bins.length)));
  };

  return (
    <div className={props.isOld ? 'plot counts is-old' : 'plot counts'}>
      <div className="plot-scale" style={{ height: HEIGHT }} aria-hidden="true">
        {counts && (
          <span className="mono" style={{ top: TOP + 5 }}>
            {formatCount(most)}
          </span>
        )}
        <span style={{ top: TOP + BARS - 6 }}>traces</span>
      </div>
      <div
        className="plot-area"
        style={{ height: HEIGHT }}
        role="group"
        aria-label="How many over time. Arrow keys choose a bar, with Shift several; Enter narrows the search to them."
        tabIndex={0}
        onKeyDown={onKeyDown}
        onBlur={() => setChosen(undefined)}
        onPointerDown={(event) => {
          if (bins.length === 0 || event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          const at = binAt(event);
          setChosen({ anchor: at, at });
          setDragging(true);
        }}
        onPointerMove={(event) => {
          if (bins.length === 0) return;
          const at = binAt(event);
          setChosen(isDragging && chosen ? { ...chosen, at } : { anchor: at, at });
        }}
        onPointerUp={() => narrow(isDragging ? chosen : undefined)}
        onPointerCancel={() => narrow(undefined)}
        onPointerLeave={() => {
          if (!isDragging) setChosen(undefined);
        }}
      >
        <svg width="100%" height={HEIGHT} aria-hidden="true">
          {bins.map((bin) => (
            <Bar key={bin.fromMs} bin={bin} most={most} x={x(bin.fromMs)} width={80 / bins.length} />
          ))}
          <line x1="0" x2="100%" y1={TOP + BARS + 0.5} y2={TOP + BARS + 0.5} className="axis-line" />
          {timeTicks(from, to, MOST_TICKS, -new Date(from).getTimezoneOffset() * 60_000).map((ms) => (
            <g key={ms}>
              <line x1={x(ms)} x2={x(ms)} y1={TOP + BARS} y2={TOP + BARS + 4} className="axis-line" />
              <text
                x={x(ms)}
                dx={isAtEnd(ms) ? -4 : 4}
                y={HEIGHT - 4}
                textAnchor={isAtEnd(ms) ? 'end' : 'start'}
                className="axis"
              >
                {formatMoment(ms, to - from)}
              </text>
            </g>
          ))}
        </svg>
        {rows && counts && (
          <i
            className="plot-rows"
            style={{
              left: x(rows.fromMs),
              width: `max(3px, ${((rows.toMs - rows.fromMs) / (to - from)) * 100}%)`,
            }}
            title="The rows below are of this time"
          />
        )}
        {chosen && (
          <i
            className="plot-brush"
            style={{
              left: `${(Math.min(chosen.anchor, chosen.at) / bins.length) * 100}%`,
              width: `${((Math.abs(chosen.at - chosen.anchor) + 1) / bins.length) * 100}%`,
            }}
          />
        )}
        <span className={told ? 'plot-told' : 'plot-told sr'} role="status">
          {told && say(told)}
        </span>
        {!counts && (
          <span className="plot-told dim">
            {props.error ? `Not counted: ${props.error.message}` : 'Counting…'}
          </span>
        )}
      </div>
    </div>
  );
}

function Bar(props: {
  readonly bin: Bin;
  readonly most: number;
  readonly x: string;
  readonly width: number;
}) {
  const { bin, most } = props;
  if (bin.count === 0) return null;
  const height = Math.max(2, (bin.count / most) * BARS);
  const errors = bin.errorCount === 0 ? 0 : Math.max(1.5, (bin.errorCount / bin.count) * height);
  const place = { x: props.x, width: `${props.width}%` };
  return (
    <>
      <rect {...place} y={TOP + BARS - height} height={height - errors} className="plot-bar" />
      <rect {...place} y={TOP + BARS - errors} height={errors} className="plot-bar plot-bar-error" />
    </>
  );
}

function say({ fromMs, toMs, count, errorCount }: Bin): string {
  const clock = (ms: number) => (toMs - fromMs < 5_000 ? formatClock(ms) : formatClock(ms).slice(0, 8));
  const errors = errorCount > 0 ? `, ${formatCount(errorCount)} with errors` : '';
  return `${clock(fromMs)} to ${clock(toMs)}: ${formatCount(count)} ${count === 1 ? 'trace' : 'traces'}${errors}`;
}
