import { useComputedColorScheme } from '@mantine/core';
import { type PointerEvent, useEffect, useRef, useState } from 'react';
import type { Warp } from '../layout/gaps.ts';
import { place, zoom, type Range } from '../layout/range.ts';
import type { Span, Trace } from '../model/trace.ts';

const HEIGHT = 44;

/** The whole trace at a glance; a drag over it chooses what the waterfall shows, a click shows all again. */
export function Minimap(props: {
  readonly trace: Trace;
  readonly colorOf: (span: Span) => string | undefined;
  readonly range: Range;
  readonly warp: Warp;
  readonly onZoom: (range: Range | undefined) => void;
}) {
  const { trace, colorOf, range, warp } = props;
  const whole = { from: 0, to: warp.length };
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drag, setDrag] = useState<{ readonly from: number; readonly to: number }>();
  const scheme = useComputedColorScheme('light');

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const draw = () => drawSpans(element, trace, colorOf, warp);
    draw();
    const observer = new ResizeObserver(draw);
    observer.observe(element);
    return () => observer.disconnect();
  }, [trace, colorOf, scheme, warp]);

  const fractionOf = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const end = () => {
    if (drag) props.onZoom(zoom(whole, drag.from, drag.to));
    setDrag(undefined);
  };
  const shown = drag
    ? { left: Math.min(drag.from, drag.to), width: Math.abs(drag.to - drag.from) }
    : (place(range.from, range.to - range.from, whole) ?? { left: 0, width: 1 });
  const isWhole = shown.left <= 0 && shown.width >= 1;

  return (
    <div
      className="minimap"
      title="Drag to zoom, click to see all"
      onPointerDown={(event) => {
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
      <canvas ref={canvas} height={HEIGHT} aria-hidden="true" />
      {!isWhole && (
        <>
          <div className="minimap-veil" style={{ left: 0, width: `${shown.left * 100}%` }} />
          <div className="minimap-veil" style={{ left: `${(shown.left + shown.width) * 100}%`, right: 0 }} />
        </>
      )}
    </div>
  );
}

/** Each span a stroke at its row's height; errors last, so that they are never covered. */
function drawSpans(
  element: HTMLCanvasElement,
  trace: Trace,
  colorOf: (span: Span) => string | undefined,
  warp: Warp,
): void {
  const context = element.getContext('2d');
  const width = element.clientWidth;
  if (!context || width === 0) return;
  const scale = devicePixelRatio;
  element.width = Math.round(width * scale);
  element.height = Math.round(HEIGHT * scale);
  context.scale(scale, scale);
  const styles = getComputedStyle(element);
  const resolved = new Map<string | undefined, string>();
  const resolve = (color: string | undefined) => {
    let value = resolved.get(color);
    if (value === undefined) {
      value = styles.getPropertyValue(/--[\w-]+/.exec(color ?? '')?.[0] ?? '') || '#888';
      resolved.set(color, value);
    }
    return value;
  };
  const error = styles.getPropertyValue('--error');
  const inner = HEIGHT - 8;
  const thickness = Math.max(1, Math.min(4, (inner / trace.spans.length) * 0.75));
  for (const pass of ['all', 'errors'] as const) {
    trace.spans.forEach((span, row) => {
      const isBad = span.isError || span.marks.killedBy !== '';
      if ((pass === 'errors') !== isBad) return;
      context.fillStyle = isBad ? error : resolve(colorOf(span));
      const from = warp.at(span.start);
      const x = (from / warp.length) * width;
      const w = Math.max(1, ((warp.at(span.start + span.duration) - from) / warp.length) * width);
      context.fillRect(x, 4 + (row / trace.spans.length) * inner, w, thickness);
    });
  }
}
