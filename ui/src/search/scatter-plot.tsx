import { useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { SearchAnswer } from '../api/queries.ts';
import { scatter } from '../layout/scatter.ts';
import { formatDuration } from '../text/duration.ts';
import { formatClock } from '../text/time.ts';
import { durationOf, startMsOf } from './summary.ts';

const HEIGHT = 112;
const TOP = 8;
const PLOT = HEIGHT - 26;

/** Traces by time and duration; a dot opens its trace. The list below says the same to those who cannot see it. */
export function ScatterPlot({ answer }: { readonly answer: SearchAnswer }) {
  const navigate = useNavigate();
  const { summaries } = answer;
  const items = useMemo(
    () => summaries.map((summary) => ({ timeMs: startMsOf(summary), durationNanos: durationOf(summary) })),
    [summaries],
  );
  // The plot spans what was found: an hour's search with a minute of traffic would be one stroke.
  const times = items.map((item) => item.timeMs);
  const first = times.reduce((a, b) => Math.min(a, b), Infinity);
  const last = times.reduce((a, b) => Math.max(a, b), -Infinity);
  const pad = Math.max(500, (last - first) * 0.02);
  const { points, lines } = scatter(items, first - pad, last + pad);
  const y = (value: number) => TOP + (1 - value) * (PLOT - TOP);

  return (
    <div className="scatter" aria-hidden="true">
      <svg width="100%" height={HEIGHT}>
        {lines.map((line) => (
          <g key={line.nanos}>
            <line x1="64" x2="100%" y1={y(line.y)} y2={y(line.y)} className="grid-line" />
            <text x="56" y={y(line.y) + 3.5} textAnchor="end" className="axis">
              {formatDuration(line.nanos)
                .replace('.00', '')
                .replace(/(\d)\.0 /, '$1 ')}
            </text>
          </g>
        ))}
        <svg x="72" width="calc(100% - 88px)" height={HEIGHT} overflow="visible">
          {summaries.map((summary, i) => {
            const point = points[i];
            if (!point) return null;
            return (
              <circle
                key={summary.traceId}
                cx={`${point.x * 100}%`}
                cy={y(point.y)}
                r={Math.min(8, 3 + Math.sqrt(summary.spanCount) / 2.4)}
                className={summary.errorSpanCount > 0 ? 'dot dot-error' : 'dot'}
                onClick={() => void navigate({ to: '/trace/$traceId', params: { traceId: summary.traceId } })}
              >
                <title>{`${summary.rootServiceName} ${summary.rootOperationName} · ${formatDuration(durationOf(summary))} · ${summary.spanCount} spans`}</title>
              </circle>
            );
          })}
        </svg>
        <text x="72" y={HEIGHT - 4} className="axis">
          {formatClock(first - pad)}
        </text>
        <text x="100%" dx="-16" y={HEIGHT - 4} textAnchor="end" className="axis">
          {formatClock(last + pad)}
        </text>
      </svg>
    </div>
  );
}
