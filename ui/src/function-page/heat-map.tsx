import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, type MouseEvent, useMemo, useState } from 'react';
import type { HeatmapColumnJson, HeatmapJson } from '../../../backend/query/shapes.ts';
import { heatmapQuery } from '../api/queries.ts';
import { type Grid, gridOf } from '../chart/grid.ts';
import '../chart/chart.css';
import {
  DENSITIES,
  type Density,
  type DensityCell,
  densityOf,
  type Direction,
  logPlace,
  logTicks,
  stepCell,
} from '../layout/density.ts';
import { formatDuration, formatRound } from '../text/duration.ts';
import { formatCount } from '../text/number.ts';
import { formatClock } from '../text/time.ts';
import { searchOfCell } from './cell-search.ts';

const HEIGHT = 168;
const BOTTOM = 20;
/** Below the cells: how much of a step failed. */
const ERRORS = 6;
const MOST_TICKS = 6;
const KEYS: Readonly<Record<string, Direction>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
  Home: 'first',
  End: 'last',
};

/** How many calls took how long, over time: what a mean and a percentile hide, such as two kinds of calls under one name. */
export function HeatMap({ name, lookbackMs }: { readonly name: string; readonly lookbackMs: number }) {
  const heatmap = useQuery(heatmapQuery(name, lookbackMs));
  return (
    <section className="heat-map" aria-labelledby="heat-map">
      {heatmap.data && heatmap.data.columns.length > 0 ? (
        <Picture name={name} heatmap={heatmap.data} />
      ) : (
        <>
          <h2 id="heat-map">Durations over time</h2>
          <p className="home-none">
            {heatmap.isError
              ? `They cannot be had: ${heatmap.error.message}`
              : heatmap.data
                ? 'None.'
                : 'Loading…'}
          </p>
        </>
      )}
    </section>
  );
}

function Picture({ name, heatmap }: { readonly name: string; readonly heatmap: HeatmapJson }) {
  const navigate = useNavigate();
  const grid = useMemo(() => gridOf(heatmap, heatmap.columns), [heatmap]);
  const bounds = useMemo(() => heatmap.boundsNano.map(Number), [heatmap]);
  const density = useMemo(() => densityOf(grid.points, Math.max(1, bounds.length - 1)), [grid, bounds]);
  const [place, setPlace] = useState<{ readonly column: number; readonly row: number }>();
  // What the cell holds may change under the pointer: the map is asked for again and again.
  const at = place && density.cells.find(({ column, row }) => column === place.column && row === place.row);
  const open = (cell: DensityCell) =>
    void navigate({ to: '/search', search: searchOfCell(name, grid, bounds, cell) });
  const cellUnder = (event: MouseEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * density.columnCount);
    const row = Math.floor((1 - (event.clientY - box.top) / HEIGHT) * density.rowCount);
    return density.cells.find((cell) => cell.column === column && cell.row === row);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const direction = KEYS[event.key];
    if (direction) setPlace(stepCell(density, at, direction));
    else if (event.key === 'Enter' && at) open(at);
    else if (event.key === 'Escape') setPlace(undefined);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <header className="chart-head">
        <h2 id="heat-map">Durations over time</h2>
        <Told name={name} grid={grid} bounds={bounds} at={at} />
        <span className="spacer" />
        <Legend most={density.most} />
      </header>
      <div className="chart-body">
        <Scale bounds={bounds} />
        <div
          className="heat-area"
          role="group"
          aria-label="Durations over time. Arrow keys go from cell to cell, Enter lists its traces."
          tabIndex={0}
          onKeyDown={onKeyDown}
          onPointerMove={(event) => setPlace(cellUnder(event))}
          onPointerLeave={() => setPlace(undefined)}
          onBlur={() => setPlace(undefined)}
          onClick={(event) => {
            const cell = cellUnder(event);
            if (cell) open(cell);
          }}
        >
          <Cells density={density} grid={grid} />
          {at && (
            <i
              className="heat-cursor"
              style={{
                left: `${(at.column / density.columnCount) * 100}%`,
                width: `${100 / density.columnCount}%`,
                top: HEIGHT - ((at.row + 1) / density.rowCount) * HEIGHT,
                height: HEIGHT / density.rowCount,
              }}
            />
          )}
          <span className="plot-time mono" style={{ left: 0 }}>
            {formatClock(grid.startMs).slice(0, 5)}
          </span>
          <span className="plot-time mono" style={{ right: 0 }}>
            {formatClock(grid.startMs + density.columnCount * grid.stepMs).slice(0, 5)}
          </span>
        </div>
      </div>
    </>
  );
}

/** Drawn once: the cursor moves over it. */
function Cells({ density, grid }: { readonly density: Density; readonly grid: Grid<HeatmapColumnJson> }) {
  return useMemo(() => {
    const { columnCount, rowCount } = density;
    const height = HEIGHT / rowCount;
    return (
      <svg width="100%" height={HEIGHT + ERRORS + BOTTOM} aria-hidden="true">
        <line x1="0" x2="100%" y1={HEIGHT + 0.5} y2={HEIGHT + 0.5} className="axis-line" />
        {density.cells.map((cell) => (
          <rect
            key={`${cell.column} ${cell.row}`}
            x={`${(cell.column / columnCount) * 100}%`}
            width={`${(0.94 / columnCount) * 100}%`}
            y={HEIGHT - (cell.row + 1) * height}
            height={height - 0.5}
            style={{ fill: `var(--dense-${cell.density})` }}
          />
        ))}
        {grid.points.map(
          (point, column) =>
            point !== undefined &&
            point.errors > 0 && (
              <rect
                key={column}
                x={`${(column / columnCount) * 100}%`}
                width={`${(0.94 / columnCount) * 100}%`}
                y={HEIGHT + 2}
                height={Math.max(1.5, (point.errors / point.invocations) * ERRORS)}
                className="plot-bar-error"
              />
            ),
        )}
      </svg>
    );
  }, [density, grid]);
}

/** What the cell under the pointer, or the keys, holds. */
function Told(props: {
  readonly name: string;
  readonly grid: Grid<HeatmapColumnJson>;
  readonly bounds: readonly number[];
  readonly at: DensityCell | undefined;
}) {
  const { grid, bounds, at } = props;
  const column = at && grid.points[at.column];
  return (
    <span className="heat-told" role="status">
      {at && column ? (
        <>
          <span className="mono">{formatClock(grid.startMs + at.column * grid.stepMs).slice(0, 5)}</span>{' '}
          <Link to="/search" search={searchOfCell(props.name, grid, bounds, at)} className="linkish">
            <b className="mono">{formatCount(at.count)}</b> {at.count === 1 ? 'call' : 'calls'} of{' '}
            <span className="mono">
              {formatDuration(bounds[at.row] ?? 0)} – {formatDuration(bounds[at.row + 1] ?? 0)}
            </span>
          </Link>{' '}
          <span className="dim">
            of {formatCount(column.invocations)} then
            {column.errors > 0 && `, ${formatCount(column.errors)} of which failed`}
          </span>
        </>
      ) : (
        <span className="dim">a cell opens its traces</span>
      )}
    </span>
  );
}

function Scale({ bounds }: { readonly bounds: readonly number[] }) {
  const [low, high] = [bounds[0] || 1, bounds.at(-1) || 1];
  return (
    <div className="chart-scale" style={{ height: HEIGHT }} aria-hidden="true">
      {logTicks(low, high, MOST_TICKS).map((tick) => (
        <span key={tick} className="mono" style={{ top: HEIGHT * (1 - logPlace(tick, low, high)) }}>
          {formatRound(tick)}
        </span>
      ))}
    </div>
  );
}

function Legend({ most }: { readonly most: number }) {
  return (
    <span className="heat-legend dim">
      <span className="mono">1</span>
      {Array.from({ length: most <= 1 ? 1 : DENSITIES }, (_, i) => (
        <i key={i} style={{ background: `var(--dense-${most <= 1 ? DENSITIES - 1 : i})` }} />
      ))}
      {most > 1 && <span className="mono">{formatCount(most)}</span>}
      {most > 1 ? 'calls' : 'call'}
      <i className="heat-legend-error" />
      failed
    </span>
  );
}
