import { useMemo } from 'react';
import { selfTimes } from '../model/self-time.ts';
import type { Span, Trace } from '../model/trace.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { showName } from '../text/name.ts';

interface Row {
  readonly span: Span;
  readonly self: number;
}

/** Every span a row, to be sorted by what it took. */
export function SpanTable(props: {
  readonly trace: Trace;
  readonly colors: ReadonlyMap<string, string>;
  readonly shown: (span: Span) => boolean;
  readonly selectedId: string | undefined;
  readonly onSelect: (id: string) => void;
}) {
  const { trace, colors, shown } = props;
  const rows = useMemo(() => {
    const self = selfTimes(trace.spans);
    return trace.spans
      .map((span, i): Row => ({ span, self: self[i] ?? 0 }))
      .filter(({ span }) => shown(span));
  }, [trace, shown]);
  const columns: readonly Column<Row>[] = [
    {
      key: 'service',
      title: 'Service',
      width: 'minmax(110px, 0.4fr)',
      sortBy: ({ span }) => span.service,
      render: ({ span }) => (
        <span className="svc">
          <i style={{ background: colors.get(span.service) }} />
          {span.service}
        </span>
      ),
    },
    {
      key: 'name',
      title: 'Span',
      width: 'minmax(140px, 1fr)',
      sortBy: ({ span }) => span.name,
      render: ({ span }) => (
        <button
          type="button"
          className={span.isError ? 'linkish error-text' : 'linkish linkish-plain'}
          onClick={() => props.onSelect(span.id)}
        >
          {showName(span.name)}
        </button>
      ),
    },
    {
      key: 'status',
      title: 'What went wrong',
      width: 'minmax(80px, 0.7fr)',
      isExtra: true,
      sortBy: ({ span }) =>
        span.marks.killedBy || span.source.status.message || (span.isError ? 'error' : ''),
      render: ({ span }) => (
        <span
          className={span.marks.killedBy === '' ? 'dim' : 'error-text'}
          title={span.source.status.message}
        >
          {span.marks.killedBy === '' ? span.source.status.message : `never ended: ${span.marks.killedBy}`}
        </span>
      ),
    },
    {
      key: 'start',
      title: 'Starts at',
      width: '84px',
      isNumber: true,
      sortBy: ({ span }) => span.start,
      render: ({ span }) => formatDuration(span.start),
    },
    {
      key: 'duration',
      title: 'Duration',
      width: '84px',
      isNumber: true,
      sortBy: ({ span }) => span.duration,
      render: ({ span }) => formatDuration(span.duration),
    },
    {
      key: 'self',
      title: 'Self',
      width: '84px',
      isNumber: true,
      sortBy: ({ self }) => self,
      render: ({ self }) => formatDuration(self),
    },
  ];
  return (
    <Table
      fills
      label="Spans of the trace"
      columns={columns}
      rows={rows}
      rowKey={({ span }) => span.id}
      rowClass={({ span }) => (span.id === props.selectedId ? 'is-selected' : '')}
      rowHeight={28}
      sort={{ key: 'self', isUp: false }}
    />
  );
}
