import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { readTraceFile } from '../model/trace-file.ts';
import type { Trace } from '../model/trace.ts';
import { PageError } from '../shell/notice.tsx';
import { useTitle } from '../shell/use-title.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { formatClock, formatDay } from '../text/time.ts';
import { OpenFile } from './open-file.tsx';
import { useOpenedFile } from './opened-file.ts';
import { TraceView } from './trace-page.tsx';

/** A larger one would not fit into a page as objects. */
const MOST_BYTES = 256 * 1024 * 1024;

/** The traces of a file, read by this page and stored nowhere. */
export function FilePage() {
  const { trace: traceId } = useSearch({ from: '/file' });
  const file = useOpenedFile();
  useTitle(file?.name ?? 'A file');
  const traces = useQuery({
    queryKey: ['file', file?.name, file?.size, file?.lastModified],
    enabled: file !== undefined,
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
    structuralSharing: false,
    queryFn: () => (file ? readFile(file) : []),
  });
  if (!file) return <NoFile />;
  if (traces.isError)
    return (
      <PageError title={`${file.name} cannot be shown`} error={traces.error}>
        <OpenFile label="Open another file" />
      </PageError>
    );
  if (!traces.data)
    return (
      <p className="waiting" role="status">
        Reading {file.name}…
      </p>
    );
  const [first] = traces.data;
  const chosen = traces.data.length === 1 ? first : traces.data.find(({ id }) => id === traceId);
  if (chosen)
    return (
      <TraceView key={chosen.id} trace={chosen} file={{ name: file.name, traceCount: traces.data.length }} />
    );
  return <TraceList name={file.name} traces={traces.data} />;
}

async function readFile(file: File): Promise<Trace[]> {
  if (file.size > MOST_BYTES)
    throw new Error(
      `cannot read ${Math.round(file.size / 1e6)} MB in a page, ${MOST_BYTES / 1024 / 1024} MB at most`,
    );
  return readTraceFile(await file.text());
}

function NoFile() {
  return (
    <section className="notice file-drop">
      <svg viewBox="0 0 40 40" width="40" height="40" aria-hidden="true">
        <path d="M10 4h14l8 8v24H10z" />
        <path d="M24 4v8h8M15 20h9M17 25h11M20 30h7" />
      </svg>
      <h2>Look at a trace from a file</h2>
      <p>
        Drop it anywhere on this page: JSON as Jaeger downloads it, or OTLP as collectors write it and as
        every trace here can be downloaded.
      </p>
      <OpenFile label="Choose a file" isButton />
      <p className="dim">
        It is read in this browser, sent nowhere and stored nowhere; after a reload it is to be opened again.
      </p>
    </section>
  );
}

const COLUMNS: readonly Column<Trace>[] = [
  {
    key: 'start',
    title: 'Started',
    width: '190px',
    sortBy: (trace) => Number(trace.startUnixNano / 1_000n),
    render: (trace) => {
      const ms = Number(trace.startUnixNano / 1_000_000n);
      return <span className="mono dim">{`${formatDay(ms)} ${formatClock(ms)}`}</span>;
    },
  },
  {
    key: 'name',
    title: 'Trace',
    width: 'minmax(160px, 1fr)',
    sortBy: (trace) => trace.spans[0]?.name ?? '',
    render: (trace) => (
      <Link to="/file" search={{ trace: trace.id }} className="linkish">
        {trace.spans[0]?.service} {trace.spans[0]?.name}
      </Link>
    ),
  },
  {
    key: 'errors',
    title: 'Errors',
    width: '80px',
    isNumber: true,
    sortBy: (trace) => trace.errorCount,
    render: (trace) => (
      <span className={trace.errorCount > 0 ? 'error-text' : 'dim'}>{trace.errorCount || '·'}</span>
    ),
  },
  {
    key: 'spans',
    title: 'Spans',
    width: '80px',
    isNumber: true,
    sortBy: (trace) => trace.spans.length,
    render: (trace) => trace.spans.length,
  },
  {
    key: 'duration',
    title: 'Duration',
    width: '100px',
    isNumber: true,
    sortBy: (trace) => trace.durationNanos,
    render: (trace) => formatDuration(trace.durationNanos),
  },
];

function TraceList({ name, traces }: { readonly name: string; readonly traces: readonly Trace[] }) {
  return (
    <div className="page">
      <header className="page-head page-head-panel">
        <h1>{name}</h1>
        <span className="dim">{traces.length} traces, read in this browser, stored nowhere</span>
        <span className="spacer" />
        <OpenFile label="Open another file" />
      </header>
      <Table
        fills
        label={`Traces in ${name}`}
        columns={COLUMNS}
        rows={traces}
        rowKey={({ id }) => id}
        rowHeight={30}
      />
    </div>
  );
}
