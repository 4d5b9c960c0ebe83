import { useNavigate } from '@tanstack/react-router';
import { type PointerEvent, useMemo, useState } from 'react';
import type { SearchAnswer } from '../api/queries.ts';
import { histogram } from '../layout/histogram.ts';
import { scatter } from '../layout/scatter.ts';
import { formatDuration } from '../text/duration.ts';
import { formatClock } from '../text/time.ts';
import { durationOf, startMsOf } from './summary.ts';

const TOP = 8;
const PLOT = 92;
const BARS = 22;
const HEIGHT = PLOT + 8 + BARS + 20;
const BINS = 90;
/** A drag shorter than this share of the width is a click. */
const LEAST_DRAG = 0.008;

/**
 * What was found over time: dots by duration, and below them how many there were. A dot opens its trace; a drag narrows the search to
 * its stretch of time. The list below says the same to those who cannot see it.
 */
export function ResultPlot(props: {
  readonly answer: SearchAnswer;
  readonly onRange: (fromMs: number, toMs: number) => void;
}) {
  const { summaries } = props.answer;
  const navigate = useNavigate();
  const [drag, setDrag] = useState<{ readonly from: number; readonly to: number }>();
  const { points, lines, bins, from, to } = useMemo(() => layOut(props.answer), [props.answer]);
  const most = bins.reduce((max, bin) => Math.max(max, bin.count), 1);
  const y = (value: number) => TOP + (1 - value) * (PLOT - TOP);

  const fractionOf = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const end = () => {
    if (drag && Math.abs(drag.to - drag.from) > LEAST_DRAG) {
      const at = (fraction: number) => Math.round(from + fraction * (to - from));
      props.onRange(at(Math.min(drag.from, drag.to)), at(Math.max(drag.from, drag.to)));
    }
    setDrag(undefined);
  };

  return (
    <div className="plot" aria-hidden="true">
      <div className="plot-scale" style={{ height: HEIGHT }}>
        {lines.map((line) => (
          <span key={line.nanos} className="mono" style={{ top: y(line.y) }}>
            {roundDuration(line.nanos)}
          </span>
        ))}
        <span className="mono" style={{ top: PLOT + 8 + BARS / 2 }}>
          count
        </span>
      </div>
      <div
        className="plot-area"
        style={{ height: HEIGHT }}
        title="Drag to look at a stretch of time"
        onPointerDown={(event) => {
          if (event.target instanceof SVGCircleElement || event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          const at = fractionOf(event);
          setDrag({ from: at, to: at });
        }}
        onPointerMove={(event) => {
          if (drag) setDrag({ ...drag, to: fractionOf(event) });
        }}
        onPointerUp={end}
        onPointerCancel={() => setDrag(undefined)}
      >
        <svg width="100%" height={HEIGHT} overflow="visible">
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
          {summaries.map((summary, i) => {
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
              left: `${Math.min(drag.from, drag.to) * 100}%`,
              width: `${Math.abs(drag.to - drag.from) * 100}%`,
            }}
          />
        )}
      </div>
    </div>
  );
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
  return { ...scatter(items, from, to), bins: histogram(items, from, to, BINS), from, to };
}

function roundDuration(nanos: number): string {
  return formatDuration(nanos)
    .replace('.00', '')
    .replace(/(\d)\.0 /, '$1 ');
}
