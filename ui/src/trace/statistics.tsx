import { useMemo } from 'react';
import { selfTimes } from '../model/self-time.ts';
import type { Span, Trace } from '../model/trace.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { showName } from '../text/name.ts';

interface Group {
  readonly service: string;
  readonly name: string;
  readonly count: number;
  readonly errors: number;
  readonly total: number;
  readonly self: number;
  readonly max: number;
  readonly longest: Span;
}

/** Spans of one service and name together. */
export function Statistics(props: {
  readonly trace: Trace;
  readonly colors: ReadonlyMap<string, string>;
  readonly shown: (span: Span) => boolean;
  readonly onSelect: (id: string) => void;
}) {
  const { trace, colors, shown } = props;
  const groups = useMemo(() => groupSpans(trace, shown), [trace, shown]);
  const allSelf = groups.reduce((sum, group) => sum + group.self, 0) || 1;
  const time = (key: 'total' | 'self' | 'max', title: string): Column<Group> => ({
    key,
    title,
    width: '84px',
    isNumber: true,
    sortBy: (group) => group[key],
    render: (group) => formatDuration(group[key]),
  });
  const columns: readonly Column<Group>[] = [
    {
      key: 'service',
      title: 'Service',
      width: 'minmax(110px, 0.5fr)',
      sortBy: (group) => group.service,
      render: (group) => (
        <span className="svc">
          <i style={{ background: colors.get(group.service) }} />
          {group.service}
        </span>
      ),
    },
    {
      key: 'name',
      title: 'Span',
      width: 'minmax(140px, 1fr)',
      sortBy: (group) => group.name,
      render: (group) => (
        <button
          type="button"
          className="linkish linkish-plain"
          title="Open the longest of them"
          onClick={() => props.onSelect(group.longest.id)}
        >
          {showName(group.name)}
        </button>
      ),
    },
    {
      key: 'count',
      title: 'Count',
      width: '60px',
      isNumber: true,
      sortBy: (group) => group.count,
      render: (group) => group.count,
    },
    {
      key: 'errors',
      title: 'Errors',
      width: '60px',
      isNumber: true,
      sortBy: (group) => group.errors,
      render: (group) =>
        group.errors === 0 ? (
          <span className="dim">·</span>
        ) : (
          <span className="error-text">{group.errors}</span>
        ),
    },
    time('total', 'Total'),
    time('max', 'Longest'),
    time('self', 'Self'),
    {
      key: 'share',
      title: 'Share of self time',
      width: 'minmax(90px, 0.6fr)',
      isExtra: true,
      render: (group) => (
        <span className="meter">
          <i style={{ width: `${(group.self / allSelf) * 100}%`, background: colors.get(group.service) }} />
        </span>
      ),
    },
  ];
  return (
    <Table
      fills
      label="Statistics by service and span"
      columns={columns}
      rows={groups}
      rowKey={(group) => `${group.service}\0${group.name}`}
      rowHeight={28}
      sort={{ key: 'self', isUp: false }}
    />
  );
}

function groupSpans(trace: Trace, shown: (span: Span) => boolean): Group[] {
  const self = selfTimes(trace.spans);
  const entries = trace.spans
    .map((span, i) => ({ span, self: self[i] ?? 0 }))
    .filter(({ span }) => shown(span));
  return [...Map.groupBy(entries, ({ span }) => `${span.service}\0${span.name}`).values()].flatMap((of) => {
    const [first] = of;
    if (!first) return [];
    const longest = of.reduce((max, entry) => (entry.span.duration > max.span.duration ? entry : max), first);
    return [
      {
        service: first.span.service,
        name: first.span.name,
        count: of.length,
        errors: of.filter(({ span }) => span.isError).length,
        total: of.reduce((sum, { span }) => sum + span.duration, 0),
        self: of.reduce((sum, entry) => sum + entry.self, 0),
        max: longest.span.duration,
        longest: longest.span,
      },
    ];
  });
}
