import { useNavigate } from '@tanstack/react-router';
import { type PointerEvent, useMemo, useState } from 'react';
import type { SearchAnswer } from '../api/queries.ts';
import { heatColor } from '../layout/colors.ts';
import { heatCells } from '../layout/heat.ts';
import { scatter } from '../layout/scatter.ts';
import { formatDuration, formatRound } from '../text/duration.ts';
import { formatClock } from '../text/time.ts';
import { durationOf, startMsOf } from './summary.ts';

const TOP = 8;
const PLOT = 92;
export const PLOT_HEIGHT = PLOT + 22;
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
 * The rows that were fetched: dots by time and duration (cells, where there are many). A dot opens its trace; a drag narrows the search
 * to its stretch of time, and one that is high also to its durations. The list below has every trace for those who cannot see the dots,
 * and the bars above can be walked by keys.
 */
export function ResultPlot(props: {
  readonly answer: SearchAnswer;
  readonly onRange: (range: PlotRange) => void;
}) {
  const { summaries } = props.answer;
  const navigate = useNavigate();
  const [drag, setDrag] = useState<Drag>();
  const { points, lines, cells, from, to } = useMemo(() => layOut(props.answer), [props.answer]);
  const y = (value: number) => TOP + (1 - value) * (PLOT - TOP);
  const isHeat = summaries.length > MOST_DOTS;

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
      <div className="plot-scale" style={{ height: PLOT_HEIGHT }} aria-hidden="true">
        {lines.map((line) => (
          <span key={line.nanos} className="mono" style={{ top: y(line.y) }}>
            {formatRound(line.nanos)}
          </span>
        ))}
      </div>
      <div
        className="plot-area"
        style={{ height: PLOT_HEIGHT }}
        title="Drag to look at a stretch of time, or of time and durations"
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
        <svg width="100%" height={PLOT_HEIGHT} overflow="visible" aria-hidden="true">
          {lines.map((line) => (
            <line key={line.nanos} x1="0" x2="100%" y1={y(line.y)} y2={y(line.y)} className="grid-line" />
          ))}
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

/** The plot spans the rows: the newest 50 of an hour would be one stroke in it. */
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
