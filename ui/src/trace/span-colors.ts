import { heatColor, HEATS } from '../layout/colors.ts';
import { stageColor, stageOfSpan } from '../layout/stages.ts';
import { selfTimes } from '../model/self-time.ts';
import type { Span, Trace } from '../model/trace.ts';
import { formatDuration } from '../text/duration.ts';
import type { Coloring } from './trace-search.ts';

export interface SpanColors {
  /** A CSS variable. */
  readonly of: (span: Span) => string | undefined;
  /** What the colours mean; empty for services, which the head of the page shows. */
  readonly legend: readonly { readonly color: string; readonly text: string }[];
}

export function spanColors(
  trace: Trace,
  coloring: Coloring,
  services: ReadonlyMap<string, string>,
): SpanColors {
  if (coloring === 'stage') return byStage(trace);
  if (coloring === 'self') return bySelfTime(trace);
  return { of: (span) => services.get(span.service), legend: [] };
}

function byStage(trace: Trace): SpanColors {
  const there = new Set(trace.spans.map(stageOfSpan));
  return {
    of: (span) => stageColor(stageOfSpan(span)),
    legend: [...there].map((stage) => ({ color: stageColor(stage), text: stage })),
  };
}

/** Each step stands for ten times the self time of the one before; the hottest is what came within a tenth of the longest. */
function bySelfTime(trace: Trace): SpanColors {
  const self = selfTimes(trace.spans);
  const most = self.reduce((max, value) => Math.max(max, value), 1);
  const heats = new Map(
    trace.spans.map((span, i) => [
      span.id,
      Math.max(0, HEATS - 1 - Math.floor(Math.log10(most / Math.max(1, self[i] ?? 0)))),
    ]),
  );
  const there = new Set(heats.values());
  return {
    of: (span) => heatColor(heats.get(span.id) ?? 0),
    legend: Array.from({ length: HEATS }, (_, i) => HEATS - 1 - i)
      .filter((heat) => there.has(heat))
      .map((heat) => ({
        color: heatColor(heat),
        text:
          heat === 0
            ? `self below ${formatDuration(most / 10 ** (HEATS - 1))}`
            : `self from ${formatDuration(most / 10 ** (HEATS - heat))}`,
      })),
  };
}
