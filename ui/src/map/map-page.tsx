import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type CSSProperties, type ReactNode, useMemo, useState } from 'react';
import type { MapEdgeJson, MapJson, MapNodeJson } from '../../../backend/query/shapes.ts';
import { mapQuery } from '../api/queries.ts';
import { assignColors } from '../layout/colors.ts';
import { LookbackPicker, useLookback } from '../shell/lookback.tsx';
import { PageError } from '../shell/notice.tsx';
import { SamplingNote } from '../shell/sampling-note.tsx';
import { useTitle } from '../shell/use-title.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { formatCount, formatPercent, formatRate } from '../text/number.ts';
import { useRoom } from '../layout/use-room.ts';
import { layOutMap, NODE_HEIGHT, NODE_WIDTH } from './map-layout.ts';
import './map.css';
import { readSlice, type Slice } from './slice.ts';
import { TimeSlider } from './time-slider.tsx';
import { tracesOf } from './traces-of.ts';

/** Who calls whom and over which topic, with how often, how well and how late: in all of the time, or in a slice of it. */
export function MapPage() {
  const lookback = useLookback();
  useTitle('Map');
  const { at } = useSearch({ from: '/map' });
  const navigate = useNavigate({ from: '/map' });
  const slice = readSlice(at, lookback.ms);
  const map = useQuery(mapQuery(lookback.ms, slice));
  return (
    <div className="page scrolls">
      <header className="page-head">
        <h1>Map</h1>
        {map.data && (
          <span className="dim">
            from {formatCount(map.data.sampledTraces)} {map.data.sampledTraces === 1 ? 'trace' : 'traces'}
            {map.data.truncated && ', the newest'}
          </span>
        )}
        <SamplingNote lookbackMs={lookback.ms} about="this map is of those" />
        <span className="spacer" />
        <LookbackPicker />
      </header>
      <TimeSlider
        lookbackMs={lookback.ms}
        slice={slice}
        onSlice={(endMs) =>
          void navigate({
            search: (before) => ({ ...before, at: endMs === undefined ? undefined : String(endMs) }),
            replace: true,
          })
        }
      />
      {map.isError && !map.data ? (
        <PageError title="The map cannot be had" error={map.error} onRetry={() => void map.refetch()} />
      ) : !map.data ? (
        <p className="waiting" role="status">
          Drawing the map…
        </p>
      ) : map.data.nodes.length === 0 ? (
        <section className="notice">
          <h2>Nothing called anything in this time</h2>
          <p>The map is drawn from traces. Look further back, or send a request.</p>
        </section>
      ) : (
        <MapView map={map.data} slice={slice} lookbackMs={lookback.ms} />
      )}
    </div>
  );
}

function MapView(props: {
  readonly map: MapJson;
  readonly slice: Slice | undefined;
  readonly lookbackMs: number;
}) {
  const { map } = props;
  const window: Readonly<Record<string, string>> = props.slice
    ? { from: String(props.slice.fromMs), to: String(props.slice.toMs), spans: 'true' }
    : { lookback: String(props.lookbackMs / 60_000) };
  const [picture, room] = useRoom<HTMLDivElement>();
  const layout = useMemo(() => layOutMap(map.nodes, map.edges, room), [map, room]);
  const hasWayBack = layout.edges.some(
    ({ labelX, labelY }) => labelY > layout.height || labelX > layout.width,
  );
  const colors = useMemo(
    () => assignColors(map.nodes.filter(({ kind }) => kind !== 'topic').map(({ name }) => name)),
    [map],
  );
  const [pointed, setPointed] = useState<string>();
  const most = map.edges.reduce((max, { ratePerSecond }) => Math.max(max, ratePerSecond), 0) || 1;
  const isAside = (edge: MapEdgeJson) =>
    pointed !== undefined && edge.from !== pointed && edge.to !== pointed;
  return (
    <>
      <div ref={picture} className="map" tabIndex={0} role="region" aria-label="Picture of the map">
        <div
          className="map-canvas"
          style={{ width: layout.width, height: layout.height + (hasWayBack ? WAY_BACK : 0) }}
        >
          <svg width={layout.width} height={layout.height} aria-hidden="true" overflow="visible">
            <Arrow />
            {layout.edges.map(({ edge, path }) => (
              <path
                key={edgeKey(edge)}
                d={path}
                className={`way ${edge.kind === 'call' ? '' : 'way-message'} ${edge.errors > 0 ? 'way-error' : ''} ${isAside(edge) ? 'way-aside' : ''}`}
                style={{ strokeWidth: 1 + 2 * Math.sqrt(edge.ratePerSecond / most) }}
                markerEnd="url(#map-arrow)"
              />
            ))}
          </svg>
          {layout.edges.map(({ edge, labelX, labelY }) => (
            <Link
              key={edgeKey(edge)}
              to="/search"
              search={{ ...tracesOf(edge), ...window }}
              className={`map-label mono ${isAside(edge) ? 'way-aside' : ''} ${edge.errors > 0 ? 'map-label-error' : ''}`}
              style={{ left: labelX, top: labelY }}
              title={`Traces: ${sayWay(edge)}`}
            >
              {formatRate(edge.ratePerSecond)}
              {edge.errors > 0 && ` ${formatPercent(edge.errors / edge.calls)}`}
              <span className="dim">
                {edge.kind === 'receive'
                  ? `lag ${formatDuration(Number(edge.lagP99Nano))}`
                  : `p99 ${formatDuration(Number(edge.p99Nano))}`}
              </span>
            </Link>
          ))}
          {layout.nodes.map(({ node, x, y }) => (
            <NodeBox
              key={node.id}
              node={node}
              x={x}
              y={y}
              color={colors.get(node.name)}
              onPoint={setPointed}
            />
          ))}
        </div>
      </div>
      <section className="home-section" aria-labelledby="ways">
        <h2 id="ways">Every way</h2>
        <Ways map={map} window={window} />
      </section>
    </>
  );
}

/** Room below the nodes for a way that leads back. */
const WAY_BACK = 30;

/** As large for a thin way as for a thick one, in the way's own colour. */
function Arrow() {
  return (
    <defs>
      <marker
        id="map-arrow"
        viewBox="0 0 8 8"
        refX="7"
        refY="4"
        markerWidth="8"
        markerHeight="8"
        markerUnits="userSpaceOnUse"
        orient="auto"
      >
        <path d="M0 0.5 7.5 4 0 7.5z" className="map-arrow" />
      </marker>
    </defs>
  );
}

/** `function:greeter` → `greeter` */
function nameIn(id: string): string {
  return id.slice(id.indexOf(':') + 1);
}

function sayWay(edge: MapEdgeJson): string {
  return `${nameIn(edge.from)} ${KIND_WORDS[edge.kind]} ${nameIn(edge.to)}`;
}

function edgeKey(edge: MapEdgeJson): string {
  return `${edge.from} ${edge.to} ${edge.kind} ${edge.consumerGroup}`;
}

function NodeBox(props: {
  readonly node: MapNodeJson;
  readonly x: number;
  readonly y: number;
  readonly color: string | undefined;
  readonly onPoint: (id: string | undefined) => void;
}) {
  const { node } = props;
  const style = {
    left: props.x,
    top: props.y,
    width: NODE_WIDTH,
    height: NODE_HEIGHT,
    '--svc': props.color,
  } as CSSProperties;
  return (
    <div
      className={`node node-${node.kind} ${node.errors > 0 ? 'node-error' : ''}`}
      style={style}
      onPointerEnter={() => props.onPoint(node.id)}
      onPointerLeave={() => props.onPoint(undefined)}
      onFocus={() => props.onPoint(node.id)}
      onBlur={() => props.onPoint(undefined)}
    >
      <NodeLink node={node}>
        <span className="node-title">
          <bdi>{node.name}</bdi>
          <span className="dim">{node.kind}</span>
        </span>
        <span className="node-facts mono">
          {node.calls === 0 && <span className="dim">where traces begin</span>}
          <span hidden={node.calls === 0}>{formatRate(node.ratePerSecond)}</span>
          {node.errors > 0 && <span className="error-text">{formatPercent(node.errors / node.calls)}</span>}
          <span className="dim" hidden={node.calls === 0}>
            p99 {formatDuration(Number(node.p99Nano))}
          </span>
        </span>
      </NodeLink>
    </div>
  );
}

function NodeLink({ node, children }: { readonly node: MapNodeJson; readonly children: ReactNode }) {
  if (node.kind === 'function')
    return (
      <Link to="/functions/$name" params={{ name: node.name }} className="node-link">
        {children}
      </Link>
    );
  if (node.kind === 'topic')
    return (
      <Link to="/topics" search={{ topic: node.name }} className="node-link">
        {children}
      </Link>
    );
  return (
    <Link to="/search" search={{ service: node.name }} className="node-link">
      {children}
    </Link>
  );
}

const KIND_WORDS: Readonly<Record<MapEdgeJson['kind'], string>> = {
  call: 'calls',
  send: 'sends to',
  receive: 'is read by',
};

function Ways({ map, window }: { readonly map: MapJson; readonly window: Readonly<Record<string, string>> }) {
  const none = <span className="dim">·</span>;
  const columns: readonly Column<MapEdgeJson>[] = [
    {
      key: 'way',
      title: 'Way',
      width: 'minmax(200px, 1fr)',
      sortBy: (edge) => edge.from,
      render: (edge) => (
        <>
          <Link
            to="/search"
            search={{ ...tracesOf(edge), ...window }}
            className="linkish linkish-plain"
            title="Its traces"
          >
            <b className="op">{nameIn(edge.from)}</b> <span className="dim">{KIND_WORDS[edge.kind]}</span>{' '}
            <b className="op">{nameIn(edge.to)}</b>
          </Link>{' '}
          {edge.consumerGroup !== '' && <span className="mono dim">{edge.consumerGroup}</span>}
        </>
      ),
    },
    {
      key: 'calls',
      title: 'Count',
      width: '70px',
      isNumber: true,
      sortBy: (edge) => edge.calls,
      render: (edge) => formatCount(edge.calls),
    },
    {
      key: 'rate',
      title: 'Rate',
      width: '80px',
      isNumber: true,
      sortBy: (edge) => edge.ratePerSecond,
      render: (edge) => formatRate(edge.ratePerSecond),
    },
    {
      key: 'errors',
      title: 'Errors',
      width: '64px',
      isNumber: true,
      sortBy: (edge) => edge.errors / edge.calls,
      render: (edge) =>
        edge.errors === 0 ? (
          none
        ) : (
          <span className="error-text">{formatPercent(edge.errors / edge.calls)}</span>
        ),
    },
    {
      key: 'p50',
      title: 'p50',
      width: '76px',
      isNumber: true,
      isExtra: true,
      sortBy: (edge) => Number(edge.p50Nano),
      render: (edge) => formatDuration(Number(edge.p50Nano)),
    },
    {
      key: 'p99',
      title: 'p99',
      width: '76px',
      isNumber: true,
      sortBy: (edge) => Number(edge.p99Nano),
      render: (edge) => formatDuration(Number(edge.p99Nano)),
    },
    {
      key: 'lag',
      title: 'Lag p99',
      width: '76px',
      isNumber: true,
      sortBy: (edge) => (edge.kind === 'receive' ? Number(edge.lagP99Nano) : -1),
      render: (edge) => (edge.kind === 'receive' ? formatDuration(Number(edge.lagP99Nano)) : none),
    },
  ];
  return (
    <Table
      label="Every way"
      columns={columns}
      rows={map.edges}
      rowKey={edgeKey}
      rowHeight={28}
      sort={{ key: 'rate', isUp: false }}
    />
  );
}
