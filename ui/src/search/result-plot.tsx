import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, type PointerEvent, useMemo, useState } from 'react';
import type { SearchAnswer } from '../api/queries.ts';
import { heatColor } from '../layout/colors.ts';
import { heatCells } from '../layout/heat.ts';
import { type Bin, histogram, stepBin } from '../layout/histogram.ts';
import { scatter } from '../layout/scatter.ts';
import { formatDuration, formatRound } from '../text/duration.ts';
import { formatClock } from '../text/time.ts';
import { durationOf, startMsOf } from './summary.ts';

const TOP = 8;
const PLOT = 92;
const BARS = 22;
const HEIGHT = PLOT + 8 + BARS + 20;
const BINS = 90;
/** A drag shorter than this share of the width is a click. */
const LEAST_DRAG = 0.008;
/** A drag over more than this share of the height asks for durations too. */
const LEAST_HEIGHT = 0.12;
/** Beyond it dots lie on each other, and cells that are counted say more. */
const MOST_DOTS = 400;
const HEAT_COLUMNS = 72;
const HEAT_ROWS = 12;

/** What a drag asks for. Durations as the search bar writes them, absent when it was over time alone. */
export interface PlotRange {
  readonly fromMs: number;
  readonly toMs: number;
  readonly min?: string;
  readonly max?: string;
}

interface Drag {
  readonly from: { readonly x: number; readonly y: number };
  readonly to: { readonly x: number; readonly y: number };
}

/**
 * What was found over time: dots by duration (cells, where there are many), and below them how many there were. A dot opens its trace; a
 * drag narrows the search to its stretch of time, and one that is high also to its durations. Keys choose among the bars; the list below
 * has every trace for those who cannot see the dots.
 */
export function ResultPlot(props: {
  readonly answer: SearchAnswer;
  readonly onRange: (range: PlotRange) => void;
}) {
  const { summaries } = props.answer;
  const navigate = useNavigate();
  const [drag, setDrag] = useState<Drag>();
  const { points, lines, bins, cells, from, to } = useMemo(() => layOut(props.answer), [props.answer]);
  const most = bins.reduce((max, bin) => Math.max(max, bin.count), 1);
  const y = (value: number) => TOP + (1 - value) * (PLOT - TOP);
  const isHeat = summaries.length > MOST_DOTS;

  const [chosen, setChosen] = useState<{ readonly anchor: number; readonly at: number }>();
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      const next = stepBin(bins, chosen?.at, event.key === 'ArrowRight' ? 1 : -1);
      if (next !== undefined)
        setChosen({ anchor: event.shiftKey ? (chosen?.anchor ?? next) : next, at: next });
    } else if (event.key === 'Escape') setChosen(undefined);
    else if (event.key === 'Enter' && chosen) {
      const { fromMs, toMs } = stretchOf(bins, chosen);
      props.onRange({ fromMs: Math.floor(fromMs), toMs: Math.ceil(toMs) });
    } else return;
    event.preventDefault();
  };

  const at = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const height = (event.clientY - box.top - TOP) / (PLOT - TOP);
    return { x: clamp((event.clientX - box.left) / box.width), y: 1 - clamp(height) };
  };
  const end = () => {
    if (drag && Math.abs(drag.to.x - drag.from.x) > LEAST_DRAG) {
      const [left, right] = inOrder(drag.from.x, drag.to.x);
      const [low, high] = inOrder(drag.from.y, drag.to.y);
      const timeAt = (fraction: number) => Math.round(from + fraction * (to - from));
      props.onRange({
        fromMs: timeAt(left),
        toMs: timeAt(right),
        ...(high - low > LEAST_HEIGHT
          ? { min: searchDuration(durationAt(lines, low)), max: searchDuration(durationAt(lines, high)) }
          : {}),
      });
    }
    setDrag(undefined);
  };
  const isTall = drag !== undefined && Math.abs(drag.to.y - drag.from.y) > LEAST_HEIGHT;

  return (
    <div className="plot">
      <div className="plot-scale" style={{ height: HEIGHT }} aria-hidden="true">
        {lines.map((line) => (
          <span key={line.nanos} className="mono" style={{ top: y(line.y) }}>
            {formatRound(line.nanos)}
          </span>
        ))}
        <span className="mono" style={{ top: PLOT + 8 + BARS / 2 }}>
          count
        </span>
      </div>
      <div
        className="plot-area"
        style={{ height: HEIGHT }}
        title="Drag to look at a stretch of time, or of time and durations"
        role="group"
        aria-label="How many over time. Arrow keys choose a bar, with Shift several; Enter narrows the search to them."
        tabIndex={0}
        onKeyDown={onKeyDown}
        onBlur={() => setChosen(undefined)}
        onPointerDown={(event) => {
          if (event.target instanceof SVGCircleElement || event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag({ from: at(event), to: at(event) });
        }}
        onPointerMove={(event) => {
          if (drag) setDrag({ ...drag, to: at(event) });
        }}
        onPointerUp={end}
        onPointerCancel={() => setDrag(undefined)}
      >
        <span className="sr" role="status">
          {chosen && sayStretch(bins, chosen)}
        </span>
        <svg width="100%" height={HEIGHT} overflow="visible" aria-hidden="true">
          {lines.map((line) => (
            <line key={line.nanos} x1="0" x2="100%" y1={y(line.y)} y2={y(line.y)} className="grid-line" />
          ))}
          {bins.map((bin, i) => {
            if (bin.count === 0) return null;
            const height = Math.max(2, (bin.count / most) * BARS);
            const errors = (bin.errorCount / bin.count) * height;
            const bottom = PLOT + 8 + BARS;
            return (
              <g key={i}>
                <rect
                  x={`${(i / BINS) * 100}%`}
                  width={`${(0.8 / BINS) * 100}%`}
                  y={bottom - height}
                  height={height - errors}
                  className="plot-bar"
                />
                <rect
                  x={`${(i / BINS) * 100}%`}
                  width={`${(0.8 / BINS) * 100}%`}
                  y={bottom - errors}
                  height={errors}
                  className="plot-bar plot-bar-error"
                />
              </g>
            );
          })}
          <line x1="0" x2="100%" y1={PLOT + 8.5 + BARS} y2={PLOT + 8.5 + BARS} className="axis-line" />
          {isHeat &&
            cells.map((cell) => (
              <rect
                key={`${cell.column} ${cell.row}`}
                x={`${(cell.column / HEAT_COLUMNS) * 100}%`}
                width={`${(0.94 / HEAT_COLUMNS) * 100}%`}
                y={y((cell.row + 1) / HEAT_ROWS)}
                height={(PLOT - TOP) / HEAT_ROWS - 0.5}
                style={{ fill: heatColor(cell.heat) }}
                className={cell.errorCount > 0 ? 'heat-error' : undefined}
              >
                <title>{`${cell.count} traces${cell.errorCount > 0 ? `, ${cell.errorCount} with errors` : ''}`}</title>
              </rect>
            ))}
          {(isHeat ? [] : summaries).map((summary, i) => {
            const point = points[i];
            if (!point) return null;
            return (
              <circle
                key={summary.traceId}
                cx={`${point.x * 100}%`}
                cy={y(point.y)}
                r={Math.min(8, 2.5 + Math.sqrt(summary.spanCount) / 3)}
                className={summary.errorSpanCount > 0 ? 'dot dot-error' : 'dot'}
                onClick={() => void navigate({ to: '/trace/$traceId', params: { traceId: summary.traceId } })}
              >
                <title>{`${summary.rootServiceName} ${summary.rootOperationName} · ${formatDuration(durationOf(summary))} · ${summary.spanCount} spans`}</title>
              </circle>
            );
          })}
        </svg>
        <span className="plot-time mono" style={{ left: 0 }}>
          {formatClock(from)}
        </span>
        <span className="plot-time mono" style={{ right: 0 }}>
          {formatClock(to)}
        </span>
        {chosen && (
          <i
            className="plot-brush"
            style={{
              left: `${(Math.min(chosen.anchor, chosen.at) / BINS) * 100}%`,
              width: `${((Math.abs(chosen.at - chosen.anchor) + 1) / BINS) * 100}%`,
            }}
          />
        )}
        {drag && (
          <i
            className="plot-brush"
            style={{
              left: `${Math.min(drag.from.x, drag.to.x) * 100}%`,
              width: `${Math.abs(drag.to.x - drag.from.x) * 100}%`,
              ...(isTall
                ? {
                    top: y(Math.max(drag.from.y, drag.to.y)),
                    height: Math.abs(drag.to.y - drag.from.y) * (PLOT - TOP),
                  }
                : {}),
            }}
          />
        )}
      </div>
    </div>
  );
}

/** From the first to the last bin of a choice. */
function stretchOf(bins: readonly Bin[], chosen: { readonly anchor: number; readonly at: number }) {
  const [first, last] = inOrder(chosen.anchor, chosen.at);
  const between = bins.slice(first, last + 1);
  return {
    fromMs: bins[first]?.fromMs ?? 0,
    toMs: bins[last]?.toMs ?? 0,
    count: between.reduce((sum, { count }) => sum + count, 0),
    errorCount: between.reduce((sum, { errorCount }) => sum + errorCount, 0),
  };
}

function sayStretch(bins: readonly Bin[], chosen: { readonly anchor: number; readonly at: number }): string {
  const { fromMs, toMs, count, errorCount } = stretchOf(bins, chosen);
  const errors = errorCount > 0 ? `, ${errorCount} with errors` : '';
  return `${formatClock(fromMs)} to ${formatClock(toMs)}: ${count} ${count === 1 ? 'trace' : 'traces'}${errors}`;
}

/** The plot spans what was found: an hour's search with a minute of traffic would be one stroke. */
function layOut({ summaries }: SearchAnswer) {
  const items = summaries.map((summary) => ({
    timeMs: startMsOf(summary),
    durationNanos: durationOf(summary),
    isError: summary.errorSpanCount > 0,
  }));
  const first = items.reduce((min, { timeMs }) => Math.min(min, timeMs), Infinity);
  const last = items.reduce((max, { timeMs }) => Math.max(max, timeMs), -Infinity);
  const pad = Math.max(500, (last - first) * 0.02);
  const [from, to] = [first - pad, last + pad];
  const placed = scatter(items, from, to);
  const dots = placed.points.map((point, i) => ({ ...point, isError: items[i]?.isError === true }));
  return {
    ...placed,
    bins: histogram(items, from, to, BINS),
    cells: heatCells(dots, HEAT_COLUMNS, HEAT_ROWS),
    from,
    to,
  };
}

/** ns at a height of the plot, whose scale runs over powers of ten. */
function durationAt(lines: readonly { readonly nanos: number }[], height: number): number {
  const low = Math.log10(lines[0]?.nanos ?? 1);
  const high = Math.log10(lines.at(-1)?.nanos ?? 10);
  return 10 ** (low + height * (high - low));
}

/** With two figures: 1.3ms, 250us. */
function searchDuration(nanos: number): string {
  const [unit, name] = nanos >= 1e9 ? [1e9, 's'] : nanos >= 1e6 ? [1e6, 'ms'] : [1e3, 'us'];
  return `${Number((nanos / unit).toPrecision(2))}${name}`;
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

function inOrder(a: number, b: number): readonly [number, number] {
  return a < b ? [a, b] : [b, a];
}
