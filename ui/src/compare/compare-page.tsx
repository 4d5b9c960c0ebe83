import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useMemo } from 'react';
import { traceQuery } from '../api/queries.ts';
import { assignColors } from '../layout/colors.ts';
import { place, type Range } from '../layout/range.ts';
import type { Trace } from '../model/trace.ts';
import { PageError } from '../shell/notice.tsx';
import { useTitle } from '../shell/use-title.ts';
import { TakenAway } from '../trace/trace-sampling.tsx';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { showName } from '../text/name.ts';
import { formatClock } from '../text/time.ts';
import './compare.css';
import { type Merged, mergeTraces, type Side } from './merge.ts';

/** Two traces laid on each other: what one has and the other has not, and where the time differs. */
export function ComparePage() {
  const { a, b } = useSearch({ from: '/compare' });
  const navigate = useNavigate({ from: '/compare' });
  useTitle('Compare');
  const first = useQuery({ ...traceQuery(a ?? ''), enabled: a !== undefined });
  const second = useQuery({ ...traceQuery(b ?? ''), enabled: b !== undefined });
  const choose = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => {
      const value = form.get(name);
      return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
    };
    void navigate({ search: { a: text('a'), b: text('b') } });
  };
  const error = first.error ?? second.error;
  return (
    <div className="page">
      <header className="page-head page-head-panel">
        <h1>Compare</h1>
        <form key={`${a} ${b}`} className="inline-form" onSubmit={choose}>
          <input
            className="field field-trace mono"
            name="a"
            aria-label="First trace"
            placeholder="first trace id"
            spellCheck={false}
            defaultValue={a}
          />
          <span className="dim">with</span>
          <input
            className="field field-trace mono"
            name="b"
            aria-label="Second trace"
            placeholder="second trace id"
            spellCheck={false}
            defaultValue={b}
          />
          <button type="submit" className="button">
            Compare
          </button>
        </form>
        {a && b && (
          <button type="button" className="linkish" onClick={() => void navigate({ search: { a: b, b: a } })}>
            Swap
          </button>
        )}
      </header>
      {error ? (
        <PageError title={`The ${first.error ? 'first' : 'second'} trace cannot be had`} error={error}>
          <TakenAway traceId={(first.error ? a : b) ?? ''} />
          <p>Put another id in its place above, or begin with “Compare” on the page of a trace.</p>
        </PageError>
      ) : a === undefined || b === undefined ? (
        <section className="notice">
          <h2>Two traces are needed</h2>
          <p>
            {a === undefined
              ? 'Paste the ids of two traces, or begin with “Compare” on the page of one.'
              : 'Paste the id of the other trace. The verdict of a failed or slow trace names a healthy one to compare with.'}
          </p>
          <Link to="/search" className="linkish">
            Find a trace
          </Link>
        </section>
      ) : first.data && second.data ? (
        <Comparison a={first.data} b={second.data} />
      ) : (
        <p className="waiting" role="status">
          Loading both traces…
        </p>
      )}
    </div>
  );
}

/** Differences below this share of the largest are noise between two runs, and stay grey. */
const NOTABLE = 0.02;

function Comparison({ a, b }: { readonly a: Trace; readonly b: Trace }) {
  const rows = useMemo(() => mergeTraces(a, b), [a, b]);
  const colors = useMemo(() => assignColors([...a.services, ...b.services].map(({ name }) => name)), [a, b]);
  const most = rows.reduce((max, row) => Math.max(max, Math.abs(deltaOf(row))), 1);
  const whole = { from: 0, to: Math.max(a.durationNanos, b.durationNanos) };
  const onlyA = rows.filter((row) => !row.b).length;
  const onlyB = rows.filter((row) => !row.a).length;
  const none = <span className="dim">·</span>;
  const side = (key: 'a' | 'b', trace: Trace, title: string): Column<Merged> => ({
    key,
    title,
    width: '112px',
    isNumber: true,
    sortBy: (row) => row[key]?.total ?? -1,
    render: (row) => <SideCell trace={trace} side={row[key]} />,
  });
  const columns: readonly Column<Merged>[] = [
    {
      key: 'span',
      title: 'Span',
      width: 'minmax(200px, 1fr)',
      render: (row) => (
        <span className="merged-name" style={{ paddingLeft: Math.min(row.depth, 24) * 14 }}>
          <i style={{ background: colors.get(row.service) }} />
          {row.service !== row.name && (
            <>
              <bdi className="dim">{row.service}</bdi>{' '}
            </>
          )}
          <bdi>{showName(row.name)}</bdi>
        </span>
      ),
    },
    {
      key: 'where',
      title: 'In',
      width: '96px',
      sortBy: (row) => (row.a && row.b ? 0 : 1),
      render: (row) =>
        row.a === undefined ? (
          <span className="chip chip-only-b">second only</span>
        ) : row.b === undefined ? (
          <span className="chip">first only</span>
        ) : null,
    },
    side('a', a, 'First'),
    side('b', b, 'Second'),
    {
      key: 'delta',
      title: 'Difference',
      width: '92px',
      isNumber: true,
      sortBy: deltaOf,
      render: (row) => {
        const delta = deltaOf(row);
        if (delta === 0) return none;
        return (
          <span className={{ same: 'dim', slower: 'error-text', faster: 'better-text' }[kindOf(delta, most)]}>
            {delta > 0 ? '+' : ''}
            {formatDuration(delta)}
          </span>
        );
      },
    },
    {
      key: 'bars',
      title: 'Side by side, first above',
      width: 'minmax(140px, 0.7fr)',
      isExtra: true,
      render: (row) => (
        <span className="pair">
          <PairBar side={row.a} whole={whole} kind="first" />
          <PairBar side={row.b} whole={whole} kind={kindOf(deltaOf(row), most)} />
        </span>
      ),
    },
  ];
  return (
    <>
      <div className="compare-heads">
        <Head title="First" trace={a} />
        <Head title="Second" trace={b} />
        <p className="dim">
          {onlyA + onlyB === 0
            ? 'Both have the same spans.'
            : [onlyA > 0 && `${onlyA} in the first only`, onlyB > 0 && `${onlyB} in the second only`]
                .filter(Boolean)
                .join(', ')}
        </p>
      </div>
      <Table
        fills
        label="Both traces"
        columns={columns}
        rows={rows}
        rowKey={(row) => row.key}
        rowHeight={27}
      />
    </>
  );
}

function kindOf(delta: number, most: number): 'same' | 'slower' | 'faster' {
  if (Math.abs(delta) < most * NOTABLE) return 'same';
  return delta > 0 ? 'slower' : 'faster';
}

/** When the longest of the spans ran, on one scale for both traces, each from its own start. */
function PairBar(props: {
  readonly side: Side | undefined;
  readonly whole: Range;
  readonly kind: 'first' | 'same' | 'slower' | 'faster';
}) {
  const bar = props.side && place(props.side.span.start, props.side.span.duration, props.whole);
  return (
    bar && (
      <i
        className={`pair-${props.kind}`}
        style={{ left: `${bar.left * 100}%`, width: `${bar.width * 100}%` }}
      />
    )
  );
}

function Head({ title, trace }: { readonly title: string; readonly trace: Trace }) {
  const [root] = trace.spans;
  return (
    <p>
      <span className="dim">{title}</span>{' '}
      <Link to="/trace/$traceId" params={{ traceId: trace.id }} className="linkish">
        {root?.service} {root?.name}
      </Link>{' '}
      <span className="mono">{formatDuration(trace.durationNanos)}</span>{' '}
      <span className="mono dim">{formatClock(Number(trace.startUnixNano / 1_000_000n))}</span>{' '}
      {trace.errorCount > 0 && <span className="error-text">{trace.errorCount} errors</span>}
    </p>
  );
}

function SideCell({ trace, side }: { readonly trace: Trace; readonly side: Side | undefined }) {
  if (!side) return <span className="dim">·</span>;
  return (
    <Link
      to="/trace/$traceId"
      params={{ traceId: trace.id }}
      search={{ span: side.span.id }}
      className={side.errors > 0 ? 'linkish error-text' : 'linkish linkish-plain'}
    >
      {side.count > 1 && <span className="dim">{side.count}× </span>}
      {formatDuration(side.total)}
    </Link>
  );
}

function deltaOf(row: Merged): number {
  return (row.b?.total ?? 0) - (row.a?.total ?? 0);
}
