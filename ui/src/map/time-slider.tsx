import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { RedPointJson } from '../../../backend/query/shapes.ts';
import { redQuery } from '../api/queries.ts';
import { gridOf } from '../chart/grid.ts';
import { BarSpark } from '../chart/sparkline.tsx';
import '../chart/chart.css';
import { formatClock, formatDay } from '../text/time.ts';
import { endAt, positionOf, type Slice, SLICES } from './slice.ts';

/** All of the time, or one of its slices; above it how much there was, so that the slice with the trouble is seen. */
export function TimeSlider(props: {
  readonly lookbackMs: number;
  readonly slice: Slice | undefined;
  readonly onSlice: (endMs: number | undefined) => void;
}) {
  const { lookbackMs, slice, onSlice } = props;
  const red = useQuery(redQuery(lookbackMs));
  const bars = useMemo(() => {
    if (!red.data) return [];
    const counts: { count: number; bad: number }[] = [];
    for (const { points } of red.data.series)
      gridOf<RedPointJson>(red.data, points).points.forEach((point, i) => {
        const bar = (counts[i] ??= { count: 0, bad: 0 });
        bar.count += point?.calls ?? 0;
        bar.bad += point?.errors ?? 0;
      });
    return counts;
  }, [red.data]);
  const position = positionOf(slice, lookbackMs, Date.now());
  const said = slice ? sayTime(slice) : 'all of it';
  return (
    <div className="time-slider">
      <label htmlFor="time-slice" className="dim">
        Time
      </label>
      <div className="time-track">
        <BarSpark bars={bars} />
        {position > 0 && (
          <i style={{ left: `${((position - 1) / SLICES) * 100}%`, width: `${100 / SLICES}%` }} />
        )}
        <input
          id="time-slice"
          type="range"
          min={0}
          max={SLICES}
          step={1}
          value={position}
          aria-valuetext={said}
          onChange={(event) => onSlice(endAt(Number(event.currentTarget.value), lookbackMs, Date.now()))}
        />
      </div>
      <span className="time-said mono" role="status">
        {said}
      </span>
      {slice && (
        <button type="button" className="linkish" onClick={() => onSlice(undefined)}>
          All of it
        </button>
      )}
    </div>
  );
}

function sayTime({ fromMs, toMs }: Slice): string {
  const isToday = formatDay(fromMs) === formatDay(Date.now());
  const day = isToday ? '' : `${formatDay(fromMs).slice(5)} `;
  return `${day}${formatClock(fromMs).slice(0, 5)} – ${formatClock(toMs).slice(0, 5)}`;
}
