import { useVirtualizer } from '@tanstack/react-virtual';
import {
  useCallback,
  type KeyboardEvent,
  memo,
  type PointerEvent,
  type RefObject,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import type { Gap, Warp } from '../layout/gaps.ts';
import { pan, place, ticks, zoom, zoomAround, type Range } from '../layout/range.ts';
import { visibleRows } from '../layout/tree.ts';
import { useRoom } from '../layout/use-room.ts';
import type { Span, Trace } from '../model/trace.ts';
import { formatDuration, formatTick } from '../text/duration.ts';
import { SpanRow } from './span-row.tsx';

const ROW_HEIGHT = 26;
const MOST_TICKS = 6;
/** A key halves what shows, or doubles it. */
const KEY_ZOOM = 2;
/** About as wide as a time on the axis and half the mark of a gap are, px: what would overlap is left out. */
const TICK_WIDTH = 52;
const HALF_GAP_MARK = 36;
/** With Shift an arrow moves along by this share of what shows. */
const KEY_PAN = 0.25;
/** By pixel of a wheel's turn. */
const WHEEL_ZOOM = 0.003;
const WHEEL_PAN = 0.001;
/** Rows above and below what shows, for a frame of scrolling that comes before its drawing. */
const OVERSCAN = 6;

/** Spans as rows of a tree beside their bars. Only rows that show are drawn, so 50,000 spans scroll like fifty. */
export function Waterfall(props: {
  readonly trace: Trace;
  readonly colorOf: (span: Span) => string | undefined;
  /** More of the trace may come. */
  readonly isYoung: boolean;
  /** Drawn. */
  readonly range: Range;
  readonly warp: Warp;
  /** Parts of each span on the critical path; `undefined` while it is not drawn. */
  readonly critical: ReadonlyMap<string, readonly Gap[]> | undefined;
  readonly matches: ReadonlySet<string>;
  /** By span: how many spans elsewhere link to it. */
  readonly consumers: ReadonlyMap<string, number>;
  readonly shown: (span: Span) => boolean;
  /** Scrolls into view and gets the focus; a new object for each time. */
  readonly reveal: { readonly id: string } | undefined;
  readonly selectedId: string | undefined;
  readonly onSelect: (id: string | undefined) => void;
  readonly onZoom: (range: Range | undefined) => void;
}) {
  const { trace, range, warp, selectedId, shown, reveal } = props;
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const [focusId, setFocusId] = useState(selectedId ?? trace.spans[0]?.id);
  const serviceOf = useMemo(() => new Map(trace.spans.map((span) => [span.id, span.service])), [trace]);
  const rows = useMemo(
    () => visibleRows(trace.spans, collapsed).filter((index) => shown(trace.spans[index] as Span)),
    [trace, collapsed, shown],
  );
  const scale = useMemo(() => drawnTicks(range, warp), [range, warp]);

  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
  });
  const items = virtual.getVirtualItems();
  const slots = slotsFor(items.length);

  // A link to a span shows it: what is closed above it opens, and it scrolls into view. A trace that grows must not scroll again.
  const [wanted, setWanted] = useState<string>();
  useEffect(() => setWanted(selectedId), [selectedId]);
  useEffect(() => setWanted(reveal?.id), [reveal]);
  useEffect(() => {
    const index = wanted === undefined ? -1 : trace.spans.findIndex((span) => span.id === wanted);
    if (index < 0) return;
    setFocusId(wanted);
    const row = rows.indexOf(index);
    if (row >= 0) {
      virtual.scrollToIndex(row, { align: 'auto' });
      setWanted(undefined);
    } else if ([...collapsed].some((id) => holds(trace, id, index)))
      setCollapsed((closed) => new Set([...closed].filter((id) => !holds(trace, id, index))));
    else setWanted(undefined);
  }, [wanted, rows, trace]);

  // Stable, so that rows that did not change are not drawn again while scrolling.
  const toggle = useCallback((span: Span) => {
    setCollapsed((closed) => {
      const next = new Set(closed);
      if (!next.delete(span.id)) next.add(span.id);
      return next;
    });
  }, []);
  const focusRow = useMemo(
    () => rows.findIndex((index) => trace.spans[index]?.id === focusId),
    [rows, trace, focusId],
  );
  const moveTo = (row: number) => {
    const clamped = Math.min(rows.length - 1, Math.max(0, row));
    const span = trace.spans[rows[clamped] ?? 0];
    if (!span) return;
    setFocusId(span.id);
    virtual.scrollToIndex(clamped, { align: 'auto' });
    if (selectedId !== undefined) props.onSelect(span.id);
  };
  const whole = useMemo(() => ({ from: 0, to: warp.length }), [warp.length]);
  const middleOf = (span: Span) => {
    const middle = warp.at(span.start + span.duration / 2);
    return Math.min(1, Math.max(0, (middle - range.from) / (range.to - range.from)));
  };
  useWheel(scroller, range, whole, props.onZoom);
  const onKeyDown = (event: KeyboardEvent) => {
    const span = trace.spans[rows[focusRow] ?? -1];
    if (!span || event.altKey || event.ctrlKey || event.metaKey) return;
    const isClosed = collapsed.has(span.id);
    const along = { ArrowLeft: -KEY_PAN, ArrowRight: KEY_PAN }[event.key];
    if (event.shiftKey && along !== undefined) {
      event.preventDefault();
      props.onZoom(pan(range, whole, along));
      return;
    }
    const actions: Readonly<Record<string, () => void>> = {
      ArrowDown: () => moveTo(focusRow + 1),
      ArrowUp: () => moveTo(focusRow - 1),
      PageDown: () => moveTo(focusRow + 20),
      PageUp: () => moveTo(focusRow - 20),
      Home: () => moveTo(0),
      End: () => moveTo(rows.length - 1),
      ArrowRight: () => (isClosed ? toggle(span) : moveTo(focusRow + 1)),
      ArrowLeft: () =>
        span.descendants > 0 && !isClosed
          ? toggle(span)
          : moveTo(rows.findIndex((index) => trace.spans[index]?.id === span.parentId)),
      Enter: () => props.onSelect(span.id),
      ' ': () => props.onSelect(span.id),
      '+': () => props.onZoom(zoomAround(range, whole, middleOf(span), 1 / KEY_ZOOM)),
      '=': () => props.onZoom(zoomAround(range, whole, middleOf(span), 1 / KEY_ZOOM)),
      '-': () => props.onZoom(zoomAround(range, whole, middleOf(span), KEY_ZOOM)),
      '0': () => props.onZoom(undefined),
      Escape: () => (selectedId === undefined ? props.onZoom(undefined) : props.onSelect(undefined)),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };

  return (
    <div className="waterfall">
      <div className="wf-head">
        <div className="wf-name">
          <span>Span</span>
          <span className="wf-tools">
            <button
              type="button"
              className="linkish"
              onClick={() => setCollapsed(new Set())}
              disabled={collapsed.size === 0}
            >
              Expand all
            </button>
            <button
              type="button"
              className="linkish"
              onClick={() =>
                setCollapsed(
                  new Set(trace.spans.filter((s) => s.descendants > 0 && s.depth > 0).map((s) => s.id)),
                )
              }
            >
              Collapse
            </button>
          </span>
        </div>
        <TimeAxis range={range} warp={warp} scale={scale} onZoom={props.onZoom} />
      </div>
      <div
        ref={scroller}
        className="wf-scroll"
        role="treegrid"
        aria-label={`Spans of the trace, ${trace.spans.length} in all`}
        aria-rowcount={rows.length}
        aria-activedescendant={focusRow >= 0 ? `span-${focusId}` : undefined}
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        <div className="wf-rows" style={{ height: virtual.getTotalSize() }} role="rowgroup">
          <Grid range={range} drawn={scale} warp={warp} />
          {items.map((item) => {
            const span = trace.spans[rows[item.index] ?? 0] as Span;
            return (
              <SpanRow
                key={item.index % slots}
                span={span}
                top={item.start}
                height={ROW_HEIGHT}
                index={item.index}
                range={range}
                warp={warp}
                critical={props.critical && (props.critical.get(span.id) ?? NONE)}
                isMatch={props.matches.has(span.id)}
                consumerCount={props.consumers.get(span.id) ?? 0}
                color={props.colorOf(span)}
                showsService={span.service !== span.name && serviceOf.get(span.parentId) !== span.service}
                isClosed={collapsed.has(span.id)}
                isYoung={props.isYoung}
                isSelected={span.id === selectedId}
                isFocused={span.id === focusId}
                onToggle={toggle}
                onSelect={props.onSelect}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** With Ctrl or ⌘ a wheel zooms where the pointer is, as on a map; sideways it moves along. */
function useWheel(
  scroller: RefObject<HTMLElement | null>,
  range: Range,
  whole: Range,
  onZoom: (range: Range | undefined) => void,
): void {
  const latest = useRef({ range, whole, onZoom });
  latest.current = { range, whole, onZoom };
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const onWheel = (event: WheelEvent) => {
      const { range, whole, onZoom } = latest.current;
      const isZoomed = range.to - range.from < whole.to - whole.from;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        const box = element.querySelector('.wf-time')?.getBoundingClientRect();
        if (!box) return;
        const at = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
        onZoom(zoomAround(range, whole, at, Math.exp(event.deltaY * WHEEL_ZOOM)));
        return;
      }
      const along = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
      if (!isZoomed || Math.abs(along) <= (event.shiftKey ? 0 : Math.abs(event.deltaY))) return;
      event.preventDefault();
      onZoom(pan(range, whole, along * WHEEL_PAN));
    };
    // React listens passively, and could not keep the browser from zooming the page.
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => element.removeEventListener('wheel', onWheel);
  }, [scroller]);
}

/**
 * Rows are drawn into so many slots, row i into slot i modulo that: one that leaves at an end hands its elements to the one that comes
 * at the other. A power of two, so that it stays the same while the number of rows that show wavers.
 */
function slotsFor(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, count)));
}

/** Whether the row at `index` is below the span with this id. */
function holds(trace: Trace, id: string, index: number): boolean {
  const at = trace.spans.findIndex((span) => span.id === id);
  const span = trace.spans[at];
  return span !== undefined && index > at && index <= at + span.descendants;
}

const NONE: readonly Gap[] = [];

interface Ticks {
  readonly step: number;
  readonly marks: readonly { readonly time: number; readonly drawn: number }[];
}

/** Round times in the range, none inside a gap. Outside gaps drawn time is as long as real time, so one step fits all pieces. */
function drawnTicks(range: Range, warp: Warp): Ticks {
  const { step } = ticks(range, MOST_TICKS);
  const marks: { time: number; drawn: number }[] = [];
  let from = 0;
  for (const piece of [...warp.gaps, { from: warp.timeAt(warp.length), to: Infinity }]) {
    for (let i = Math.ceil(from / step - 1e-9); i * step <= piece.from * (1 + 1e-12); i += 1) {
      const drawn = warp.at(i * step);
      if (drawn >= range.from && drawn <= range.to * (1 + 1e-12)) marks.push({ time: i * step, drawn });
      if (marks.length > MOST_TICKS * 4) return { step, marks };
    }
    from = piece.to;
  }
  return { step, marks };
}

/** Scrolling does not touch it. */
const Grid = memo(function Grid(props: {
  readonly range: Range;
  readonly drawn: Ticks;
  readonly warp: Warp;
}) {
  const { range, drawn, warp } = props;
  const width = range.to - range.from;
  return (
    <div className="wf-grid" aria-hidden="true">
      {drawn.marks.map((mark) => (
        <i key={mark.time} style={{ left: `${((mark.drawn - range.from) / width) * 100}%` }} />
      ))}
      {gapsIn(range, warp).map((gap) => (
        <b key={gap.from} style={{ left: `${gap.left * 100}%`, width: `${gap.width * 100}%` }} />
      ))}
    </div>
  );
});

function gapsIn(range: Range, warp: Warp) {
  return warp.gaps.flatMap((gap) => {
    const placed = place(gap.drawnFrom, gap.drawnTo - gap.drawnFrom, range);
    return placed ? [{ ...gap, ...placed }] : [];
  });
}

const TimeAxis = memo(function TimeAxis(props: {
  readonly range: Range;
  readonly warp: Warp;
  readonly scale: Ticks;
  readonly onZoom: (range: Range | undefined) => void;
}) {
  const { range, scale } = props;
  const gaps = gapsIn(range, props.warp);
  const [axis, room] = useRoom<HTMLDivElement>();
  const isCovered = (left: number) =>
    gaps.some((gap) => {
      const pixels = (left - gap.left - gap.width / 2) * room;
      return pixels > -TICK_WIDTH - HALF_GAP_MARK && pixels < HALF_GAP_MARK;
    });
  const [drag, setDrag] = useState<{ readonly from: number; readonly to: number }>();
  const fractionOf = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  return (
    <div
      ref={axis}
      className="wf-axis"
      title="Drag to zoom, double-click to see all"
      onDoubleClick={() => props.onZoom(undefined)}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        const at = fractionOf(event);
        setDrag({ from: at, to: at });
      }}
      onPointerMove={(event) => {
        if (drag) setDrag({ ...drag, to: fractionOf(event) });
      }}
      onPointerUp={() => {
        const next = drag && zoom(range, drag.from, drag.to);
        if (next) props.onZoom(next);
        setDrag(undefined);
      }}
    >
      {scale.marks.map(({ time, drawn }) => {
        const left = (drawn - range.from) / (range.to - range.from);
        if (isCovered(left)) return null;
        return (
          <span
            key={time}
            className={left > 0.93 ? 'tick tick-end' : 'tick'}
            style={{ left: `${left * 100}%` }}
          >
            {formatTick(time, scale.step)}
          </span>
        );
      })}
      {gaps.map((gap) => (
        <span
          key={gap.from}
          className="gap-mark mono"
          style={{ left: `${(gap.left + gap.width / 2) * 100}%` }}
          title={`Nothing of this trace ran for ${formatDuration(gap.to - gap.from)}`}
        >
          ⋯ {formatDuration(gap.to - gap.from)}
        </span>
      ))}
      {drag && (
        <i
          className="wf-drag"
          style={{
            left: `${Math.min(drag.from, drag.to) * 100}%`,
            width: `${Math.abs(drag.to - drag.from) * 100}%`,
          }}
        />
      )}
    </div>
  );
});
