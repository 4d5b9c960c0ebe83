import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { traceQuery } from '../api/queries.ts';
import { assignColors } from '../layout/colors.ts';
import { place } from '../layout/range.ts';
import type { Span, Trace } from '../model/trace.ts';
import { formatDuration } from '../text/duration.ts';
import { showName } from '../text/name.ts';

const MOST_ROWS = 12;
const INDENT = 10;

/** The other end of a link, followed without leaving this trace: the span there, and what came of it. */
export function LinkedSpan({ traceId, spanId }: { readonly traceId: string; readonly spanId: string }) {
  const query = useQuery(traceQuery(traceId));
  const at = useMemo(
    () => query.data?.spans.findIndex(({ id }) => id === spanId) ?? -1,
    [query.data, spanId],
  );
  if (query.isError)
    return (
      <p className="error-text" role="alert">
        Its trace cannot be had: {query.error.message}
      </p>
    );
  if (!query.data) return <p className="dim">Loading…</p>;
  if (at < 0) return <p className="dim">Its trace is here, this span of it is not.</p>;
  return <Subtree trace={query.data} at={at} />;
}

function Subtree({ trace, at }: { readonly trace: Trace; readonly at: number }) {
  const colors = useMemo(() => assignColors(trace.services.map(({ name }) => name)), [trace]);
  const root = trace.spans[at] as Span;
  const below = trace.spans.slice(at, at + 1 + root.descendants);
  const shown = below.slice(0, MOST_ROWS);
  const end = below.reduce((max, span) => Math.max(max, span.start + span.duration), root.start + 1);
  const range = { from: root.start, to: end };
  return (
    <div className="linked">
      <ol>
        {shown.map((span) => {
          const bar = place(span.start, span.duration, range);
          const isBad = span.isError || span.marks.killedBy !== '';
          return (
            <li key={span.id}>
              <Link
                to="/trace/$traceId"
                params={{ traceId: trace.id }}
                search={{ span: span.id }}
                className={isBad ? 'linked-name error-text' : 'linked-name'}
                style={{ paddingLeft: Math.min(span.depth - root.depth, 8) * INDENT }}
                title={`${span.service} · ${span.name}`}
              >
                <span className="dim">{span.service}</span> {showName(span.name)}
              </Link>
              <span className="linked-time">
                {bar && (
                  <i
                    style={{
                      left: `${bar.left * 100}%`,
                      width: `${bar.width * 100}%`,
                      background: isBad ? 'var(--error)' : colors.get(span.service),
                    }}
                  />
                )}
              </span>
              <span className="mono dim right">{formatDuration(span.duration)}</span>
            </li>
          );
        })}
      </ol>
      {below.length > shown.length && <p className="dim">and {below.length - shown.length} more below it</p>}
    </div>
  );
}
