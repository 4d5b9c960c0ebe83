import { useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, type KeyboardEvent, useMemo, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { flameNodes, zoomFlame, type FlameNode } from '../layout/flame.ts';
import { selfTimes } from '../model/self-time.ts';
import type { Span, Trace } from '../model/trace.ts';
import { formatDuration } from '../text/duration.ts';
import { formatPercent } from '../text/number.ts';
import { showName } from '../text/name.ts';

const ROW_HEIGHT = 22;
/** Of the width; about two pixels. */
const LEAST = 0.0015;
/** Below this a name would be a letter and an ellipsis. */
const LEAST_NAMED = 0.025;

/** Where the work was: calls of one name side by side as one, each as wide as the time spent in it and below it. */
export function Flame(props: {
  readonly trace: Trace;
  readonly colorOf: (span: Span) => string | undefined;
  readonly shown: (span: Span) => boolean;
  readonly onSelect: (id: string) => void;
}) {
  const { trace, shown } = props;
  const nodes = useMemo(() => {
    const self = selfTimes(trace.spans);
    // What is hidden keeps its place in the tree, and takes no width of its own.
    trace.spans.forEach((span, i) => {
      if (!shown(span)) self[i] = 0;
    });
    return flameNodes(trace.spans, self);
  }, [trace, shown]);
  const [zoomIndex, setZoom] = useState(-1);
  const [activeIndex, setActive] = useState(0);
  const rows = useMemo(() => zoomFlame(nodes, nodes[zoomIndex], LEAST), [nodes, zoomIndex]);
  const active = nodes[activeIndex] ?? nodes[0];
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
  });

  const go = (node: FlameNode<Span> | undefined) => {
    if (!node) return;
    // Drawn before it gets the focus, and at once: focus that comes a frame late takes the next key's step back.
    flushSync(() => {
      setActive(node.index);
      virtual.scrollToIndex(node.depth, { align: 'auto' });
    });
    document.getElementById(`flame-${node.index}`)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (!active || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = (rows[active.depth] ?? []).map(({ node }) => node);
    const at = row.indexOf(active);
    const actions: Readonly<Record<string, () => void>> = {
      ArrowUp: () => go(nodes[active.parent]),
      ArrowDown: () => go(rows[active.depth + 1]?.find(({ node }) => node.parent === active.index)?.node),
      ArrowLeft: () => go(row[at - 1]),
      ArrowRight: () => go(row[at + 1]),
      Home: () => go(rows[0]?.[0]?.node),
      Enter: () => setZoom(active.index),
      ' ': () => setZoom(active.index),
      Escape: () => setZoom(-1),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };

  if (!active) return null;
  const whole = nodes.reduce((sum, node) => (node.parent < 0 ? sum + node.total : sum), 0) || 1;
  return (
    <div className="flame">
      <p className="flame-facts">
        <b>{showName(active.name)}</b>
        <span className="dim">{active.service}</span>
        <Fact
          name="with all below"
          value={`${formatDuration(active.total)}, ${formatPercent(active.total / whole)}`}
        />
        <Fact name="self" value={formatDuration(active.self)} />
        <Fact name={active.count === 1 ? 'span' : 'spans'} value={String(active.count)} />
        {active.errors > 0 && <span className="error-text">{active.errors} failed</span>}
        <button type="button" className="linkish" onClick={() => props.onSelect(active.longest.id)}>
          {active.count === 1 ? 'Open it' : 'Open the longest'}
        </button>
        <span className="spacer" />
        {zoomIndex >= 0 && (
          <button type="button" className="linkish" onClick={() => setZoom(-1)}>
            Show all
          </button>
        )}
      </p>
      <div ref={scroller} className="flame-scroll">
        <div
          role="tree"
          aria-label="Flame graph: width is time spent, calls of one name joined"
          style={{ height: virtual.getTotalSize() }}
          onKeyDown={onKeyDown}
        >
          {virtual.getVirtualItems().flatMap((item) =>
            (rows[item.index] ?? []).map(({ node, left, width }) => (
              <div
                key={node.index}
                id={`flame-${node.index}`}
                role="treeitem"
                aria-level={node.depth + 1}
                aria-selected={node.index === active.index}
                tabIndex={node.index === active.index ? 0 : -1}
                className={`flame-node${width < LEAST_NAMED ? ' is-narrow' : ''}${node.index === active.index ? ' is-active' : ''}${node.errors > 0 ? ' is-error' : ''}`}
                style={
                  {
                    top: item.start,
                    left: `${left * 100}%`,
                    width: `${width * 100}%`,
                    '--svc': props.colorOf(node.longest),
                  } as CSSProperties
                }
                aria-label={`${node.service} ${node.name}, ${formatDuration(node.total)}`}
                title={`${node.service} · ${node.name}\n${formatDuration(node.total)} with all below, ${formatDuration(node.self)} self${node.count > 1 ? `, ${node.count} spans` : ''}`}
                onFocus={() => setActive(node.index)}
                onClick={() => {
                  setActive(node.index);
                  setZoom(node.index);
                }}
              >
                {width >= LEAST_NAMED && showName(node.name)}
                {width >= LEAST_NAMED && node.count > 1 && ` ×${node.count}`}
              </div>
            )),
          )}
        </div>
      </div>
    </div>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <span>
      <span className="mono">{value}</span> <span className="dim">{name}</span>
    </span>
  );
}
