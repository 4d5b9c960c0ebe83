import type { JaegerTrace } from '../../../backend/query/shapes.ts';
import { buildRows } from './tree.ts';

/** A trace as strokes in a box of 1 × 1, joined into one SVG path for each service; errors apart, to be drawn last. */
export interface MiniWaterfall {
  readonly paths: readonly { readonly service: string; readonly path: string }[];
  readonly errors: string;
}

/** In units of the box that the caller draws in. */
export function miniWaterfall(trace: JaegerTrace, width: number, height: number): MiniWaterfall {
  const rows = buildRows(
    trace.spans.map((span) => ({
      id: span.spanID,
      parentId: span.references.find((reference) => reference.refType === 'CHILD_OF')?.spanID ?? '',
      start: span.startTime,
      duration: span.duration,
      service: trace.processes[span.processID]?.serviceName ?? '',
      isError: span.tags.some((tag) => tag.key === 'error' && tag.value === true),
    })),
  );
  const from = rows.reduce((min, { item }) => Math.min(min, item.start), Infinity);
  const to = rows.reduce((max, { item }) => Math.max(max, item.start + item.duration), -Infinity);
  const scale = width / Math.max(1, to - from);
  const step = height / Math.max(1, rows.length);
  const thickness = Math.min(4, Math.max(1, step * 0.72));
  const paths = new Map<string, string>();
  let errors = '';
  rows.forEach(({ item }, i) => {
    const x = Math.min(width - 1.5, (item.start - from) * scale);
    const w = Math.min(width - x, Math.max(1.5, item.duration * scale));
    const y = i * Math.min(step, 6) + 0.5;
    const stroke = `M${round(x)} ${round(y)}h${round(w)}v${round(thickness)}h${round(-w)}z`;
    if (item.isError) errors += stroke;
    else paths.set(item.service, (paths.get(item.service) ?? '') + stroke);
  });
  return { paths: [...paths].map(([service, path]) => ({ service, path })), errors };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
