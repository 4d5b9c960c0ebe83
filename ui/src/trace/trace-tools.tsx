import { type KeyboardEvent, useEffect, useRef } from 'react';
import { Segments } from '../shell/segments.tsx';
import type { SpanColors } from './span-colors.ts';
import { coloringOf, type TraceSearch, type View, viewOf } from './trace-search.ts';

const VIEW_OPTIONS: readonly { readonly value: View; readonly label: string }[] = [
  { value: 'waterfall', label: 'Waterfall' },
  { value: 'flame', label: 'Flame' },
  { value: 'spans', label: 'Spans' },
  { value: 'statistics', label: 'Statistics' },
  { value: 'events', label: 'Events' },
];

/** How the trace is looked at; all of it stands in the URL. */
export function TraceTools(props: {
  readonly search: TraceSearch;
  readonly hasGaps: boolean;
  readonly hasPath: boolean;
  readonly legend: SpanColors['legend'];
  readonly matchCount: number;
  /** Which match was shown last, from 0; -1 for none. */
  readonly matchAt: number;
  readonly onChange: (change: TraceSearch) => void;
  readonly onMatch: (step: 1 | -1) => void;
}) {
  const { search } = props;
  const view = viewOf(search);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
      if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      props.onMatch(event.shiftKey ? -1 : 1);
    } else if (event.key === 'Escape') {
      props.onChange({ q: '' });
      input.current?.blur();
    }
  };
  return (
    <div className="trace-tools">
      <Segments
        label="View"
        options={VIEW_OPTIONS}
        value={view}
        onChange={(value) => props.onChange({ view: value === 'waterfall' ? '' : value })}
      />
      <div className="find">
        <input
          ref={input}
          type="text"
          role="searchbox"
          aria-label="Find in this trace"
          placeholder="Find  /"
          spellCheck={false}
          value={search.q ?? ''}
          onChange={(event) => props.onChange({ q: event.currentTarget.value })}
          onKeyDown={onKeyDown}
        />
        {search.q && (
          <span className="find-count mono" role="status">
            {props.matchCount === 0
              ? 'none'
              : `${props.matchAt >= 0 ? `${props.matchAt + 1}/` : ''}${props.matchCount}`}
          </span>
        )}
      </div>
      {(view === 'waterfall' || view === 'flame') && (
        <span className="tool-group">
          <span className="dim">Colour</span>
          <Segments
            label="Colour by"
            options={[
              { value: 'service', label: 'service' },
              { value: 'stage', label: 'stage', title: 'What kind of time: cold start, handler, call …' },
              { value: 'self', label: 'self time', title: 'Time in which nothing below it ran' },
            ]}
            value={coloringOf(search)}
            onChange={(color) => props.onChange({ color: color === 'service' ? '' : color })}
          />
        </span>
      )}
      {view === 'waterfall' && (
        <>
          {props.hasPath && (
            <span className="tool-group">
              <span className="dim">Critical path</span>
              <Segments
                label="Critical path"
                options={[
                  { value: '', label: 'off' },
                  { value: 'caller', label: 'caller', title: 'Until the answer was sent' },
                  {
                    value: 'end-to-end',
                    label: 'end to end',
                    title: 'Until the last thing that the event caused had ended',
                  },
                ]}
                value={search.path === 'caller' || search.path === 'end-to-end' ? search.path : ''}
                onChange={(path) => props.onChange({ path })}
              />
            </span>
          )}
          {props.hasGaps && (
            <label className="tool-check">
              <input
                type="checkbox"
                checked={search.gaps !== 'long'}
                onChange={(event) => props.onChange({ gaps: event.currentTarget.checked ? '' : 'long' })}
              />
              shorten idle gaps
            </label>
          )}
        </>
      )}
      {(view === 'waterfall' || view === 'flame') && props.legend.length > 0 && (
        <ul className="color-legend" aria-label="What the colours mean">
          {props.legend.map(({ color, text }) => (
            <li key={text} className="svc">
              <i style={{ background: color }} />
              {text}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
